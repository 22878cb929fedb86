package rafttest

import (
	"fmt"
	"testing"

	"drystone/raft"
	"drystone/replica"
)

// What happens in a random history.

// An action is one thing that may happen to a node that is up.
type action struct {
	weight int // of a thousand or so; the seed doubles, halves or forgets the faults'
	fault  bool
	do     func(c *Cluster, n *Node)
}

var actions = []action{
	{60, false, func(c *Cluster, n *Node) { c.do(n, n.Engine.Tick) }},
	{500, false, func(c *Cluster, _ *Node) {
		if len(c.net) > 0 {
			c.deliver(c.rng.IntN(len(c.net)))
		}
	}},
	{150, false, func(c *Cluster, n *Node) {
		if len(n.writes) > 0 {
			c.write(n, true)
		}
	}},
	{100, false, func(c *Cluster, n *Node) { c.persisted(n) }},
	{70, false, func(c *Cluster, n *Node) { c.machine(n) }},
	{50, false, func(c *Cluster, n *Node) { c.propose(n) }},
	{20, false, func(c *Cluster, n *Node) { c.read(n) }},
	{20, true, func(c *Cluster, n *Node) { c.compact(n) }},
	{20, false, func(c *Cluster, _ *Node) { c.shipOne(c.rng.IntN(3) > 0) }},
	{1, true, func(c *Cluster, n *Node) { c.do(n, func() { n.Engine.Unreachable(c.any()) }) }},
	{3, true, func(c *Cluster, n *Node) { c.do(n, func() { _ = n.Engine.Transfer(c.any()) }) }},
	{2, true, func(c *Cluster, n *Node) { c.crash(n) }},
	{2, true, func(c *Cluster, _ *Node) { c.cut[[2]raft.NodeID{c.any(), c.any()}] = true }},
	{1, true, func(c *Cluster, n *Node) { c.isolate(n) }},
	{10, false, func(c *Cluster, _ *Node) { clear(c.cut) }},
	{15, true, func(c *Cluster, n *Node) { c.reconfigure(n) }},
	{1, true, func(c *Cluster, _ *Node) { c.crashAll() }},
	{15, false, func(c *Cluster, n *Node) { c.protect(func() { c.drain(n) }) }},
}

func (c *Cluster) drawWeights() {
	for _, a := range actions {
		w := a.weight * (3 + c.rng.IntN(6))
		if a.fault {
			w = a.weight * c.rng.IntN(20)
		}
		c.weights = append(c.weights, w)
		c.weight += w
	}
}

// Step draws one event.
func (c *Cluster) Step() {
	n := c.nodes[c.rng.IntN(len(c.nodes))]
	if n.Engine == nil {
		if c.rng.IntN(10) == 0 {
			c.protect(func() { c.boot(n) })
		}
		return
	}
	k := c.rng.IntN(c.weight)
	for i, w := range c.weights {
		if k -= w; k < 0 {
			actions[i].do(c, n)
			return
		}
	}
}

func (c *Cluster) isolate(n *Node) {
	for _, m := range c.nodes {
		c.cut[[2]raft.NodeID{n.id, m.id}], c.cut[[2]raft.NodeID{m.id, n.id}] = true, true
	}
}

func (c *Cluster) crashAll() {
	for _, n := range c.Up() {
		c.crash(n)
	}
}

func (c *Cluster) any() raft.NodeID { return raft.NodeID(1 + c.rng.IntN(len(c.nodes))) }

func (c *Cluster) reconfigure(n *Node) {
	if len(c.first.Voters) == len(c.nodes) {
		return // a cluster of fixed members
	}
	to := raft.Members{Directory: fmt.Appendf(nil, "directory %d", c.next)}
	for _, m := range c.nodes {
		switch c.rng.IntN(3) {
		case 0, 1:
			to.Voters = append(to.Voters, m.id)
		default:
			if c.rng.IntN(2) == 0 {
				to.Learners = append(to.Learners, m.id)
			}
		}
	}
	c.do(n, func() {
		if n.Engine.Reconfigure(to) == nil {
			c.stats["reconfigure"]++
		}
	})
}

