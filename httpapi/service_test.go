package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"drystone/rsm"
	"drystone/store"
)

// local is a Service without a cluster: a real replicated state and the real store, with a log
// that this process alone writes. What a cluster does to requests on bad days, it does on demand.
type local struct {
	mu      sync.Mutex
	state   *rsm.State
	index   uint64
	number  uint64        // of the last batch
	serial  uint64        // of the last request
	logTime uint64        // ms
	grown   chan struct{} // closed when an entry is applied

	view rsm.Status // what the node says of itself besides what the state tells

	// Bad days: each applies to all calls until it is taken back.
	refuse    rsm.Code // requests and reads get no further than this node
	lose      bool     // requests are applied, and the answer is lost
	reply     []byte   // what the machine says instead
	statusErr error
	admin     administration
	asked     []rsm.ReadOptions // of all reads
	deadlines int               // calls that came with a deadline
	left      time.Duration     // until the last one's
}

func newLocal(t testing.TB) *local {
	t.Helper()
	s := &local{
		state: rsm.New(store.New(), rsm.Options{Node: 1, Boot: 1}), grown: make(chan struct{}),
	}
	contact := uint64(20)
	s.view = rsm.Status{
		Version: "test", Engine: "local", NodeID: 1, LeaderID: 1, Term: 3, Role: "leader",
		Health: rsm.HealthOK, Reason: "node 1 leads",
		Members: []rsm.MemberStatus{
			{ID: 1, HTTP: "127.0.0.1:12380", Voter: true},
			{ID: 2, HTTP: "127.0.0.1:22380", Voter: true, ContactMs: &contact},
			{ID: 3, HTTP: "127.0.0.1:32380", Voter: true, ContactMs: &contact},
		},
	}
	s.set(rsm.DefaultSettings())
	return s
}

// set changes the cluster's settings, through the log.
func (s *local) set(settings rsm.Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.execute(rsm.Request{
		Kind:    rsm.SettingsCommand,
		Command: rsm.EncodeSettings(nil, rsm.SettingsChange{Settings: settings}),
	})
}

// execute takes a request all the way through the log.
func (s *local) execute(r rsm.Request) rsm.Result {
	s.number++
	s.serial++
	s.index++
	r.Serial = s.serial
	batch := rsm.EncodeBatch(nil, rsm.Batch{
		Node: 1, Boot: 1, Number: s.number, Ack: s.number - 1, Requests: []rsm.Request{r},
	})
	rsm.StampBatch(batch, int64(s.logTime))
	entry := rsm.EncodeEntry(nil, rsm.Entry{Stamp: s.logTime, Batches: [][]byte{batch}})
	done, err := s.state.Apply(s.index, 3, rsm.EntryCommand, entry)
	if err != nil {
		panic(err)
	}
	close(s.grown)
	s.grown = make(chan struct{})
	return done.Batches[0].Results[0]
}

func (s *local) Do(ctx context.Context, r rsm.Request) (rsm.Result, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteDeadline(ctx)
	if s.refuse != "" {
		return rsm.Result{Outcome: rsm.NotApplied, Code: s.refuse}, ""
	}
	res := s.execute(r)
	id := fmt.Sprintf("1.1.%d", res.Serial)
	if s.lose {
		return rsm.Result{Outcome: rsm.Unknown, Code: rsm.CodeOutcomeUnknown}, id
	}
	if s.reply != nil && res.Outcome == rsm.Applied {
		res.Reply = s.reply
	}
	return res, id
}

func (s *local) Query(ctx context.Context, q []byte, o rsm.ReadOptions) rsm.ReadResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteDeadline(ctx)
	s.asked = append(s.asked, o)
	if s.refuse != "" {
		return rsm.ReadResult{Code: s.refuse}
	}
	if o.MinIndex > s.index {
		return rsm.ReadResult{Code: rsm.CodeNoLeader}
	}
	return rsm.ReadResult{
		Reply: bytes.Clone(s.state.Query(q)), Index: s.index, Term: 3, StaleMs: 7,
	}
}

func (s *local) Status(ctx context.Context, applied uint64) (rsm.Status, error) {
	for {
		s.mu.Lock()
		v, grown, err := s.view, s.grown, s.statusErr
		v.Applied, v.StateHash = s.index, fmt.Sprintf("%016x", s.state.Hash())
		v.Settings, _ = s.state.Settings()
		v.Requests = s.state.Requests()
		if v.Commit == 0 {
			v.Commit = s.index
		}
		s.mu.Unlock()
		if err != nil {
			return rsm.Status{}, err
		}
		if v.Applied >= applied {
			return v, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return v, errors.New("it takes too long")
		}
	}
}

func (s *local) noteDeadline(ctx context.Context) {
	if deadline, ok := ctx.Deadline(); ok {
		s.deadlines++
		s.left = time.Until(deadline)
	}
}

// with changes the day, and takes it back when the test ends.
func (s *local) with(change func(*local)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// ops counts the requests that took effect.
func (s *local) ops() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Point().Op
}
