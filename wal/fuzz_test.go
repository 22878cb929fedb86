package wal

import (
	"bytes"
	"errors"
	"testing"

	"drystone/disk"
	"drystone/raft"
)

// encodeRecord is the inverse of decodeRecord.
func encodeRecord(r record) []byte {
	switch r.kind {
	case recordStart:
		return appendStart(nil, r.start)
	case recordHard:
		return appendHard(nil, r.hard)
	case recordSnapshot:
		return appendSnapshot(nil, r.meta, r.keep)
	default:
		return appendEntry(nil, r.entry)
	}
}

func sampleRecords() []record {
	return []record{
		{kind: recordStart, start: start{cluster: [16]byte{1, 15: 2}, node: 3, previous: 4, size: 5,
			last: 6, lastTerm: 7}},
		{kind: recordHard, hard: raft.HardState{CurrentTerm: 8, VotedFor: 9}},
		{kind: recordSnapshot, meta: raft.SnapshotMeta{LastIncludedIndex: 1, LastIncludedTerm: 2,
			Members: raft.Members{Voters: []raft.NodeID{1, 2}, Next: []raft.NodeID{2, 3},
				Learners: []raft.NodeID{4}}}, keep: true},
		{kind: recordSnapshot, meta: raft.SnapshotMeta{LastIncludedIndex: 1, LastIncludedTerm: 2,
			Members: raft.Members{Voters: []raft.NodeID{1}, Directory: []byte("who")}}},
		{kind: recordEntry, entry: raft.Entry{Index: 3, Term: 2, Kind: raft.EntryConfig,
			Data: []byte("nine bytes")}},
		{kind: recordEntry, entry: raft.Entry{Index: 1 << 63, Term: 1 << 62}},
	}
}

func TestRecordRoundTrip(t *testing.T) {
	for _, r := range sampleRecords() {
		b := encodeRecord(r)
		got, n, err := decodeRecord(append(b, 0xff))
		if err != nil || n != len(b) || n%alignBytes != 0 || !bytes.Equal(encodeRecord(got), b) {
			t.Errorf("%s: %d of %d bytes, %v", kindNames[r.kind], n, len(b), err)
		}
		for cut := range b {
			if _, n, err := decodeRecord(b[:cut]); err == nil {
				t.Errorf("%s cut at %d decodes to %d bytes", kindNames[r.kind], cut, n)
			}
		}
	}
}

// TestGroupOfAnother: a header is believed only in its own segment, a group only in its own place.
func TestGroupOfAnother(t *testing.T) {
	good := header{generation: 5, number: 9, durable: 8, length: 16, previous: 77}
	b := make([]byte, headerBytes)
	good.put(b, 6)
	if h, _, ok := readHeader(b, 5, 6); !ok || h != good {
		t.Fatalf("%+v", h)
	}
	for _, other := range []struct{ gen, salt uint64 }{{4, 6}, {5, 7}, {6, 5}} {
		if _, _, ok := readHeader(b, other.gen, other.salt); ok {
			t.Errorf("believed in segment %v", other)
		}
	}
	for _, bad := range []header{
		{generation: 5, number: 9, durable: 9, length: 16},
		{generation: 5, number: 9, durable: 8, length: 15},
	} {
		bad.put(b, 6)
		if _, _, ok := readHeader(b, 5, 6); ok {
			t.Errorf("%+v is believed", bad)
		}
	}
	g := group{header: good}
	if !g.follows(8, 77) || g.follows(8, 78) || g.follows(7, 77) || g.follows(9, 77) {
		t.Error("a group follows one that it doesn't name")
	}
}

func FuzzRecord(f *testing.F) {
	for _, r := range sampleRecords() {
		f.Add(encodeRecord(r))
	}
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, n, err := decodeRecord(b)
		if err != nil {
			return
		}
		if n > len(b) || !bytes.Equal(encodeRecord(r), b[:n]) {
			t.Fatalf("%d bytes of %x decode to %+v", n, b, r)
		}
	})
}

func FuzzGroup(f *testing.F) {
	payload := encodeRecord(sampleRecords()[1])
	b := append(make([]byte, headerBytes), payload...)
	header{generation: 5, number: 2, durable: 1, length: uint64(len(payload))}.put(b, 6)
	f.Add(b)
	f.Add(b[:headerBytes])
	f.Add(bytes.Repeat(groupMagic, 30))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = declared(b, 0, 5, 6)
		g, ok := groupAt(b, 0, 5, 6)
		if !ok {
			return
		}
		again := append(make([]byte, headerBytes), g.payload...)
		g.header.put(again, 6)
		if !bytes.Equal(again, b[:g.end()]) {
			t.Fatalf("%x decodes to %+v", b, g)
		}
	})
}

// FuzzSegment opens a log of a whole segment, a part of it replaced by the fuzzer's bytes.
func FuzzSegment(f *testing.F) {
	mem := disk.NewMem(1)
	o := Options{SegmentBytes: 8192, Node: 1, Salt: 1} // all groups, each in a sector
	l, _, err := Open(mem.Dir(), o)
	if err != nil {
		f.Fatal(err)
	}
	for i := range raft.Index(12) {
		if err := l.Append(entries(1, i+1, 1, "0123456789")); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(uint16(0), []byte{1})
	f.Add(uint16(300), bytes.Repeat([]byte{0}, 100))
	f.Add(uint16(1500), bytes.Repeat(groupMagic, 9))
	f.Add(uint16(0), make([]byte, 8192)) // nothing is left
	f.Fuzz(func(t *testing.T, off uint16, b []byte) {
		mem := mem.Clone()
		file, err := mem.Dir().Open(segmentName(1, mix(1, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(b, int64(off)); err != nil {
			t.Fatal(err)
		}
		// Damage stays: what a crash took back, checkUsable would find to be another log.
		if err := file.Datasync(); err != nil {
			t.Fatal(err)
		}
		records := 0
		if _, err := Scan(mem.Dir(), func(Record) { records++ }); err != nil {
			t.Fatal(err)
		}
		l, r, err := Open(mem.Dir(), o)
		var damage *DamageError
		if errors.As(err, &damage) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := checkUsable(l, r, mem); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzName: a name is a segment's if it is the one that the segment would get.
func FuzzName(f *testing.F) {
	for _, name := range []string{
		segmentName(1, 1<<63), "wal-0000000000000001-000000000000000G", "wal-1-1", "wal-", spareName,
		segmentName(7, 7) + ".old", "wal-+000000000000001-0000000000000001",
		"wal-0x00000000000001-0000000000000001", "wal-000000000000000A-0000000000000001",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		gen, salt, ok := parseSegmentName(name)
		if ok && (segmentName(gen, salt) != name || !IsFile(name)) {
			t.Errorf("%q is read as segment %d, %d", name, gen, salt)
		}
	})
}
