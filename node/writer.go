package node

import (
	"sync"
	"sync/atomic"
	"time"

	"drystone/raft"
)

// writer carries Appends to the disk: everything that gathered during the last write goes in one
// write and one fsync, and only then do the messages leave that hang on it.
type writer struct {
	node *core

	mu      sync.Mutex
	appends []raft.Append
	release raft.Index // segments wholly before it may go
	wake    chan struct{}
	busy    atomic.Int64 // when the write under way began, ns since the start; 0: none
}

func newWriter(c *core) *writer { return &writer{node: c, wake: make(chan struct{}, 1)} }

func (w *writer) push(a raft.Append) {
	w.mu.Lock()
	w.appends = append(w.appends, a)
	w.mu.Unlock()
	w.kick()
}

func (w *writer) releaseBefore(first raft.Index) {
	w.mu.Lock()
	w.release = max(w.release, first)
	w.mu.Unlock()
	w.kick()
}

func (w *writer) kick() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run writes until stop. An error is final: what the disk holds is unknown (reliability of
// fsync), so the node stops and recovers from what a new start reads.
func (w *writer) run(stop <-chan struct{}) {
	var appends []raft.Append
	var released raft.Index
	for {
		select {
		case <-stop:
			return
		case <-w.wake:
		}
		w.mu.Lock()
		appends, w.appends = w.appends, appends[:0]
		release := w.release
		w.mu.Unlock()
		if len(appends) > 0 {
			w.busy.Store(max(1, int64(time.Since(w.node.started))))
			err := w.node.store.Write(appends)
			w.busy.Store(0)
			if err != nil {
				w.node.fail(err)
				return
			}
			for i := range appends {
				w.node.send(appends[i].After)
			}
			seq := appends[len(appends)-1].Seq
			w.node.inbox.put(func(p *pile) { p.persisted = seq })
			clear(appends)
			w.node.prepare()
		}
		if release > released {
			released = release
			if err := w.node.store.Release(release); err != nil {
				w.node.fail(err)
				return
			}
		}
	}
}

// stalledFor says how long the write under way has taken.
func (w *writer) stalledFor() time.Duration {
	began := w.busy.Load()
	if began == 0 {
		return 0
	}
	return time.Since(w.node.started) - time.Duration(began)
}
