package sim

import (
	"drystone/disk"
	"drystone/raft"
)

// writer is a node's way to its log: what gathered during one write goes into the next one, and
// messages leave that hang on it once it is durable.
type writer struct {
	queue    []raft.Append
	writing  []raft.Append
	release  raft.Index
	released raft.Index
	busy     bool
	full     bool  // writing found the disk full, and is tried again
	spareAt  int64 // no spare segment is tried before
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
	if !x.full {
		x.writing, x.queue = x.queue, x.writing[:0]
	} else if !h.release() {
		return
	}
	if len(x.writing) > 0 {
		w.check.writing(h, x.writing)
		used := h.mem.Used()
		err := h.store.Write(x.writing)
		if x.full = disk.IsFull(err); x.full && !h.dying {
			h.waitForSpace(used)
			return
		}
		if h.failed("write the log", err) {
			return
		}
		w.check.wrote(h, x.writing)
		w.trace.wrote(h, x.writing)
		if w.random.chance(w.plan.spares) {
			w.after(w.random.spread(w.plan.saveMean), evPrepare, h, 0, 0)
		}
	}
	if !h.release() {
		return
	}
	if h.slow > 0 || w.random.below(2) == 0 {
		h.onWrote()
		return
	}
	w.after(w.random.spread(w.writeMean()), evWrote, h, 0, 0)
}

// release gives up segments that snapshots have made needless. It is false when the process ended.
func (h *host) release() bool {
	x := &h.writer
	if x.release <= x.released {
		return true
	}
	x.released = x.release
	return !h.failed("release the log", h.store.Release(x.released))
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
	w := h.world
	if w.now < h.stalled || w.now < h.writer.spareAt {
		return
	}
	err := h.store.Prepare()
	if disk.IsFull(err) && !h.dying {
		w.trace.line(h, "no room for a spare segment")
		h.writer.spareAt = w.now + h.local(sparePause)
		return
	}
	h.failed("prepare a segment", err)
}
