package wal

import (
	"errors"

	"drystone/disk"
	"drystone/raft"
)

// Record is one record of a log, for a reader's eyes.
type Record struct {
	File   string
	Offset int64 // of the record in its file
	Length int64
	Kind   string     // start, hard, snapshot, entry; torn or damage for what fails to check
	Index  raft.Index // of an entry or snapshot; start: of the last entry before it
	Term   raft.Term  // likewise; hard: the current term
	OK     bool
}

// Class says how a log ends.
type Class string

// The classes of a Verdict.
const (
	Clean    Class = "clean"
	TornTail Class = "torn_tail"
	Corrupt  Class = "corrupt"
)

// Verdict is what a scan came to.
type Verdict struct {
	Class  Class
	File   string // the first that is bad, with the offset; "" if the log is clean
	Offset int64
	Detail string
}

// Scan reads the log in dir without changing anything and visits its records in order, as far as
// they check out. The error is the disk's.
func Scan(dir disk.Dir, visit func(Record)) (Verdict, error) {
	s, err := look(dir)
	var end finding
	if err == nil {
		end, err = s.walk(func(f *segmentFile, g group) error { return scanGroup(f, g, visit) })
	}
	var damage *DamageError
	switch {
	case errors.As(err, &damage):
		visit(Record{File: damage.File, Offset: damage.Offset, Kind: "damage"})
		return Verdict{Corrupt, damage.File, damage.Offset, damage.Detail}, nil
	case err != nil:
		return Verdict{}, err
	case end.torn != nil:
		t := end.torn
		visit(Record{File: t.File, Offset: t.Offset, Length: t.Cut, Kind: "torn"})
		return Verdict{TornTail, t.File, t.Offset, t.String()}, nil
	}
	return Verdict{Class: Clean}, nil
}

func scanGroup(f *segmentFile, g group, visit func(Record)) error {
	for off := 0; off < len(g.payload); {
		rec, n, err := decodeRecord(g.payload[off:])
		at := g.offset + headerBytes + int64(off)
		if err != nil {
			return &DamageError{File: f.name, Offset: at, Detail: err.Error()}
		}
		out := Record{File: f.name, Offset: at, Length: int64(n), Kind: kindNames[rec.kind], OK: true}
		switch rec.kind {
		case recordStart:
			out.Index, out.Term = rec.start.last, rec.start.lastTerm
		case recordHard:
			out.Term = rec.hard.CurrentTerm
		case recordSnapshot:
			out.Index, out.Term = rec.meta.LastIncludedIndex, rec.meta.LastIncludedTerm
		case recordEntry:
			out.Index, out.Term = rec.entry.Index, rec.entry.Term
		}
		visit(out)
		off += n
	}
	return nil
}
