package etcdraft

import (
	"encoding/binary"
	"slices"

	"drystone/raft"

	etcd "go.etcd.io/raft/v3"
)

// Linearizable reads without the log (§8, thesis §6.4), by etcd's ReadIndex in its safe form: a
// majority confirms by heartbeats. etcd numbers its rounds within a leadership, and an answer of
// another term confirms nothing.

type reads struct {
	waiting []uint64 // asked for since the last round began
	rounds  [][]uint64
	granted []raft.ReadGrant
}

// Read asks for an index at which a read is linearizable, as raft.Raft's does. Errors:
// raft.NotLeaderError.
func (e *Engine) Read(id uint64) error {
	assert(id != 0, "a read without an ID")
	if e.at.role != raft.Leader {
		return raft.NotLeaderError{Leader: e.at.leader}
	}
	e.reads.waiting = append(e.reads.waiting, id)
	return nil
}

// beginReads starts one round for all reads that wait. etcd asks nobody where there is a single
// voter, though it may not know yet what is committed, or not be that voter: here both wait.
func (e *Engine) beginReads() {
	d := &e.reads
	if len(d.waiting) == 0 || !e.committedTerm() || !e.members().IsVoter(e.id) {
		return
	}
	ids := d.waiting
	d.waiting = nil
	d.rounds = append(d.rounds, ids)
	e.node.ReadIndex(binary.LittleEndian.AppendUint64(nil, ids[0]))
	e.settle()
}

// grant takes over a round that is confirmed.
func (e *Engine) grant(s etcd.ReadState) {
	id := binary.LittleEndian.Uint64(s.RequestCtx)
	d := &e.reads
	at := slices.IndexFunc(d.rounds, func(ids []uint64) bool { return ids[0] == id })
	if at < 0 {
		return // of a leadership that ended
	}
	for _, id := range d.rounds[at] {
		d.granted = append(d.granted, raft.ReadGrant{ID: id, Index: raft.Index(s.Index)})
	}
	d.rounds = slices.Delete(d.rounds, at, at+1)
}
