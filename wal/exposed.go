package wal

import (
	"slices"

	"drystone/disk"
	"drystone/raft"
)

// Exposed is the end of a log that can be lost without a trace: of the newest group nothing else on
// the disk tells, and if it goes, nothing tells of the one before it.
type Exposed struct {
	Groups      int
	First, Last raft.Index // entries, or what a snapshot stands for; none if First > Last
	Hard        bool       // term or vote are among it
}

// FindExposed reads the log in dir, which must be whole, and says what of it damage to these places
// may take away so that it reads as a torn write. Damage to any other group is found, loudly.
func FindExposed(dir disk.Dir, places ...disk.Place) (Exposed, error) {
	s, err := look(dir)
	if err != nil {
		return Exposed{}, err
	}
	none := Exposed{First: 1}
	out := none
	var hard, kept raft.HardState // what the log says so far, and without what is exposed
	_, err = s.walk(func(f *segmentFile, g group) error {
		hit := slices.ContainsFunc(places, func(p disk.Place) bool {
			return p.File == f.name && p.Offset < g.end() && p.Offset+p.Length > g.offset
		})
		if hit {
			out.Groups++
		} else {
			out = none
		}
		for off := 0; off < len(g.payload); {
			r, n, err := decodeRecord(g.payload[off:])
			if err != nil {
				return err
			}
			switch {
			case r.kind == recordHard:
				hard = r.hard
			case r.kind == recordSnapshot && hit && !r.keep:
				// All that the snapshot stands for: what of it the log held before, nothing here tells.
				out.First, out.Last = 1, max(out.Last, r.meta.LastIncludedIndex)
			case r.kind == recordEntry && hit && out.Last == 0:
				out.First, out.Last = r.entry.Index, r.entry.Index
			case r.kind == recordEntry && hit:
				out.First, out.Last = min(out.First, r.entry.Index), max(out.Last, r.entry.Index)
			}
			off += n
		}
		if !hit {
			kept = hard
		}
		return nil
	})
	out.Hard = hard != kept
	return out, err
}
