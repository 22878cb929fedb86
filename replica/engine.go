package replica

import "drystone/raft"

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

// EngineKind names an engine and starts it as its disk left it. A directory belongs to the kind
// that it was first opened with.
type EngineKind struct {
	Name string
	New  func(raft.Config, raft.Restored) Engine
}

// Native is package raft; the zero EngineKind stands for it.
var Native = EngineKind{
	Name: "native",
	New:  func(c raft.Config, d raft.Restored) Engine { return raft.New(c, d) },
}

// OrNative is the kind itself, or Native for the zero one.
func (k EngineKind) OrNative() EngineKind {
	if k.New == nil {
		return Native
	}
	return k
}
