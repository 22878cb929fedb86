package rafttest

import (
	"slices"
	"testing"

	"drystone/raft"
	"drystone/replica"
)

// claim is one of the paper that holds whichever engine decides: who leads, what is committed,
// what is never lost. How an engine comes there is its own: the scripts of package raft tell that
// of the native one.
type claim struct {
	name    string
	nodes   int
	members raft.Members
	play    func(*Cluster)
}

// Claims plays every claim on clusters of the given engines.
func Claims(t *testing.T, engines ...replica.EngineKind) {
	claims := slices.Concat(elections, replication, disks, membership, clients)
	played := 0
	for _, k := range claims {
		t.Run(k.name, func(t *testing.T) {
			played++
			k.play(calm(t, raft.Config{
				Seed: 1, HeartbeatTicks: 2, ElectionTicks: 6, DiskTicks: 40,
			}, k.nodes, k.members, engines...))
		})
	}
	t.Logf("%d of %d claims are played", played, len(claims)) // fewer if -run says so
}

func ids(n int) (all []raft.NodeID) {
	for i := range n {
		all = append(all, raft.NodeID(i+1))
	}
	return all
}

func voters(n int) raft.Members { return raft.Members{Voters: ids(n)} }

// calm returns a cluster whose work is done at once (settle) and whose network loses nothing but
// what is cut. All nodes are up, and nothing is decided.
func calm(t *testing.T, config raft.Config, nodes int, m raft.Members,
	engines ...replica.EngineKind) *Cluster {
	c := NewCluster(t, config.Seed, nodes, m, engines...)
	c.lossy, c.config, c.trace = false, config, nil
	for _, n := range c.nodes {
		c.boot(n)
	}
	return c
}

// elect lets time pass until a node leads and has committed an entry of its term.
func (c *Cluster) elect() *Node {
	c.t.Helper()
	for range 100 {
		c.run(1)
		if n := c.leader(); n != nil {
			return n
		}
	}
	c.fail("no leader:%s", c.describe())
	return nil
}

// elected makes a certain node lead: the others forget whom they heard, and only its time passes.
func (c *Cluster) elected(id raft.NodeID) *Node {
	c.t.Helper()
	for _, n := range c.Up() {
		c.do(n, func() { n.Engine.Unreachable(n.Engine.Status().Leader) })
	}
	for range 200 {
		n := c.node(id)
		c.do(n, n.Engine.Tick)
		c.settle()
		if st := n.Engine.Status(); st.Role == raft.Leader && st.CommittedTerm {
			return n
		}
	}
	c.fail("n%d is not elected:%s", id, c.describe())
	return nil
}

func (c *Cluster) offer(n *Node, count int) {
	for range count {
		c.propose(n)
	}
	c.settle()
}

// part cuts every link between two groups; the second is everybody who is not in the first.
func (c *Cluster) part(group ...raft.NodeID) {
	for _, a := range c.nodes {
		for _, b := range c.nodes {
			if slices.Contains(group, a.id) != slices.Contains(group, b.id) {
				c.cut[[2]raft.NodeID{a.id, b.id}] = true
			}
		}
	}
	c.net = slices.DeleteFunc(c.net, func(m raft.Message) bool {
		return c.cut[[2]raft.NodeID{m.From, m.To}]
	})
}

func (c *Cluster) role(id raft.NodeID) raft.Role { return c.node(id).Engine.Status().Role }

// haveApplied fails unless all of these nodes have applied as much as anybody.
func (c *Cluster) haveApplied(who ...raft.NodeID) {
	c.t.Helper()
	for _, id := range who {
		if n := c.node(id); n.applied != c.highest {
			c.fail("n%d applied %d of %d:%s", id, n.applied, c.highest, c.describe())
		}
	}
}
