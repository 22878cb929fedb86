package sim

import "drystone/raft"

// writer is a node's way to its log: what gathered during one write goes into the next one, and
// messages leave that hang on it once it is durable.
type writer struct {
	queue    []raft.Append
	writing  []raft.Append
	release  raft.Index
	released raft.Index
	busy     bool
}

func (h *host) queueAppend(a raft.Append) {
	h.writer.queue = append(h.writer.queue, a)
	h.startWrite()
}

func (h *host) releaseBefore(first raft.Index) {
	h.writer.release = max(h.writer.release, first)
	h.startWrite()
}

// startWrite begins a write unless one is under way. Its time is spent before the bytes reach
// the disk, after it, or on both sides: a crash then finds them missing, or durable and not yet
// acknowledged.
func (h *host) startWrite() {
	w := h.world
	if h.writer.busy {
		return
	}
	h.writer.busy = true
	if h.slow > 0 {
		w.after(h.slow, evWrite, h, 0, 0)
		return
	}
	w.after(w.random.spread(w.writeMean()), evWrite, h, 0, 0)
}

// stallStep is how often a write looks whether its disk goes on.
const stallStep = 20 * ms

func (w *world) writeMean() int64 {
	if w.healing {
		return min(w.plan.writeMean, 1*ms)
	}
	return w.plan.writeMean
}

func (h *host) onWrite() {
	w, x := h.world, &h.writer
	if w.now < h.stalled {
		w.after(stallStep, evWrite, h, 0, 0)
		return
	}
	x.writing, x.queue = x.queue, x.writing[:0]
	if len(x.writing) > 0 {
		w.check.writing(h, x.writing)
		if h.failed("write the log", h.store.Write(x.writing)) {
			return
		}
		w.check.wrote(h, x.writing)
		w.trace.wrote(h, x.writing)
		if w.random.below(4) == 0 {
			w.after(w.random.spread(w.plan.saveMean), evPrepare, h, 0, 0)
		}
	}
	if x.release > x.released {
		x.released = x.release
		if h.failed("release the log", h.store.Release(x.released)) {
			return
		}
	}
	if h.slow > 0 || w.random.below(2) == 0 {
		h.onWrote()
		return
	}
	w.after(w.random.spread(w.writeMean()), evWrote, h, 0, 0)
}

// onWrote reports a write: first the messages leave that hang on it, then the core learns it.
func (h *host) onWrote() {
	x := &h.writer
	x.busy = false
	if len(x.queue) > 0 {
		h.startWrite()
	}
	if len(x.writing) == 0 {
		return
	}
	for i := range x.writing {
		a := &x.writing[i]
		for k := range a.After {
			h.sendRaft(&a.After[k])
		}
		if a.Snapshot != nil {
			h.queueRestore(*a.Snapshot)
		}
	}
	h.world.moment(h)
	h.pile.persisted = x.writing[len(x.writing)-1].Seq
	clear(x.writing)
	x.writing = x.writing[:0]
	h.wake()
}

// onPrepare makes a spare segment, between two writes as a goroutine of its own would.
func (h *host) onPrepare() {
	if h.world.now < h.stalled {
		return
	}
	h.failed("prepare a segment", h.store.Prepare())
}
