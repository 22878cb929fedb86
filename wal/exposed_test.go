package wal

import (
	"testing"

	"drystone/disk"
	"drystone/raft"
)

// TestExposed: damage can only take groups from the end on without a trace.
func TestExposed(t *testing.T) {
	mem := disk.NewMem(1)
	l, _ := mustOpen(t, mem.Dir(), Options{Node: 1, Salt: 1})
	mustAppend(t, l, entries(1, 1, 2, "a")) // at 512
	mustAppend(t, l, entries(2, 3, 1, "b")) // at 1024
	mustAppend(t, l, entries(2, 4, 2, "c")) // at 1536
	mustAppend(t, l, entries(2, 5, 1, "d")) // at 2048
	file := segmentName(1, mix(1, 1))
	at := func(offset, length int64) disk.Place {
		return disk.Place{File: file, Offset: offset, Length: length}
	}
	none := Exposed{First: 1}
	for _, c := range []struct {
		claim  string
		places []disk.Place
		want   Exposed
	}{
		{"nowhere", nil, none},
		{"the newest group", []disk.Place{at(2050, 1)}, Exposed{1, 5, 5, false}},
		{"behind it, in its sector", []disk.Place{at(2048+511, 1)}, none},
		{"one before it", []disk.Place{at(1600, 1)}, none},
		{"both", []disk.Place{at(1600, 600)}, Exposed{2, 4, 5, false}},
		{"both, one by one", []disk.Place{at(2048, 1), at(1536, 1)}, Exposed{2, 4, 5, false}},
		{"a gap in between", []disk.Place{at(2048, 1), at(1024, 1)}, Exposed{1, 5, 5, false}},
		{"a term", []disk.Place{at(1024, 2000)}, Exposed{3, 3, 5, true}},
		{"another file", []disk.Place{{File: "spare", Offset: 0, Length: 9999}}, none},
	} {
		got, err := FindExposed(mem.Dir(), c.places...)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.claim, got, err, c.want)
		}
		// And so it is: noise in all these places leaves the rest, or is found.
		m := mem.Clone()
		for _, p := range c.places {
			for i := range p.Length {
				_ = m.Flip(p.File, p.Offset+i, 0x55) // behind the file's end there is nothing
			}
		}
		_, r, err := Open(m.Dir(), Options{Node: 1, Salt: 2})
		if err == nil && raft.Index(len(r.Entries)) < min(c.want.First-1, 5) && c.want.Groups > 0 {
			t.Errorf("%s: %d entries are left", c.claim, len(r.Entries))
		}
		if err == nil && c.want.Groups == 0 && len(r.Entries) != 5 {
			t.Errorf("%s: %d entries are left", c.claim, len(r.Entries))
		}
	}
}

// TestExposedSnapshot: with the marker of a snapshot that replaced the log goes all that it stood
// for. One that kept the log only takes itself along.
func TestExposedSnapshot(t *testing.T) {
	for _, c := range []struct {
		keep bool
		want Exposed
	}{
		{false, Exposed{1, 1, 9, false}},
		{true, Exposed{1, 1, 0, false}},
	} {
		mem := disk.NewMem(1)
		l, _ := mustOpen(t, mem.Dir(), Options{Node: 1, Salt: 1})
		mustAppend(t, l, entries(1, 1, 2, "a")) // at 512
		m := raft.SnapshotMeta{LastIncludedIndex: 9, LastIncludedTerm: 1}
		if c.keep {
			m.LastIncludedIndex = 2
		}
		a := raft.Append{Hard: raft.HardState{CurrentTerm: 1}, Snapshot: &m, KeepLog: c.keep}
		mustAppend(t, l, []raft.Append{a}) // at 1024
		place := disk.Place{File: segmentName(1, mix(1, 1)), Offset: 1024, Length: 1}
		got, err := FindExposed(mem.Dir(), place)
		if err != nil || got != c.want {
			t.Errorf("keep %v: %+v, %v, want %+v", c.keep, got, err, c.want)
		}
	}
}
