// Package httpapitest is a node without a cluster, for tests of what stands before one: a real
// replicated state and the real store, with a log that this process alone writes. What a cluster
// does to requests on bad days, it does on demand, without waiting for anything.
package httpapitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"drystone/rsm"
	"drystone/store"
)

// Service answers as a node does. Change it by With.
type Service struct {
	mu      sync.Mutex
	state   *rsm.State
	number  uint64        // of the last batch
	serial  uint64        // of the last request
	orphans []uint64      // serials of requests whose answer was lost
	grown   chan struct{} // closed when an entry is applied
	Index   uint64        // of the last entry
	LogTime uint64        // ms, of the next entry

	View rsm.Status // what the node says of itself besides what the state tells

	// Bad days: each applies to all calls until it is taken back.
	Refuse    rsm.Code       // requests and reads get no further than this node
	Lose      bool           // requests are applied, and the answer is lost
	Pending   bool           // requests that nobody knows of wait here
	Reply     []byte         // what the machine says instead
	StatusErr error          // why there is no status
	Admin     rsm.AdminReply // to whoever asks about members

	// What was asked of it.
	Reads     []rsm.ReadOptions
	Admins    []rsm.AdminRequest
	Deadlines int           // calls that came with a deadline
	Left      time.Duration // until the last one's
}

// New returns the leader of three nodes, all of which answer.
func New() *Service {
	s := &Service{
		state: rsm.New(store.New(), rsm.Options{Node: 1, Boot: 1}), grown: make(chan struct{}),
	}
	s.View = rsm.Status{
		Version: "test", Engine: "local", NodeID: 1, LeaderID: 1, Term: 3, Role: "leader",
		Health: rsm.HealthOK, Reason: "node 1 leads", Members: Contact(-1, 20, 20),
	}
	s.Set(rsm.DefaultSettings())
	return s
}

// Contact are voters, 1 and on, and how many milliseconds ago each was heard; -1 is never.
func Contact(ms ...int) (members []rsm.MemberStatus) {
	for i, n := range ms {
		m := rsm.MemberStatus{ID: uint64(i + 1), HTTP: fmt.Sprintf("127.0.0.1:%d2380", i+1), Voter: true}
		if n >= 0 {
			since := uint64(n)
			m.ContactMs = &since
		}
		members = append(members, m)
	}
	return members
}

// With changes the day.
func (s *Service) With(change func(*Service)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// Set changes the cluster's settings, through the log.
func (s *Service) Set(settings rsm.Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.execute(rsm.Request{
		Kind:    rsm.SettingsCommand,
		Command: rsm.EncodeSettings(nil, rsm.SettingsChange{Settings: settings}),
	})
}

// Ops counts the requests that took effect.
func (s *Service) Ops() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Point().Op
}

// execute takes a request all the way through the log.
func (s *Service) execute(r rsm.Request) rsm.Result {
	s.number++
	s.serial++
	s.Index++
	r.Serial = s.serial
	batch := rsm.EncodeBatch(nil, rsm.Batch{
		Node: 1, Boot: 1, Number: s.number, Ack: s.number - 1, Keep: s.orphans,
		Requests: []rsm.Request{r},
	})
	s.orphans = nil
	rsm.StampBatch(batch, int64(s.LogTime))
	entry := rsm.EncodeEntry(nil, rsm.Entry{Stamp: s.LogTime, Batches: [][]byte{batch}})
	done, err := s.state.Apply(s.Index, 3, rsm.EntryCommand, entry)
	if err != nil {
		panic(err)
	}
	close(s.grown)
	s.grown = make(chan struct{})
	return done.Batches[0].Results[0]
}

// Do takes a request through the log, or not, as the day is.
func (s *Service) Do(ctx context.Context, r rsm.Request) (rsm.Result, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteDeadline(ctx)
	if s.Refuse != "" {
		return rsm.Result{Outcome: rsm.NotApplied, Code: s.Refuse}, ""
	}
	res := s.execute(r)
	id := fmt.Sprintf("1.1.%d", res.Serial)
	if s.Lose {
		s.orphans = append(s.orphans, res.Serial)
		return rsm.Result{Outcome: rsm.Unknown, Code: rsm.CodeOutcomeUnknown}, id
	}
	if s.Reply != nil && res.Outcome == rsm.Applied && r.Kind == rsm.MachineCommand {
		res.Reply = s.Reply
	}
	return res, id
}

// Query answers a read, or not, as the day is.
func (s *Service) Query(ctx context.Context, q []byte, o rsm.ReadOptions) rsm.ReadResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteDeadline(ctx)
	s.Reads = append(s.Reads, o)
	if s.Refuse != "" {
		return rsm.ReadResult{Code: s.Refuse}
	}
	if o.MinIndex > s.Index {
		return rsm.ReadResult{Code: rsm.CodeNoLeader}
	}
	reply := s.Reply
	switch {
	case o.Kind == rsm.RequestQuery:
		reply = s.state.Answer(o.Kind, q)
		if f, err := rsm.DecodeFate(reply); s.Pending && err == nil && f.State == rsm.FateAbsent {
			reply = rsm.EncodeFate(nil, rsm.Fate{State: rsm.FatePending})
		}
	case reply == nil:
		reply = bytes.Clone(s.state.Query(q))
	}
	return rsm.ReadResult{Reply: reply, Index: s.Index, Term: 3, StaleMs: 7}
}

// Status waits until an index is applied.
func (s *Service) Status(ctx context.Context, applied uint64) (rsm.Status, error) {
	for {
		s.mu.Lock()
		v, grown, err := s.View, s.grown, s.StatusErr
		v.Applied, v.StateHash = s.Index, fmt.Sprintf("%016x", s.state.Hash())
		v.Settings, _ = s.state.Settings()
		v.Requests, v.Sessions = s.state.Requests(), s.state.Sessions()
		if v.Commit == 0 {
			v.Commit = s.Index
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

// Administer says what the day says.
func (s *Service) Administer(ctx context.Context, q rsm.AdminRequest) rsm.AdminReply {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteDeadline(ctx)
	s.Admins = append(s.Admins, q)
	return s.Admin
}

func (s *Service) noteDeadline(ctx context.Context) {
	if deadline, ok := ctx.Deadline(); ok {
		s.Deadlines++
		s.Left = time.Until(deadline)
	}
}
