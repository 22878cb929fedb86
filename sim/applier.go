package sim

import (
	"io"

	"drystone/disk"
	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
)

// applier owns a node's replicated state: it applies entries in order and answers the queries
// that stand between them.
type applier struct {
	queue   []task
	busy    bool
	done    []applied
	entries uint64 // since the last snapshot
	bytes   int64
}

// task is entries to apply and then queries to answer, or a snapshot to restore.
type task struct {
	entries []raft.Entry
	queries []replica.Query
	restore *raft.SnapshotMeta
}

func (h *host) queueApply(entries []raft.Entry, queries []replica.Query) {
	if len(entries) > 0 || len(queries) > 0 {
		h.applier.queue = append(h.applier.queue, task{entries: entries, queries: queries})
		h.startApply()
	}
}

func (h *host) queueRestore(meta raft.SnapshotMeta) {
	h.applier.queue = append(h.applier.queue, task{restore: &meta})
	h.startApply()
}

func (h *host) startApply() {
	if !h.applier.busy {
		h.applier.busy = true
		h.world.after(h.world.random.spread(h.world.plan.applyMean), evApply, h, 0, 0)
	}
}

func (h *host) onApply() {
	w, x := h.world, &h.applier
	queue := x.queue
	x.queue = nil
	for i := range queue {
		t := &queue[i]
		if t.restore != nil && !h.restore(t.restore) {
			return
		}
		for k := range t.entries {
			e := &t.entries[k]
			w.check.applying(h, e)
			if uint64(e.Index) <= h.state.Point().Index {
				continue // a newer snapshot than the one asked for was restored
			}
			d, err := h.state.Apply(uint64(e.Index), uint64(e.Term), rsm.EntryKind(e.Kind), e.Data)
			if err != nil {
				w.fail("Apply", "n%d applies entry %d@%d: %v", h.id, e.Index, e.Term, err)
			}
			w.check.applied(h, h.state)
			w.truth.results(h, &d)
			w.draws.check()
			w.trace.applied(h, e)
			x.done = append(x.done, applied{done: d})
			x.entries++
			x.bytes += int64(len(e.Data))
		}
		if len(t.entries) > 0 {
			h.publishStanding()
		}
		at := h.state.Point()
		for _, q := range t.queries {
			w.clients.onRead(h, q.Ticket, &rsm.ReadResult{
				Reply: h.state.Answer(q.Kind, q.Query), Index: at.Index, Term: at.Term, StaleMs: q.StaleMs,
			})
		}
	}
	h.snapshotIfDue()
	if w.random.below(2) == 0 {
		h.onApplied()
		return
	}
	w.after(w.random.spread(w.plan.applyMean), evApplied, h, 0, 0)
}

func (h *host) onApplied() {
	x := &h.applier
	x.busy = false
	if len(x.queue) > 0 {
		h.startApply()
	}
	if len(x.done) > 0 {
		h.pile.applied = append(h.pile.applied, x.done...)
		clear(x.done)
		x.done = x.done[:0]
		h.wake()
	}
}

// saver writes one snapshot at a time, while the applier goes on.
type saver struct {
	busy      bool
	meta      raft.SnapshotMeta
	frozen    io.WriterTo
	lastBytes int64
}

// snapshotIfDue freezes the state once the log behind the last snapshot passes a threshold (§7).
func (h *host) snapshotIfDue() {
	w, x := h.world, &h.applier
	if h.saver.busy || x.entries < w.plan.snapEntries && x.bytes < w.plan.snapBytes {
		return
	}
	at := h.state.Point()
	members, err := raft.DecodeMembers(h.state.Config())
	if err != nil {
		w.fail("Apply", "n%d: membership as of entry %d: %v", h.id, at.Index, err)
	}
	x.entries, x.bytes = 0, 0
	h.saver.busy = true
	h.saver.meta = raft.SnapshotMeta{
		LastIncludedIndex: raft.Index(at.Index), LastIncludedTerm: raft.Term(at.Term),
		Members: members,
	}
	h.saver.frozen = h.state.Snapshot()
	w.after(w.random.spread(w.plan.saveMean), evSave, h, 0, 0)
}

func (h *host) onSave() {
	w, x := h.world, &h.saver
	if w.now < h.stalled {
		w.after(stallStep, evSave, h, 0, 0)
		return
	}
	size, err := h.store.SaveSnapshot(x.meta, x.frozen)
	if disk.IsFull(err) && !h.dying { // the log grows on until the next
		w.reach(markFullSnapshot)
		w.trace.line(h, "no room for a snapshot")
		x.busy, x.frozen = false, nil
		return
	}
	if h.failed("save a snapshot", err) {
		return
	}
	w.check.saved(h, &x.meta)
	if x.meta.Members.Joint() {
		w.reach(markJointSnapshot)
	}
	w.reach(markSnapshot)
	w.moment(h)
	w.trace.snapshot(h, "saved snapshot", &x.meta, size)
	x.busy, x.lastBytes, x.frozen = false, size, nil
	h.pile.saved = append(h.pile.saved, x.meta)
	h.wake()
}
