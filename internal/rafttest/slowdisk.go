package rafttest

import (
	"fmt"

	"drystone/raft"
	"drystone/replica"
)

// slowNode is a node whose disk takes its time: one write after the other, each taking along what
// gathered while the one before was under way.
type slowNode struct {
	engine  replica.Engine
	waiting []raft.Append
	writing []raft.Append
	done    int // tick at which the write under way is durable
}

// slowCluster delivers messages within a tick and makes writes durable after so many.
type slowCluster struct {
	nodes []*slowNode
	write int
	now   int
}

// slow is a cluster of the same engines and members with slow disks.
func (c *Cluster) slow(seed uint64, write int) *slowCluster {
	slow := &slowCluster{write: write}
	for _, n := range c.nodes {
		slow.nodes = append(slow.nodes, &slowNode{engine: c.engine(n.id).New(raft.Config{
			ID: n.id, Seed: seed*16 + uint64(n.id), HeartbeatTicks: 5, ElectionTicks: 30,
			DiskTicks: 200,
		}, raft.Restored{Snapshot: raft.SnapshotMeta{Members: c.first}})})
	}
	return slow
}

func (c *slowCluster) tick() {
	c.now++
	for _, n := range c.nodes {
		n.engine.Tick()
		if len(n.writing) > 0 && c.now >= n.done {
			group := n.writing
			n.writing = nil
			n.engine.Persisted(group[len(group)-1].Seq)
			for _, a := range group {
				c.deliver(a.After)
			}
		}
		c.drain(n)
		if len(n.writing) == 0 && len(n.waiting) > 0 {
			n.writing, n.waiting, n.done = n.waiting, nil, c.now+c.write
		}
	}
}

func (c *slowCluster) deliver(ms []raft.Message) {
	for _, m := range ms {
		to := c.nodes[m.To-1]
		to.engine.Step(m)
		c.drain(to)
	}
}

func (c *slowCluster) drain(n *slowNode) {
	for {
		rd, more := n.engine.Ready()
		if !more {
			return
		}
		if rd.Append.Seq != 0 {
			n.waiting = append(n.waiting, rd.Append)
		}
		if k := len(rd.Apply); k > 0 {
			n.engine.Applied(rd.Apply[k-1].Index)
		}
		c.deliver(rd.Send)
	}
}

// established reports whether a leader has committed in its term.
func (c *slowCluster) established() bool {
	for _, n := range c.nodes {
		if st := n.engine.Status(); st.Role == raft.Leader && st.CommittedTerm {
			return true
		}
	}
	return false
}

// DIFFERS(11): disks that take as long as an election timeout, on every node, delay an election
// and do not prevent it. A vote is asked for after one write and given after another, and by then
// others have stood as well.
func slowDisksElect(c *Cluster) {
	const runs, patience = 100, 40 * 30
	for _, write := range []int{1, 10, 30} {
		worst, sum := 0, 0
		for seed := range uint64(runs) {
			slow := c.slow(seed, write)
			for !slow.established() && slow.now < patience {
				slow.tick()
			}
			if !slow.established() {
				c.t.Fatalf("seed %d, writes of %d ticks: no leader after %d ticks: %v", seed, write,
					slow.now, fmt.Sprint(slow.nodes[0].engine.Status()))
			}
			worst, sum = max(worst, slow.now), sum+slow.now
		}
		c.t.Logf("writes of %d ticks: a leader after %d ticks, at most %d", write, sum/runs, worst)
	}
}
