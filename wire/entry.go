package wire

import (
	"slices"

	"drystone/raft"
)

// Sizes on the wire.
const (
	entryBytes = 1 + 1 + 8 + 8 + 4 // EncodeEntry, without data
	slotBytes  = 8 + 1 + 4         // an entry inside AppendEntries, without data
	metaBytes  = 8 + 8 + 3*4       // SnapshotMeta without members
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

func appendMeta(dst []byte, m raft.SnapshotMeta) []byte {
	dst = appendU64(dst, uint64(m.LastIncludedIndex))
	dst = appendU64(dst, uint64(m.LastIncludedTerm))
	for _, ids := range [...][]raft.NodeID{m.Members.Voters, m.Members.Next, m.Members.Learners} {
		assert(slices.IsSorted(ids), "members that do not ascend")
		dst = appendU32(dst, uint32(len(ids)))
		for _, id := range ids {
			dst = appendU64(dst, uint64(id))
		}
	}
	return dst
}

func (c *cursor) meta() raft.SnapshotMeta {
	return raft.SnapshotMeta{
		LastIncludedIndex: raft.Index(c.u64()),
		LastIncludedTerm:  raft.Term(c.u64()),
		Members:           raft.Members{Voters: c.ids(), Next: c.ids(), Learners: c.ids()},
	}
}

// ids reads one list of members: ascending, none twice, nobody's number not among them.
func (c *cursor) ids() []raft.NodeID {
	n := c.count(8)
	if n == 0 {
		return nil
	}
	ids := make([]raft.NodeID, n)
	var last raft.NodeID
	for i := range ids {
		ids[i] = raft.NodeID(c.u64())
		if ids[i] <= last {
			c.fail()
		}
		last = ids[i]
	}
	return ids
}
