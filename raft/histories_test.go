package raft_test

import (
	"bytes"
	"testing"

	"drystone/internal/rafttest"
	"drystone/raft"
	"drystone/replica"
)

// What this engine has in common with others, and whole clusters: internal/rafttest.

func TestClaims(t *testing.T) { rafttest.Claims(t, replica.Native) }

func TestRandomHistories(t *testing.T) {
	histories := 120
	if raft.DeepChecks || testing.Short() {
		histories = 15
	}
	rafttest.Histories(t, histories, replica.Native)
}

func TestSameSeedSameHistory(t *testing.T) { rafttest.SameSeedSameHistory(t, replica.Native) }

// A clone goes its own way, and the same way when it is given the same inputs.
func TestCloneActsAlike(t *testing.T) {
	state := func(r *raft.Raft) []byte {
		return r.AppendState(nil, func(id raft.NodeID) raft.NodeID { return id })
	}
	members := raft.Members{Voters: []raft.NodeID{1, 2, 3}}
	for seed := range uint64(20) {
		c := rafttest.NewCluster(t, seed, 3, members, replica.Native)
		for range 300 {
			c.Step()
		}
		for _, n := range c.Up() {
			for range 40 {
				c.Step()
			}
			if n.Engine == nil {
				continue
			}
			origin := n.Engine.(*raft.Raft)
			before := state(origin)
			a, b := origin.Clone(), origin.Clone()
			for range 50 {
				for _, r := range []*raft.Raft{a, b} {
					r.Tick()
					_ = r.Propose([]byte("y"))
					if rd, _ := r.Ready(); rd.Append.Seq != 0 {
						r.Persisted(rd.Append.Seq)
					}
				}
			}
			if !bytes.Equal(state(a), state(b)) {
				t.Fatalf("seed %d: two clones differ:\n%q\n%q", seed, state(a), state(b))
			}
			if !bytes.Equal(before, state(origin)) {
				t.Fatalf("seed %d: a clone changed its origin:\n%q\n%q", seed, before, state(origin))
			}
		}
	}
}
