package sim

import (
	"fmt"
	"sync/atomic"
	"testing"

	"drystone/raft"
)

// TestRot changes bytes on the disk of one node that is down. It refuses its directory, or starts
// with all that it had acknowledged, or misses what it wrote last, as was foreseen; the others go
// on.
func TestRot(t *testing.T) {
	base := scripted(5, 3)
	base.options.MinOps = 60
	base.plan.snapEntries = 1 << 40 // the next world's truth begins with the first entry
	mustHold(t, base, "before the damage")
	count := 90
	if testing.Short() || raceEnabled {
		count = 30
	}
	var reached [markCount]atomic.Uint64
	inParallel(count, func(i int) {
		w := successor(base)
		w.random = random{uint64(i)}
		h := w.hosts[0]
		for h.record.rot == nil { // what must not be done is not
			w.rot(h)
		}
		places := h.record.rot.patches
		mustHold(t, w, fmt.Sprintf("damage %d, at %v", i, places))
		for m, n := range w.reached {
			reached[m].Add(n)
		}
	})
	for _, m := range []mark{markRotRefused, markRotRepaired, markRotHarmless, markRotNewest} {
		if reached[m].Load() == 0 {
			t.Errorf("no run reached %q", markNames[m])
		}
	}
}

// TestRotForeseen: what damage may take is what an atlas was asked about, and no more.
func TestRotForeseen(t *testing.T) {
	restored := func(missing int, change func(r *record, found *raft.Restored)) func() {
		w, _, f := ended(t)
		r := f.record
		m := &r.durable
		found := raft.Restored{Hard: m.hard, Snapshot: raft.SnapshotMeta{
			LastIncludedIndex: m.last() - raft.Index(missing),
			Members:           w.check.configAt(m.last()).Members,
		}}
		found.Snapshot.LastIncludedTerm, _ = m.term(found.Snapshot.LastIncludedIndex)
		r.rot = &rot{}
		r.rot.loss.Silent, r.rot.loss.First, r.rot.loss.Last = true, uint64(m.last()), uint64(m.last())
		if change != nil {
			change(r, &found)
		}
		return func() { w.check.restored(f, &found) }
	}
	restored(1, nil)()
	breaks(t, durability, restored(2, nil))
	breaks(t, durability, restored(1, func(r *record, found *raft.Restored) {
		r.rot.loss.Silent = false
	}))
	breaks(t, durability, restored(0, func(r *record, found *raft.Restored) {
		found.Hard.VotedFor++
	}))
	breaks(t, durability, restored(2, func(r *record, found *raft.Restored) {
		r.rot.loss.First--
		found.Entries = []raft.Entry{{Index: r.durable.last() - 1, Term: r.durable.lastTerm(),
			Data: []byte("?")}}
	}))
}
