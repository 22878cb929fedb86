package node

import (
	"sync"
	"sync/atomic"
	"time"

	"drystone/disk"
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

	released raft.Index // the writer's alone
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
			for disk.IsFull(err) && w.waitForSpace(stop, err) {
				err = w.node.store.Write(appends)
			}
			w.busy.Store(0)
			if disk.IsFull(err) {
				return // the node stops
			}
			w.node.full.log.Store(false)
			if err != nil {
				w.node.fail(err)
				return
			}
			for i := range appends {
				w.node.send(appends[i].After)
				if m := appends[i].Snapshot; m != nil {
					// Only now is the state replaced, and only after it does the core hand out what
					// follows it.
					w.node.applier.push(task{restore: m})
					release = max(release, m.LastIncludedIndex+1)
				}
			}
			seq := appends[len(appends)-1].Seq
			w.node.inbox.put(func(p *pile) { p.persisted = seq })
			clear(appends)
			w.node.prepare()
		}
		if !w.releaseTo(release) {
			return
		}
	}
}

// fullPause is how often a write that found the disk full is tried again.
const fullPause = 200 * time.Millisecond

// waitForSpace lets some time pass, and gives up what snapshots have made needless. It is false
// when the node stops.
func (w *writer) waitForSpace(stop <-chan struct{}, err error) bool {
	if !w.node.full.log.Swap(true) {
		w.node.logger.Error("no space for the log: this node writes nothing and leads nobody until "+
			"there is", "cause", err)
	}
	pause := time.NewTimer(fullPause)
	defer pause.Stop()
	select {
	case <-stop:
		return false
	case <-pause.C:
	}
	w.mu.Lock()
	release := w.release
	w.mu.Unlock()
	return w.releaseTo(release)
}

// releaseTo gives up segments wholly before first. It is false when that failed, and the node
// with it.
func (w *writer) releaseTo(first raft.Index) bool {
	if first <= w.released {
		return true
	}
	w.released = first
	if err := w.node.store.Release(first); err != nil {
		w.node.fail(err)
		return false
	}
	return true
}

// stalledFor says how long the write under way has taken.
func (w *writer) stalledFor() time.Duration {
	began := w.busy.Load()
	if began == 0 {
		return 0
	}
	return time.Since(w.node.started) - time.Duration(began)
}
