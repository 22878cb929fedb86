package raft

// Ready is what the host must now do. Its parts are independent: the host may do them in
// parallel, but that a received snapshot is restored only after its Append is durable, and
// nothing is applied before it. Order matters within a part, and across successive Readys of
// the same part.
type Ready struct {
	Append Append         // one ordered, atomic durable write; nothing to write if Seq is 0
	Send   []Message      // may leave while Append is still on its way to disk (thesis §10.2.1)
	Apply  []Entry        // committed and locally durable: apply in order
	Reads  []ReadGrant    // serve once the machine has applied ReadGrant.Index
	Ship   []SnapshotSend // peers too far behind for AppendEntries (§7)
}

// Append is a write to the log. Appends come with consecutive Seq and must reach the disk in that
// order; a host may write several at once and acknowledge only the last.
type Append struct {
	Seq      uint64        // 1 for the first; 0 means there is nothing to write
	Hard     HardState     // term and vote, always current, in the same record
	Snapshot *SnapshotMeta // non-nil: a received snapshot becomes the log's beginning
	KeepLog  bool          // with Snapshot: the log after it is kept; never by this core, DIFFERS(6)
	Entries  []Entry       // drop everything from Entries[0].Index on, then append
	After    []Message     // vote requests, votes, acknowledgements: released by durability
}

// ReadGrant says that a read asked for as ID is linearizable once Index is applied (thesis §6.4).
type ReadGrant struct {
	ID    uint64
	Index Index
}

// SnapshotSend asks the host to ship a snapshot of at least this index to a peer, and to say how
// it went by Shipped: then the peer is told by an InstallSnapshot. The receiving host may also step
// that message itself when the bytes stand on its disk; it comes from the leader, in Term.
type SnapshotSend struct {
	To      NodeID
	Term    Term
	AtLeast Index
}
