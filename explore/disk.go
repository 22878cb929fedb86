package explore

import (
	"hash/fnv"
	"slices"

	"drystone/raft"
)

// durable is what a crash leaves of a node. Its slices are never written to.
type durable struct {
	hard    raft.HardState
	snap    raft.SnapshotMeta
	entries []raft.Entry // behind snap, without a gap
}

// write makes an Append durable.
func (d *durable) write(a *raft.Append) {
	d.hard = a.Hard
	if a.Snapshot != nil {
		d.snap, d.entries = *a.Snapshot, nil
	}
	if len(a.Entries) == 0 {
		return
	}
	keep := max(0, min(len(d.entries), int(a.Entries[0].Index-d.snap.LastIncludedIndex)-1))
	d.entries = append(slices.Clip(d.entries[:keep]), a.Entries...)
}

// compact makes a snapshot durable, and forgets what it covers.
func (d *durable) compact(meta raft.SnapshotMeta) {
	n := min(len(d.entries), int(meta.LastIncludedIndex-d.snap.LastIncludedIndex))
	d.snap, d.entries = meta, d.entries[n:]
}

func (d *durable) restored() raft.Restored {
	return raft.Restored{Hard: d.hard, Snapshot: d.snap, Entries: slices.Clone(d.entries)}
}

// history is a log in short: what tells entries apart, from an index on.
type history struct {
	base  int // index before the first of slots
	slots []slot
}

type slot struct {
	term    raft.Term
	content uint32
	config  bool
}

func (d *durable) history() history {
	h := history{base: int(d.snap.LastIncludedIndex)}
	for i := range d.entries {
		e := &d.entries[i]
		sum := fnv.New32a()
		sum.Write([]byte{byte(e.Kind)})
		sum.Write(e.Data)
		h.slots = append(h.slots, slot{e.Term, sum.Sum32(), e.Kind == raft.EntryConfig})
	}
	return h
}

func (h *history) last() int { return h.base + len(h.slots) }

// at returns the entry at an index, if it is not covered by a snapshot or beyond the end.
func (h *history) at(i int) (slot, bool) {
	if i <= h.base || i > h.last() {
		return slot{}, false
	}
	return h.slots[i-h.base-1], true
}

// holds reports whether the log has an entry, or a snapshot that must cover it.
func (h *history) holds(i int, e slot) bool {
	have, ok := h.at(i)
	return i <= h.base || ok && have == e
}

// matches is Log Matching (§5.3) of two logs: from the last index down at which both have an entry
// of the same term, they are equal.
func (h *history) matches(o *history) bool {
	equal := false
	for i := min(h.last(), o.last()); i > max(h.base, o.base); i-- {
		a, b := h.slots[i-h.base-1], o.slots[i-o.base-1]
		equal = equal || a.term == b.term
		if equal && a != b {
			return false
		}
	}
	return true
}

// extends reports whether o's entries up to an index are in h as well.
func (h *history) extends(o *history, upto int) bool {
	for i := o.base + 1; i <= min(upto, o.last()); i++ {
		if !h.holds(i, o.slots[i-o.base-1]) {
			return false
		}
	}
	return h.last() >= min(upto, o.last())
}
