// Package replica joins an Engine, the requests of its node and the reads into one replica,
// without I/O: the node's loop and the simulator drive the same code.
package replica

import (
	"drystone/raft"
	"drystone/rsm"
)

// Engine is consensus as the replica needs it. *raft.Raft and *etcdraft.Engine satisfy it.
// All calls come from one goroutine. No call blocks.
type Engine interface {
	Tick()
	Step(raft.Message)
	Propose(entry []byte) error // one entry; the replica batches requests into it
	Reconfigure(raft.Members) error
	Read(id uint64) error
	Transfer(raft.NodeID) error
	Unreachable(raft.NodeID) // the connection to it broke: a hint, never a fact
	Persisted(seq uint64)
	Applied(raft.Index)
	Shipped(raft.NodeID, raft.SnapshotMeta, bool)
	Compact(raft.SnapshotMeta)
	Ready() (raft.Ready, bool)
	Status() raft.Status
}

// Config is what a Replica is started with.
type Config struct {
	ID               raft.NodeID
	Boot             uint64       // grows at every start; durable before the start
	MaxInflightBytes int          // of commands waiting on this node; more is refused as overload
	MaxEntryBytes    int          // of batches packed into one log entry
	RetryMs          uint64       // a batch or read without progress is sent again after this
	Settings         rsm.Settings // proposed when this node leads first in a cluster without any
}

// Ticket names a caller's request or read; chosen by the host, never reused in a boot.
type Ticket uint64

// Effects is what the host must now do. All parts but Queries are independent of each other.
type Effects struct {
	raft.Ready            // Reads is consumed by the replica and always empty here
	Forward    []Outgoing // to other replicas
	Queries    []Query    // hand to the applier behind everything of Apply so far, in order
	Answers    []Answer   // to callers
	ReadFailed []ReadFailed
}

// Outgoing is a peer message and its receiver.
type Outgoing struct {
	To   raft.NodeID
	Body rsm.PeerMessage
}

// Query is a read that may run now.
type Query struct {
	Ticket  Ticket
	Query   []byte
	StaleMs uint64
}

// Answer is the outcome of a Submit.
type Answer struct {
	Ticket Ticket
	Result rsm.Result
}

// ReadFailed is a read that found no answer within its time.
type ReadFailed struct {
	Ticket Ticket
	Code   rsm.Code
}
