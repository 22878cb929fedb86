package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"drystone/raft"
)

// Records fill a group. Each is a multiple of 8 bytes; integers are little-endian and of fixed
// width; bytes without a meaning are zero, and checked to be: one value has one encoding.
const (
	recordStart    = 1 // what a segment begins with
	recordHard     = 2 // term and vote
	recordSnapshot = 3 // a received snapshot has become the log's beginning
	recordEntry    = 4 // an entry; it drops all from its index on

	formatVersion = 1

	startBytes    = 64
	hardBytes     = 24
	snapshotBytes = 40 // and 8 for each member
	entryBytes    = 24 // and the data
)

var kindNames = [...]string{"", "start", "hard", "snapshot", "entry"}

// start says whose segment this is and what the log was before it.
type start struct {
	cluster  [16]byte
	node     uint64
	previous uint64 // generation of the segment this one continues; 0: none
	size     uint64 // of the file when it was begun; it gets shorter only once there is a newer one
	last     raft.Index
	lastTerm raft.Term
}

// record is one decoded record; kind says which of the rest is set.
type record struct {
	kind  byte
	start start
	hard  raft.HardState
	meta  raft.SnapshotMeta
	keep  bool // with meta: the log behind it is kept
	entry raft.Entry
}

func appendStart(dst []byte, s start) []byte {
	dst = append(dst, recordStart, formatVersion, 0, 0, 0, 0, 0, 0)
	dst = append(dst, s.cluster[:]...)
	dst = append64(dst, s.node)
	dst = append64(dst, s.previous)
	dst = append64(dst, s.size)
	dst = append64(dst, uint64(s.last))
	return append64(dst, uint64(s.lastTerm))
}

func appendHard(dst []byte, h raft.HardState) []byte {
	dst = append(dst, recordHard, 0, 0, 0, 0, 0, 0, 0)
	dst = append64(dst, uint64(h.CurrentTerm))
	return append64(dst, uint64(h.VotedFor))
}

func appendSnapshot(dst []byte, m raft.SnapshotMeta, keep bool) []byte {
	var k byte
	if keep {
		k = 1
	}
	dst = append(dst, recordSnapshot, k, 0, 0, 0, 0, 0, 0)
	dst = append64(dst, uint64(m.LastIncludedIndex))
	dst = append64(dst, uint64(m.LastIncludedTerm))
	lists := [...][]raft.NodeID{m.Members.Voters, m.Members.Next, m.Members.Learners}
	for _, list := range lists {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(list)))
	}
	directory := m.Members.Directory
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(directory)))
	for _, list := range lists {
		for _, id := range list {
			dst = append64(dst, uint64(id))
		}
	}
	dst = append(dst, directory...)
	return append(dst, noHeader[:padding(len(directory))]...)
}

func appendEntry(dst []byte, e raft.Entry) []byte {
	dst = append(dst, recordEntry, byte(e.Kind), 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(e.Data)))
	dst = append64(dst, uint64(e.Index))
	dst = append64(dst, uint64(e.Term))
	dst = append(dst, e.Data...)
	return append(dst, noHeader[:padding(len(e.Data))]...)
}

func append64(dst []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(dst, v) }

func padding(n int) int { return -n & (alignBytes - 1) }

// decodeRecord reads the record at the beginning of b and returns its length. Entry.Data aliases b.
func decodeRecord(b []byte) (r record, n int, err error) {
	if len(b) < alignBytes {
		return record{}, 0, fmt.Errorf("record of %d bytes", len(b))
	}
	switch r.kind = b[0]; r.kind {
	case recordStart:
		if version := b[1]; version != formatVersion {
			return record{}, 0, fmt.Errorf("format version %d is not known to this program", version)
		}
		n, err = fixed(b, 2, startBytes)
		if err == nil {
			r.start = decodeStart(b)
		}
	case recordHard:
		n, err = fixed(b, 1, hardBytes)
		if err == nil {
			r.hard = raft.HardState{CurrentTerm: raft.Term(u64(b[8:])), VotedFor: raft.NodeID(u64(b[16:]))}
		}
	case recordSnapshot:
		r.keep = b[1] == 1
		r.meta, n, err = decodeSnapshot(b)
	case recordEntry:
		r.entry, n, err = decodeEntry(b)
	default:
		err = fmt.Errorf("record of unknown kind %d", r.kind)
	}
	if err != nil {
		return record{}, 0, err
	}
	return r, n, nil
}

