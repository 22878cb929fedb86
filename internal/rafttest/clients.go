package rafttest

import (
	"fmt"
	"slices"

	"drystone/raft"
)

var clients = []claim{
	{"reads", 3, voters(3), reads},
	{"reads of a sole voter", 1, voters(1), readsOfASoleVoter},
	{"read while leaving", 2, voters(2), readWhileLeaving},
}

// thesis §6.4: a read is granted once a majority has confirmed, at all that was committed when it
// was asked for; never before the leader has committed in its term, and not by one cut off.
func reads(c *Cluster) {
	lead := c.elected(1)
	c.offer(lead, 2)
	c.read(lead)
	c.read(lead)
	c.settle()
	if c.granted != 2 {
		c.fail("%d reads granted of 2", c.granted)
	}
	c.part(1)
	c.read(lead)
	c.run(3)
	next := c.elected(2)
	c.offer(next, 1)
	clear(c.cut)
	c.run(5)
	if c.granted != 2 {
		c.fail("a leader that was replaced grants a read")
	}
	if err := lead.Engine.Read(99); fmt.Sprintf("%T", err) != "raft.NotLeaderError" {
		c.t.Errorf("a follower: %v", err)
	}
}

// thesis §6.4: nor where nobody else need be asked.
func readsOfASoleVoter(c *Cluster) {
	n := c.elected(1)
	c.offer(n, 3)
	c.stop(n)
	c.boot(n)
	n.hangs = true // it leads soon, and can't commit
	for c.role(1) != raft.Leader {
		c.run(1)
		for len(n.writes) > 0 && c.role(1) != raft.Leader {
			c.write(n, true)
			c.persisted(n)
		}
	}
	c.read(n)
	c.protect(func() { c.drain(n) })
	if c.granted != 0 {
		c.fail("granted before it knows what is committed")
	}
	n.hangs = false
	c.settle()
	if c.granted != 1 {
		c.fail("never granted")
	}
}

// A leader that is to leave for a single voter asks that one before it grants a read: it may lead
// already.
func readWhileLeaving(c *Cluster) {
	lead := c.elected(1)
	c.do(lead, func() {
		if err := lead.Engine.Reconfigure(raft.Members{Voters: []raft.NodeID{2}}); err != nil {
			c.fail("%v", err)
		}
	})
	c.stepUntil(func() bool { return alone(lead) })
	c.cut[[2]raft.NodeID{2, 1}], c.cut[[2]raft.NodeID{1, 2}] = true, true
	c.net = slices.DeleteFunc(c.net, func(raft.Message) bool { return true })
	c.read(lead)
	c.protect(func() { c.drain(lead) })
	if c.granted != 0 {
		c.fail("n1 is no voter any more, and grants a read by itself")
	}
}
