package explore

import (
	"encoding/binary"

	"drystone/raft"
)

// node is the state of one node and its host, at rest: its core has nothing more to hand out.
// Once it is part of a world it never changes.
type node struct {
	core     *raft.Raft
	disk     durable
	writes   []raft.Append  // handed to the disk and not done, oldest first
	late     bool           // the disk is: writes are done one by one, by actions
	promised raft.HardState // the vote that left last
	led      uint64         // bit t: has led term t, in any of its boots

	view // follows from the above
}

// view is what checks look at.
type view struct {
	status  raft.Status
	log     history // as the core has it
	onDisk  history
	digests []digest // of the state, by renaming
}

// look fills in the view.
func (n *node) look() {
	n.status = n.core.Status()
	n.onDisk = n.disk.history()
	memory := n.disk
	for i := range n.writes {
		memory.write(&n.writes[i])
	}
	n.log = memory.history()
}

func (n *node) term() raft.Term { return n.status.Hard.CurrentTerm }

func (n *node) leads() bool { return n.status.Role == raft.Leader }

// encode appends all that decides what becomes of the node, with nodes under other names.
func (n *node) encode(dst []byte, as func(raft.NodeID) raft.NodeID) []byte {
	dst = n.core.AppendState(dst, as)
	left := raft.Append{
		Hard: n.disk.hard, Snapshot: &n.disk.snap, Entries: n.disk.entries, KeepLog: n.late,
	}
	dst = left.AppendCanonical(dst, as)
	dst = binary.AppendUvarint(dst, uint64(len(n.writes)))
	for i := range n.writes {
		dst = n.writes[i].AppendCanonical(dst, as)
	}
	dst = raft.Append{Hard: n.promised}.AppendCanonical(dst, as)
	return binary.AppendUvarint(dst, n.led)
}
