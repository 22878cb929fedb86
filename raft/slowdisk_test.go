package raft

import (
	"fmt"
	"testing"
)

// slowNode is a node whose disk takes its time: one write after the other, each taking along what
// gathered while the one before was under way.
type slowNode struct {
	raft    *Raft
	waiting []Append
	writing []Append
	done    int // tick at which the write under way is durable
}

// slowCluster delivers messages within a tick and makes writes durable after so many.
type slowCluster struct {
	nodes []*slowNode
	write int
	now   int
}

func newSlowCluster(seed uint64, n, write int) *slowCluster {
	c := &slowCluster{write: write}
	for _, id := range firstIDs(n) {
		c.nodes = append(c.nodes, &slowNode{raft: New(Config{
			ID: id, Seed: seed*16 + uint64(id), HeartbeatTicks: 5, ElectionTicks: 30, DiskTicks: 200,
		}, Restored{Snapshot: SnapshotMeta{Members: Members{Voters: firstIDs(n)}}})})
	}
	return c
}

func (c *slowCluster) tick() {
	c.now++
	for _, n := range c.nodes {
		n.raft.Tick()
		if len(n.writing) > 0 && c.now >= n.done {
			written := n.writing
			n.writing = nil
			n.raft.Persisted(written[len(written)-1].Seq)
			for _, a := range written {
				c.deliver(a.After)
			}
		}
		c.drain(n)
		if len(n.writing) == 0 && len(n.waiting) > 0 {
			n.writing, n.waiting, n.done = n.waiting, nil, c.now+c.write
		}
	}
}

func (c *slowCluster) deliver(ms []Message) {
	for _, m := range ms {
		to := c.nodes[m.To-1]
		to.raft.Step(m)
		c.drain(to)
	}
}

func (c *slowCluster) drain(n *slowNode) {
	for {
		rd, more := n.raft.Ready()
		if !more {
			return
		}
		if rd.Append.Seq != 0 {
			n.waiting = append(n.waiting, rd.Append)
		}
		if k := len(rd.Apply); k > 0 {
			n.raft.Applied(rd.Apply[k-1].Index)
		}
		c.deliver(rd.Send)
	}
}

// established is the leader that has committed in its term; nil if there is none.
func (c *slowCluster) established() *Raft {
	for _, n := range c.nodes {
		if l, ok := n.raft.role.(*leader); ok && n.raft.commitIndex >= l.termStart {
			return n.raft
		}
	}
	return nil
}

// TestSlowDisksElect: disks that take as long as an election timeout, on every node, delay an
// election and do not prevent it. A vote is asked for after one write and given after another, and
// by then others have stood as well.
func TestSlowDisksElect(t *testing.T) {
	for _, n := range []int{3, 5} {
		for _, write := range []int{1, 10, 30} {
			t.Run(fmt.Sprintf("%d nodes, %d ticks", n, write), func(t *testing.T) {
				const runs, patience = 100, 40 * 30
				worst, sum := 0, 0
				for seed := range uint64(runs) {
					c := newSlowCluster(seed, n, write)
					for c.established() == nil && c.now < patience {
						c.tick()
					}
					if c.established() == nil {
						t.Fatalf("seed %d: no leader after %d ticks, in term %d", seed, c.now,
							c.nodes[0].raft.currentTerm)
					}
					worst, sum = max(worst, c.now), sum+c.now
				}
				t.Logf("a leader after %d ticks, at most %d", sum/runs, worst)
			})
		}
	}
}
