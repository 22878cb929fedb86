package rafttest

import (
	"fmt"

	"drystone/raft"
)

// Cluster membership (§6).
var membership = []claim{
	{"replace everybody", 6, voters(3), replaceEverybody},
	{"change of all", 5, raft.Members{Voters: ids(3), Learners: []raft.NodeID{4}}, changeOfAll},
	{"both majorities", 6, voters(3), bothMajorities},
	{"restart goes by the log", 3, voters(1), restartGoesByTheLog},
	{"stands until removal is committed", 4, voters(2), standsUntilRemovalIsCommitted},
	{"learners", 3, raft.Members{Voters: ids(1), Learners: []raft.NodeID{2, 3}}, learners},
}

func (c *Cluster) reconfigured(to raft.Members) *Node {
	c.t.Helper()
	lead := c.elect()
	c.do(lead, func() {
		if err := lead.Engine.Reconfigure(to); err != nil {
			c.fail("%v is refused: %v", to, err)
		}
	})
	c.run(30)
	lead = c.elect()
	if got := lead.Engine.Status().Members; !got.Equal(to) {
		c.fail("members are %v (directory %q), want %v", got, got.Directory, to)
	}
	return lead
}

// stepUntil does one thing after the other until something is so: nothing is under way that need
// not be.
func (c *Cluster) stepUntil(is func() bool) {
	c.t.Helper()
	for range 1000 {
		for _, n := range c.Up() {
			c.protect(func() { c.drain(n) })
			for len(n.writes) > 0 && !is() {
				c.write(n, true)
				c.persisted(n)
			}
		}
		switch {
		case is():
			return
		case len(c.net) > 0:
			c.deliver(0)
		default:
			lead := c.leader()
			c.do(lead, lead.Engine.Tick)
		}
	}
	c.fail("it never comes to that:%s", c.describe())
}

// alone says that a leader has C-new, and nobody else does.
func alone(lead *Node) bool {
	st := lead.Engine.Status()
	return st.MembersIndex == 3 && !st.Members.Joint()
}

// Everybody is replaced; the leader hands over and is gone; the directory comes along in log and
// snapshots, to members that were in no configuration when they began.
func replaceEverybody(c *Cluster) {
	lead := c.elected(1)
	c.offer(lead, 10)
	c.compact(lead)
	learners := raft.Members{Voters: []raft.NodeID{1, 2, 3}, Learners: []raft.NodeID{4, 5, 6},
		Directory: []byte("six directories")}
	c.reconfigured(learners)
	c.haveApplied(4, 5, 6)
	last := c.reconfigured(raft.Members{Voters: []raft.NodeID{4, 5, 6},
		Directory: []byte("three of them are gone")})
	if last.id < 4 {
		c.fail("n%d leads, and is no member", last.id)
	}
	for _, id := range []raft.NodeID{1, 2, 3} {
		c.stop(c.node(id))
	}
	c.offer(last, 3)
	c.compact(last)
	c.haveApplied(4, 5, 6)
	c.stop(last)
	c.boot(last)
	if got := last.Engine.Status().Members; string(got.Directory) != "three of them are gone" {
		c.fail("after a restart from a snapshot the directory is %q", got.Directory)
	}
}

// §6: a voter that becomes a learner, a learner that becomes a voter, one added and one removed, in
// one change.
func changeOfAll(c *Cluster) {
	c.elected(1)
	c.reconfigured(raft.Members{Voters: []raft.NodeID{1, 4, 5}, Learners: []raft.NodeID{2}})
	c.part(3)
	c.offer(c.elect(), 2)
	c.haveApplied(1, 2, 4, 5)
	c.reconfigured(raft.Members{Voters: []raft.NodeID{1, 4, 5}}) // learners alone
	c.reconfigured(raft.Members{Voters: []raft.NodeID{1}})
	c.reconfigured(raft.Members{Voters: []raft.NodeID{4}, Learners: []raft.NodeID{1}})
}

