package raft

// Defined types, not aliases: an Index can never be passed where a Term is wanted.
type (
	// NodeID names a node. Zero is nobody.
	NodeID uint64
	// Term is a term of leadership (§5.1). Zero is before the first election.
	Term uint64
	// Index is a position in the log (§5.3). The first entry has index 1.
	Index uint64
)

// EntryKind says who interprets Entry.Data.
type EntryKind uint8

const (
	// EntryCommand is for the state machine.
	EntryCommand EntryKind = iota
	// EntryNoop is for nobody: a leader's first entry (§8).
	EntryNoop
	// EntryConfig is for raft itself: an encoded Members (§6).
	EntryConfig
)

// Entry is one slot of the log (§5.3). Data is immutable once the entry exists.
type Entry struct {
	Index Index
	Term  Term
	Kind  EntryKind
	Data  []byte
}

// HardState is Figure 2's "persistent state on all servers", less the log.
type HardState struct {
	CurrentTerm Term
	VotedFor    NodeID
}

// Members is a configuration. Next is non-empty while joint (§6, C-old,new). Each list ascends.
// Directory is the host's own about its members, at most MaxDirectoryBytes: it comes and goes with
// the configuration, and raft never looks into it. Nothing of a Members is changed in place.
type Members struct {
	Voters, Next, Learners []NodeID
	Directory              []byte
}

// MaxDirectoryBytes bounds Members.Directory, so that a configuration fits wherever it is sent.
const MaxDirectoryBytes = 128 << 10

// SnapshotMeta describes a snapshot whose bytes the host keeps and ships (§7).
// The zero value is the empty state before index 1.
type SnapshotMeta struct {
	LastIncludedIndex Index
	LastIncludedTerm  Term
	Members           Members // as of LastIncludedIndex
}

// Role is what a node is in its current term (Figure 4), with the pre-candidate of thesis §9.6.
type Role uint8

// The roles of Figure 4 and thesis §9.6.
const (
	Follower Role = iota
	PreCandidate
	Candidate
	Leader
)

// Position names an entry: its index, and the term that tells it from others at that index.
type Position struct {
	Index Index
	Term  Term
}

// bytes is what an entry weighs in every limit: its data and a fixed part for its header.
func (e *Entry) bytes() int { return len(e.Data) + entryOverheadBytes }

const entryOverheadBytes = 32

func (e Entry) position() Position { return Position{e.Index, e.Term} }
