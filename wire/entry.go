package wire

import (
	"encoding/binary"

	"drystone/raft"
)

// Sizes on the wire.
const (
	entryBytes = 1 + 1 + 8 + 8 + 4 // EncodeEntry, without data
	slotBytes  = 8 + 1 + 4         // an entry inside AppendEntries, without data
)

// EntryBytes is the length of what EncodeEntry appends for e.
func EntryBytes(e raft.Entry) int { return entryBytes + len(e.Data) }

// EncodeEntry appends a log entry as the log on disk keeps it.
func EncodeEntry(dst []byte, e raft.Entry) []byte {
	dst = append(dst, Version, uint8(e.Kind))
	dst = appendU64(dst, uint64(e.Index))
	dst = appendU64(dst, uint64(e.Term))
	return appendBytes(dst, e.Data)
}

// DecodeEntry reads what EncodeEntry wrote; b is that and no more. Data aliases b, and is nil when
// empty. A kind is taken as it is: who applies the entry knows whether it understands it.
func DecodeEntry(b []byte) (raft.Entry, error) {
	c := cursor{rest: b}
	kind, err := c.head()
	if err != nil {
		return raft.Entry{}, err
	}
	e := raft.Entry{
		Kind: raft.EntryKind(kind), Index: raft.Index(c.u64()), Term: raft.Term(c.u64()),
		Data: c.bytes(),
	}
	c.skipTagged()
	if err := c.err("entry"); err != nil {
		return raft.Entry{}, err
	}
	return e, nil
}

// appendSlots writes the entries of an AppendEntries. Their indexes follow from PrevLogIndex and
// are not sent, so that a gap cannot be said.
func appendSlots(dst []byte, prevLogIndex raft.Index, entries []raft.Entry) []byte {
	dst = appendU32(dst, uint32(len(entries)))
	for i := range entries {
		e := &entries[i]
		assert(e.Index == prevLogIndex+1+raft.Index(i), "AppendEntries with a gap")
		dst = appendU64(dst, uint64(e.Term))
		dst = append(dst, uint8(e.Kind))
		dst = appendBytes(dst, e.Data)
	}
	return dst
}

func (c *cursor) slots(prevLogIndex raft.Index) []raft.Entry {
	n := c.count(slotBytes)
	if n == 0 {
		return nil
	}
	if prevLogIndex+raft.Index(n) < prevLogIndex {
		c.fail()
		return nil
	}
	entries := make([]raft.Entry, n)
	for i := range entries {
		entries[i] = raft.Entry{
			Index: prevLogIndex + 1 + raft.Index(i),
			Term:  raft.Term(c.u64()),
			Kind:  raft.EntryKind(c.u8()),
			Data:  c.bytes(),
		}
	}
	return entries
}

// EncodeMeta appends a snapshot's description.
func EncodeMeta(dst []byte, m raft.SnapshotMeta) []byte {
	return appendMeta(append(dst, Version, kindInstallSnapshot), m)
}

// DecodeMeta reads what EncodeMeta wrote; b is that and no more. Nothing aliases b.
func DecodeMeta(b []byte) (raft.SnapshotMeta, error) {
	c := cursor{rest: b}
	kind, err := c.head()
	if err != nil {
		return raft.SnapshotMeta{}, err
	}
	if kind != kindInstallSnapshot {
		c.fail()
	}
	m := c.meta()
	c.skipTagged()
	if err := c.err("snapshot description"); err != nil {
		return raft.SnapshotMeta{}, err
	}
	return m, nil
}

// appendMeta writes the members as they stand in the log, so that they have one encoding.
func appendMeta(dst []byte, m raft.SnapshotMeta) []byte {
	dst = appendU64(dst, uint64(m.LastIncludedIndex))
	dst = appendU64(dst, uint64(m.LastIncludedTerm))
	at := len(dst)
	dst = raft.EncodeMembers(append(dst, 0, 0, 0, 0), m.Members)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

func (c *cursor) meta() raft.SnapshotMeta {
	m := raft.SnapshotMeta{
		LastIncludedIndex: raft.Index(c.u64()), LastIncludedTerm: raft.Term(c.u64()),
	}
	members, err := raft.DecodeMembers(c.bytes())
	if err != nil {
		c.fail()
	}
	m.Members = members
	return m
}
