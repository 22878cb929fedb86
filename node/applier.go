package node

import (
	"fmt"
	"sync"

	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
)

// applier owns the replicated state: it applies entries in order and answers the queries that
// stand between them.
type applier struct {
	node  *core
	state *rsm.State

	mu    sync.Mutex
	queue []task
	wake  chan struct{}

	// Since the last snapshot.
	entries  uint64
	bytes    int64
	snapshot snapshots
}

// task is entries to apply, and queries to answer behind them, or a snapshot to restore.
type task struct {
	entries []raft.Entry
	queries []replica.Query
	restore *raft.SnapshotMeta
}

func newApplier(c *core, s *rsm.State) *applier {
	return &applier{node: c, state: s, wake: make(chan struct{}, 1)}
}

func (a *applier) push(t task) {
	if len(t.entries) == 0 && len(t.queries) == 0 && t.restore == nil {
		return
	}
	a.mu.Lock()
	a.queue = append(a.queue, t)
	a.mu.Unlock()
	a.kick()
}

func (a *applier) kick() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *applier) run(stop <-chan struct{}) {
	defer func() {
		if p := recover(); p != nil {
			a.node.fail(fmt.Errorf("%v", p))
		}
	}()
	var queue []task
	for {
		select {
		case <-stop:
			return
		case <-a.wake:
		}
		a.mu.Lock()
		queue, a.queue = a.queue, queue[:0]
		a.mu.Unlock()
		for _, t := range queue {
			err := a.restore(t.restore)
			if err == nil {
				err = a.apply(t.entries)
			}
			if err != nil {
				a.node.fail(err)
				return
			}
			a.answer(t.queries)
		}
		clear(queue)
		a.snapshot.takeIfDue(a)
	}
}

func (a *applier) apply(entries []raft.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	done := make([]rsm.EntryDone, 0, len(entries))
	for _, e := range entries {
		if uint64(e.Index) <= a.state.Point().Index {
			continue // a newer snapshot than the one asked for was restored
		}
		d, err := a.state.Apply(uint64(e.Index), uint64(e.Term), rsm.EntryKind(e.Kind), e.Data)
		if err != nil {
			return fmt.Errorf("apply entry %d of term %d: %w", e.Index, e.Term, err)
		}
		done = append(done, d)
		a.entries++
		a.bytes += int64(len(e.Data))
	}
	a.node.publish(a.state)
	a.node.inbox.put(func(p *pile) { p.done = append(p.done, done...) })
	return nil
}

func (a *applier) answer(queries []replica.Query) {
	if len(queries) == 0 {
		return
	}
	at := a.state.Point()
	// A query may take long, so nobody is kept waiting meanwhile but those behind it: the loop
	// and every caller need the waiters.
	for _, q := range queries {
		got := answer{read: rsm.ReadResult{
			Reply: a.state.Answer(q.Kind, q.Query), Index: at.Index, Term: at.Term,
			StaleMs: q.StaleMs,
		}}
		a.node.waiters.wake(1, func(int) (replica.Ticket, answer) { return q.Ticket, got })
	}
}