// fixed checks that a record of n bytes is there, and that its first word is zero from byte from.
func fixed(b []byte, from, n int) (int, error) {
	if len(b) < n {
		return 0, fmt.Errorf("%s record is cut short", kindNames[b[0]])
	}
	return n, reserved(b[from:alignBytes])
}

func reserved(b []byte) error {
	for _, c := range b {
		if c != 0 {
			return fmt.Errorf("reserved bytes are not zero")
		}
	}
	return nil
}

func decodeStart(b []byte) start {
	s := start{
		node:     u64(b[24:]),
		previous: u64(b[32:]),
		size:     u64(b[40:]),
		last:     raft.Index(u64(b[48:])),
		lastTerm: raft.Term(u64(b[56:])),
	}
	copy(s.cluster[:], b[8:24])
	return s
}

func decodeSnapshot(b []byte) (m raft.SnapshotMeta, n int, err error) {
	if n, err = fixed(b, 2, snapshotBytes); err != nil {
		return m, 0, err
	}
	if b[1] > 1 {
		return m, 0, fmt.Errorf("snapshot record keeps %d", b[1])
	}
	m.LastIncludedIndex, m.LastIncludedTerm = raft.Index(u64(b[8:])), raft.Term(u64(b[16:]))
	lists := [...]*[]raft.NodeID{&m.Members.Voters, &m.Members.Next, &m.Members.Learners}
	for i, list := range lists {
		count := uint64(binary.LittleEndian.Uint32(b[24+4*i:]))
		if count > uint64(len(b)-n)/8 {
			return m, 0, fmt.Errorf("snapshot record of %d members is cut short", count)
		}
		for range count {
			*list = append(*list, raft.NodeID(u64(b[n:])))
			n += 8
		}
	}
	size := int(binary.LittleEndian.Uint32(b[36:]))
	if size > raft.MaxDirectoryBytes || size+padding(size) > len(b)-n {
		return m, 0, fmt.Errorf("snapshot record with a directory of %d bytes is cut short", size)
	}
	if size > 0 {
		m.Members.Directory = bytes.Clone(b[n : n+size])
	}
	n += size
	return m, n + padding(size), reserved(b[n : n+padding(size)])
}

func decodeEntry(b []byte) (e raft.Entry, n int, err error) {
	if len(b) < entryBytes {
		return e, 0, fmt.Errorf("entry record is cut short")
	}
	if err := reserved(b[2:4]); err != nil {
		return e, 0, err
	}
	n = entryBytes
	size := int(binary.LittleEndian.Uint32(b[4:]))
	if size > MaxEntryBytes || size+padding(size) > len(b)-n {
		return e, 0, fmt.Errorf("entry record of %d bytes is cut short", size)
	}
	e = raft.Entry{
		Kind:  raft.EntryKind(b[1]),
		Index: raft.Index(u64(b[8:])),
		Term:  raft.Term(u64(b[16:])),
	}
	if size > 0 {
		e.Data = b[n : n+size : n+size]
	}
	n += size
	if err := reserved(b[n : n+padding(size)]); err != nil {
		return e, 0, err
	}
	return e, n + padding(size), nil
}

func u64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

func cloneMeta(m raft.SnapshotMeta) *raft.SnapshotMeta {
	m.Members.Voters = slices.Clone(m.Members.Voters)
	m.Members.Next = slices.Clone(m.Members.Next)
	m.Members.Learners = slices.Clone(m.Members.Learners)
	m.Members.Directory = bytes.Clone(m.Members.Directory)
	return &m
}