// heal lets everything work, and expects a leader and agreement.
func (c *Cluster) heal() {
	c.lossy = false
	clear(c.cut)
	c.ships = nil
	for _, n := range c.nodes {
		if n.Engine == nil {
			c.boot(n)
		}
		// A host that lost its network tells the engine of every transfer that failed.
		for _, p := range n.Engine.Status().Progress {
			c.do(n, func() { n.Engine.Shipped(p.ID, raft.SnapshotMeta{}, false) })
		}
	}
	c.run(400)
	lead := c.leader()
	if lead == nil {
		c.fail("no leader after healing:%s", c.describe())
	}
	members := lead.Engine.Status().Members
	if !members.IsVoter(lead.id) {
		c.fail("n%d still leads, and is no member:%s", lead.id, c.describe())
	}
	last := c.highest
	c.propose(lead)
	c.run(100)
	if c.highest <= last {
		c.fail("nothing commits after healing:%s", c.describe())
	}
	for _, id := range members.All() {
		if n := c.node(id); n.applied != c.highest {
			c.fail("n%d applied %d of %d after healing:%s", n.id, n.applied, c.highest, c.describe())
		}
		// What an engine tells its own tests alone.
		if e, ok := c.node(id).Engine.(interface{ AtRest() bool }); ok && !e.AtRest() {
			c.fail("n%d: something is never given back:%s", id, c.describe())
		}
	}
	if lead.Engine.Status().Members.Joint() {
		c.fail("still joint after healing:%s", c.describe())
	}
}

// run lets time pass for nodes whose work is done at once.
func (c *Cluster) run(ticks int) {
	for range ticks {
		for _, n := range c.Up() {
			c.do(n, n.Engine.Tick)
		}
		c.settle()
	}
}

func (c *Cluster) settle() {
	for busy := true; busy; {
		busy = false
		for _, n := range c.Up() {
			c.protect(func() { c.drain(n) })
			for len(n.writes) > 0 && !n.hangs {
				c.write(n, true)
				busy = true
			}
			for len(n.acks) > 0 {
				c.persisted(n)
				busy = true
			}
			for len(n.given) > 0 && n.restore == 0 {
				c.machine(n)
				busy = true
			}
			c.protect(func() { c.drain(n) })
		}
		for len(c.net) > 0 {
			c.deliver(0)
			busy = true
		}
		for len(c.ships) > 0 {
			c.shipOne(true)
			busy = true
		}
	}
}

func (c *Cluster) leader() *Node {
	for _, n := range c.Up() {
		if st := n.Engine.Status(); st.Role == raft.Leader && st.CommittedTerm {
			return n
		}
	}
	return nil
}

func (c *Cluster) describe() (text string) {
	for _, n := range c.nodes {
		st := n.Engine.Status()
		text += fmt.Sprintf("\n%v members=%v", st, st.Members)
	}
	return text
}

// Histories runs clusters of the given engines through so many seeds' histories each.
func Histories(t *testing.T, seeds int, engines ...replica.EngineKind) {
	for _, k := range []struct {
		name    string
		nodes   int
		members raft.Members
	}{
		{"one", 1, voters(1)}, {"two", 2, voters(2)}, {"three", 3, voters(3)}, {"five", 5, voters(5)},
		{"members", 5, voters(3)},
		{"few", 4, raft.Members{Voters: ids(2), Learners: []raft.NodeID{3}}},
	} {
		t.Run(k.name, func(t *testing.T) {
			stats := map[string]int{}
			for seed := range uint64(seeds) {
				c := NewCluster(t, seed, k.nodes, k.members, engines...)
				for range 10_000 {
					c.Step()
				}
				c.heal()
				for what, n := range c.stats {
					stats[what] += n
				}
				stats["applied"] += int(c.highest)
				stats["granted"] += c.granted
				stats["terms"] += len(c.leaders)
			}
			t.Log(stats)
			if seeds < 10 {
				return // not everything happens
			}
			if stats["applied"] == 0 || stats["granted"] == 0 || stats["compact"] == 0 ||
				k.nodes > 2 && stats["install"] == 0 ||
				len(k.members.Voters) != k.nodes && stats["reconfigure"] == 0 {
				t.Errorf("something never happened: %v", stats)
			}
		})
	}
}

// SameSeedSameHistory: an engine draws on nothing but its seed.
func SameSeedSameHistory(t *testing.T, engines ...replica.EngineKind) {
	history := func(seed uint64) string {
		c := NewCluster(t, seed, 5, voters(3), engines...)
		for range 3000 {
			c.Step()
		}
		return c.history(0)
	}
	seen := map[string]bool{}
	for seed := range uint64(5) {
		first := history(seed)
		if first != history(seed) {
			t.Errorf("seed %d: two runs differ", seed)
		}
		seen[first] = true
	}
	if len(seen) != 5 {
		t.Errorf("5 seeds made %d histories", len(seen))
	}
}
