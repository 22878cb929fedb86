package wal

import (
	"bytes"
	"fmt"

	"drystone/disk"
	"drystone/raft"
)

// Open reads the log in dir, or begins one. What it returns in Recovered is durable. A *DamageError
// says that something durable is lost, a *ForeignError that the log is someone else's; then nothing
// was written.
//
// Opening an existing log needs no space on the disk.
func Open(dir disk.Dir, o Options) (*Log, Recovered, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = SegmentBytesDefault
	}
	s, err := look(dir)
	if err != nil {
		return nil, Recovered{}, err
	}
	l := &Log{dir: dir, options: o, nextGen: 1}
	l.terms.reset(0, 0)
	r := replay{l: l}
	end, err := s.walk(r.onGroup)
	if err != nil {
		return nil, Recovered{}, err
	}
	l.number, l.crc = end.number, end.crc
	l.adopt(s)
	if err := l.findSpare(); err != nil {
		return nil, Recovered{}, err
	}
	found := r.recovered
	found.Hard, found.Snapshot, found.Torn = l.tail.hard, l.tail.marker, end.torn
	if len(s.chain) == 0 {
		found.New = true
		err = l.begin()
	} else {
		err = l.settle(s.files[end.file].name, end)
	}
	if err != nil {
		return nil, Recovered{}, err
	}
	l.countBytes()
	return l, found, nil
}

// adopt takes the files over: what is not of the log is removed once something newer is durable.
func (l *Log) adopt(s *survey) {
	inChain := 0
	for i := range s.files {
		f := &s.files[i]
		l.nextGen = max(l.nextGen, f.gen+1)
		if inChain < len(s.chain) && s.chain[inChain] == i {
			l.segments[inChain].end = f.end
			inChain++
			continue
		}
		l.junk = append(l.junk, f.name)
	}
	assert(inChain == len(l.segments), "wal: a segment was not replayed")
}

// settle makes durable what was read. The last group may never have been synced: the process died
// between write and sync, or the sync failed and only the page cache still has it, marked clean. So
// it is written again, which no sync will skip, byte for byte, which no crash can hurt.
func (l *Log) settle(name string, end finding) error {
	file, err := l.dir.Open(name)
	if err != nil {
		return fmt.Errorf("settle log: %w", err)
	}
	defer file.Close()
	if _, err := file.WriteAt(end.raw, end.offset); err != nil {
		return fmt.Errorf("settle log: %w", err)
	}
	if err := file.Datasync(); err != nil {
		return fmt.Errorf("settle log: %w", err)
	}
	return nil
}

// replay applies the groups of a log to an empty one.
type replay struct {
	l         *Log
	recovered Recovered
	file      *segmentFile // of the group before
}

func (r *replay) onGroup(f *segmentFile, g group) error {
	l := r.l
	if f != r.file {
		r.file = f
		l.segments = append(l.segments, segment{name: f.name, gen: f.gen, salt: f.salt, size: f.size})
	}
	payload := bytes.Clone(g.payload) // entries alias it; what was read is read over
	for off := 0; off < len(payload); {
		rec, n, err := decodeRecord(payload[off:])
		if err == nil {
			err = r.onRecord(rec, g.offset == 0 && off == 0)
		}
		if foreign, ok := err.(*ForeignError); ok {
			foreign.File = f.name
			return err
		}
		if err != nil {
			return &DamageError{File: f.name, Offset: g.offset + headerBytes + int64(off),
				Detail: err.Error()}
		}
		off += n
	}
	return nil
}

func (r *replay) onRecord(rec record, first bool) error {
	if first != (rec.kind == recordStart) {
		return fmt.Errorf("a start record stands where none belongs, or is missing")
	}
	switch rec.kind {
	case recordStart:
		return r.onStart(rec.start)
	case recordHard:
		if rec.hard.CurrentTerm < r.l.tail.hard.CurrentTerm {
			return fmt.Errorf("term %d after term %d", rec.hard.CurrentTerm, r.l.tail.hard.CurrentTerm)
		}
		r.l.tail.hard = rec.hard
	case recordSnapshot:
		return r.onSnapshot(rec.meta, rec.keep)
	case recordEntry:
		return r.onEntry(rec.entry)
	}
	return nil
}

func (r *replay) onStart(s start) error {
	l := r.l
	if err := l.options.check(s); err != nil {
		return err
	}
	current := &l.segments[len(l.segments)-1]
	current.base = s.last
	if len(l.segments) == 1 {
		l.tail.last, l.tail.lastTerm = s.last, s.lastTerm
		l.terms.reset(s.last, s.lastTerm)
		r.recovered.PrevIndex, r.recovered.PrevTerm = s.last, s.lastTerm
		return nil
	}
	if s.last != l.tail.last || s.lastTerm != l.tail.lastTerm {
		return fmt.Errorf("segment continues a log that ends with entry %d of term %d, not %d of term %d",
			s.last, s.lastTerm, l.tail.last, l.tail.lastTerm)
	}
	return nil
}

func (r *replay) onSnapshot(m raft.SnapshotMeta, keep bool) error {
	l := r.l
	if keep && m.LastIncludedIndex > l.tail.last {
		return fmt.Errorf("snapshot %d keeps a log that ends with entry %d",
			m.LastIncludedIndex, l.tail.last)
	}
	l.onSnapshot(m, keep)
	if !keep {
		r.recovered.Entries = nil
		r.recovered.PrevIndex, r.recovered.PrevTerm = m.LastIncludedIndex, m.LastIncludedTerm
	}
	return nil
}

func (r *replay) onEntry(e raft.Entry) error {
	l, found := r.l, &r.recovered
	if e.Index == 0 || e.Index > l.tail.last+1 {
		return fmt.Errorf("entry %d follows entry %d", e.Index, l.tail.last)
	}
	l.onEntries([]raft.Entry{e})
	if e.Index <= found.PrevIndex {
		// Older segments, which held what stands before it, are released.
		found.PrevIndex, found.PrevTerm = e.Index-1, 0
		found.Entries = nil
	}
	found.Entries = append(found.Entries[:e.Index-found.PrevIndex-1], e)
	return nil
}

// check refuses another node's or another cluster's log.
func (o Options) check(s start) error {
	var none [16]byte
	switch {
	case s.node != o.Node && s.node != 0 && o.Node != 0:
		return &ForeignError{Detail: fmt.Sprintf("is the log of node %d, not of node %d", s.node, o.Node)}
	case s.cluster != o.Cluster && s.cluster != none && o.Cluster != none:
		return &ForeignError{Detail: fmt.Sprintf("is the log of cluster %x, not of cluster %x",
			s.cluster, o.Cluster)}
	}
	return nil
}
