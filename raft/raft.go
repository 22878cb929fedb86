package raft

import "fmt"

// Config is what a Raft is started with. Times are in ticks.
type Config struct {
	ID             NodeID
	Seed           uint64 // the only source of randomness: election jitter
	HeartbeatTicks int    // a leader speaks at least this often
	ElectionTicks  int    // the election timeout is drawn from [ElectionTicks, 2·ElectionTicks)
	DiskTicks      int    // a leader whose oldest write is older gives up leadership; 0: never
	MaxAppendBytes int    // entry bytes in one AppendEntries; one entry may exceed it alone
	MaxInflight    int    // AppendEntries under way to one follower
	TrailingBytes  int    // entry bytes kept behind a snapshot, for short absences
	MaxApplyBytes  int    // entry bytes handed out in Ready.Apply and not yet reported Applied
	Trace          func(Event)
}

// Restored is what a node finds on its own disk. Entries may begin before the snapshot's end;
// Snapshot of the zero index carries the configuration a new cluster begins with.
type Restored struct {
	Hard     HardState
	Snapshot SnapshotMeta
	Entries  []Entry
}

// Status is a copy of what may be told about a Raft.
type Status struct {
	ID            NodeID
	Role          Role
	Leader        NodeID // 0: not known
	Hard          HardState
	Commit        Index
	Applied       Index // reported by Applied
	Durable       Index
	FirstIndex    Index // of the entries in memory
	LastIndex     Index
	SnapshotIndex Index
	Members       Members // the one in force
	CommittedTerm bool    // an entry of the current term is committed
	QuietTicks    int     // since a leader was heard; 0 on a leader
	Progress      []Progress
}

// Progress is what a leader knows of one peer.
type Progress struct {
	ID         NodeID
	Match      Index
	Next       Index
	State      ProgressState
	QuietTicks int // since anything was heard of it
}

// NotLeaderError is returned by inputs that only a leader can take.
type NotLeaderError struct{ Leader NodeID }

func (e NotLeaderError) Error() string { return fmt.Sprintf("not leader (leader is n%d)", e.Leader) }