// §6: while joint, both majorities decide, and one change is made at a time.
func bothMajorities(c *Cluster) {
	lead := c.elected(1)
	for _, bad := range []raft.Members{
		{}, {Voters: []raft.NodeID{2, 1}}, {Voters: []raft.NodeID{1}, Learners: []raft.NodeID{1}},
		{Voters: []raft.NodeID{1}, Next: []raft.NodeID{2}},
		{Voters: []raft.NodeID{1}, Directory: make([]byte, raft.MaxDirectoryBytes+1)},
	} {
		if err := lead.Engine.Reconfigure(bad); err != raft.ErrBadMembers {
			c.t.Errorf("%v: %v", bad, err)
		}
	}
	c.part(1, 2, 3)
	to := raft.Members{Voters: []raft.NodeID{4, 5, 6}}
	c.do(lead, func() {
		if err := lead.Engine.Reconfigure(to); err != nil {
			c.fail("%v", err)
		}
	})
	c.settle()
	if st := lead.Engine.Status(); !st.Members.Joint() || st.MembersIndex != 2 || st.Commit != 1 {
		c.fail("in force when appended, and decided by both: %v, members %v", st, st.Members)
	}
	if err := lead.Engine.Reconfigure(to); err != raft.ErrChangePending {
		c.t.Errorf("a second change: %v", err)
	}
	if err := c.node(2).Engine.Reconfigure(to); fmt.Sprintf("%T", err) != "raft.NotLeaderError" {
		c.t.Errorf("a follower: %v", err)
	}
	clear(c.cut)
	c.run(30)
	if got := c.elect(); got.id < 4 || !got.Engine.Status().Members.Equal(to) {
		c.fail("n%d leads %v", got.id, got.Engine.Status().Members)
	}
}

// A node that restarts goes by the configuration of its log, committed or not: by that of its
// snapshot it would be a majority by itself, with a log that is only a prefix.
func restartGoesByTheLog(c *Cluster) {
	c.elected(1)
	c.reconfigured(raft.Members{Voters: []raft.NodeID{1, 2, 3}})
	c.part(1)
	c.stop(c.node(1))
	lead := c.elected(2)
	c.offer(lead, 5)
	c.boot(c.node(1))
	c.run(50)
	if c.role(1) == raft.Leader || c.node(1).term > lead.term {
		c.fail("n1 elects itself:%s", c.describe())
	}
	clear(c.cut)
	c.run(10)
	c.haveApplied(1, 2, 3)
}

// thesis §4.2.2: who is not in C-new stands until C-new is committed. Here only n1 has it, and the
// longest log of the old voters.
func standsUntilRemovalIsCommitted(c *Cluster) {
	lead := c.elected(1)
	c.do(lead, func() {
		if err := lead.Engine.Reconfigure(raft.Members{Voters: []raft.NodeID{3, 4}}); err != nil {
			c.fail("%v", err)
		}
	})
	// C-old,new reaches everybody, C-new only the leader's disk.
	c.stepUntil(func() bool { return alone(lead) })
	c.net = nil
	c.protect(func() { c.drain(lead) })
	for len(lead.writes) > 0 {
		c.write(lead, false)
	}
	c.net = nil
	c.stop(lead)
	c.boot(lead)
	c.run(100)
	if got := c.elect(); got.id < 3 || got.Engine.Status().Members.Joint() {
		c.fail("n%d leads:%s", got.id, c.describe())
	}
}

// thesis §4.2.1: learners get the log, and neither count nor stand.
func learners(c *Cluster) {
	lead := c.elected(1)
	c.part(1)
	c.offer(lead, 2)
	c.haveApplied(1)
	c.run(50)
	if c.role(2) != raft.Follower || c.role(3) != raft.Follower {
		c.fail("a learner stands:%s", c.describe())
	}
	clear(c.cut)
	c.run(5)
	c.haveApplied(2, 3)
	if err := lead.Engine.Transfer(2); err != raft.ErrNotVoter {
		c.t.Errorf("transfer to a learner: %v", err)
	}
}
