package etcdraft

import (
	"fmt"
	"slices"
	"testing"

	"drystone/raft"
)

// Claims about membership (§6), transfer (thesis §3.10) and reads (thesis §6.4), on both engines.

func (c *cluster) reconfigured(to raft.Members) *simNode {
	c.t.Helper()
	lead := c.elect()
	c.do(lead, func() {
		if err := lead.engine.Reconfigure(to); err != nil {
			c.fail("%v is refused: %v", to, err)
		}
	})
	c.run(30)
	lead = c.elect()
	if got := lead.engine.Status().Members; !got.Equal(to) {
		c.fail("members are %v (directory %q), want %v", got, got.Directory, to)
	}
	return lead
}

// stepUntil does one thing after the other until something is so: nothing is under way that need
// not be.
func (c *cluster) stepUntil(is func() bool) {
	c.t.Helper()
	for range 1000 {
		for _, n := range c.up() {
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
			c.do(lead, lead.engine.Tick)
		}
	}
	c.fail("it never comes to that:%s", c.describe())
}

// alone says that a leader has C-new, and nobody else does.
func alone(lead *simNode) bool {
	st := lead.engine.Status()
	return st.MembersIndex == 3 && !st.Members.Joint()
}

// Everybody is replaced; the leader hands over and is gone; the directory comes along in log and
// snapshots, to members that were in no configuration when they began.
func TestReplaceEverybody(t *testing.T) {
	onBoth(t, 6, raft.Members{Voters: []raft.NodeID{1, 2, 3}}, func(t *testing.T, c *cluster) {
		lead := c.elected(1)
		c.offer(lead, 10)
		c.compact(lead)
		learners := raft.Members{Voters: []raft.NodeID{1, 2, 3}, Learners: []raft.NodeID{4, 5, 6},
			Directory: []byte("six directories")}
		c.reconfigured(learners)
		c.applied(4, 5, 6)
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
		c.applied(4, 5, 6)
		c.stop(last)
		c.boot(last)
		if got := last.engine.Status().Members; string(got.Directory) != "three of them are gone" {
			c.fail("after a restart from a snapshot the directory is %q", got.Directory)
		}
	})
}

// §6: a voter that becomes a learner, a learner that becomes a voter, one added and one removed, in
// one change.
func TestChangeOfAll(t *testing.T) {
	onBoth(t, 5, raft.Members{Voters: []raft.NodeID{1, 2, 3}, Learners: []raft.NodeID{4}},
		func(t *testing.T, c *cluster) {
			c.elected(1)
			c.reconfigured(raft.Members{Voters: []raft.NodeID{1, 4, 5}, Learners: []raft.NodeID{2}})
			c.part(3)
			c.offer(c.elect(), 2)
			c.applied(1, 2, 4, 5)
			c.reconfigured(raft.Members{Voters: []raft.NodeID{1, 4, 5}}) // learners alone
			c.reconfigured(raft.Members{Voters: []raft.NodeID{1}})
			c.reconfigured(raft.Members{Voters: []raft.NodeID{4}, Learners: []raft.NodeID{1}})
		})
}

// §6: while joint, both majorities decide, and one change is made at a time.
func TestBothMajorities(t *testing.T) {
	onBoth(t, 6, raft.Members{Voters: []raft.NodeID{1, 2, 3}}, func(t *testing.T, c *cluster) {
		lead := c.elected(1)
		for _, bad := range []raft.Members{
			{}, {Voters: []raft.NodeID{2, 1}}, {Voters: []raft.NodeID{1}, Learners: []raft.NodeID{1}},
			{Voters: []raft.NodeID{1}, Next: []raft.NodeID{2}},
			{Voters: []raft.NodeID{1}, Directory: make([]byte, raft.MaxDirectoryBytes+1)},
		} {
			if err := lead.engine.Reconfigure(bad); err != raft.ErrBadMembers {
				t.Errorf("%v: %v", bad, err)
			}
		}
		c.part(1, 2, 3)
		to := raft.Members{Voters: []raft.NodeID{4, 5, 6}}
		c.do(lead, func() {
			if err := lead.engine.Reconfigure(to); err != nil {
				c.fail("%v", err)
			}
		})
		c.settle()
		if st := lead.engine.Status(); !st.Members.Joint() || st.MembersIndex != 2 || st.Commit != 1 {
			c.fail("in force when appended, and decided by both: %v, members %v", st, st.Members)
		}
		if err := lead.engine.Reconfigure(to); err != raft.ErrChangePending {
			t.Errorf("a second change: %v", err)
		}
		if err := c.node(2).engine.Reconfigure(to); fmt.Sprintf("%T", err) != "raft.NotLeaderError" {
			t.Errorf("a follower: %v", err)
		}
		clear(c.cut)
		c.run(30)
		if got := c.elect(); got.id < 4 || !got.engine.Status().Members.Equal(to) {
			c.fail("n%d leads %v", got.id, got.engine.Status().Members)
		}
	})
}

// A node that restarts goes by the configuration of its log, committed or not: by that of its
// snapshot it would be a majority by itself, with a log that is only a prefix.
func TestRestartGoesByTheLog(t *testing.T) {
	onBoth(t, 3, raft.Members{Voters: []raft.NodeID{1}}, func(t *testing.T, c *cluster) {
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
		c.applied(1, 2, 3)
	})
}

// thesis §4.2.2: who is not in C-new stands until C-new is committed. Here only n1 has it, and the
// longest log of the old voters.
func TestStandsUntilRemovalIsCommitted(t *testing.T) {
	onBoth(t, 4, raft.Members{Voters: []raft.NodeID{1, 2}}, func(t *testing.T, c *cluster) {
		lead := c.elected(1)
		c.do(lead, func() {
			if err := lead.engine.Reconfigure(raft.Members{Voters: []raft.NodeID{3, 4}}); err != nil {
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
		if got := c.elect(); got.id < 3 || got.engine.Status().Members.Joint() {
			c.fail("n%d leads:%s", got.id, c.describe())
		}
	})
}

// thesis §4.2.1: learners get the log, and neither count nor stand.
func TestLearners(t *testing.T) {
	onBoth(t, 3, raft.Members{Voters: []raft.NodeID{1}, Learners: []raft.NodeID{2, 3}},
		func(t *testing.T, c *cluster) {
			lead := c.elected(1)
			c.part(1)
			c.offer(lead, 2)
			c.applied(1)
			c.run(50)
			if c.role(2) != raft.Follower || c.role(3) != raft.Follower {
				c.fail("a learner stands:%s", c.describe())
			}
			clear(c.cut)
			c.run(5)
			c.applied(2, 3)
			if err := lead.engine.Transfer(2); err != raft.ErrNotVoter {
				t.Errorf("transfer to a learner: %v", err)
			}
		})
}

// A directory that was let in under a number that another had before never stands by a
// configuration of that time.
func TestAdmitted(t *testing.T) {
	for _, make := range []maker{native, etcd3} {
		for admitted, stands := range map[raft.Index]bool{0: true, 7: false} {
			e := make(1, raft.Config{ID: 1, Admitted: admitted}, raft.Restored{
				Hard:     raft.HardState{CurrentTerm: 1},
				Snapshot: raft.SnapshotMeta{Members: voters(1)},
				Entries:  []raft.Entry{{Index: 1, Term: 1, Kind: raft.EntryNoop}},
			})
			for range 300 {
				e.Tick()
			}
			if stood := e.Status().Role != raft.Follower; stood != stands {
				t.Errorf("%T let in at %d: stands: %v", e, admitted, stood)
			}
		}
	}
}

// thesis §3.10: to one that is up to date, to one that has to catch up, to one that is dead.
func TestTransfer(t *testing.T) {
	onBoth(t, 3, voters(3), func(t *testing.T, c *cluster) {
		hand := func(from *simNode, to raft.NodeID) {
			c.do(from, func() {
				if err := from.engine.Transfer(to); err != nil {
					c.fail("%v", err)
				}
			})
			if err := from.engine.Propose([]byte("x")); err != raft.ErrTransferring &&
				from.engine.Status().Role == raft.Leader {
				t.Errorf("while it hands over: %v", err)
			}
		}
		lead := c.elected(1)
		if err := lead.engine.Transfer(1); err != raft.ErrNotVoter {
			t.Errorf("to itself: %v", err)
		}
		hand(lead, 2)
		c.run(1)
		if c.role(2) != raft.Leader {
			c.fail("n2 does not lead:%s", c.describe())
		}
		c.part(3)
		c.offer(c.node(2), 5)
		clear(c.cut)
		hand(c.node(2), 3)
		c.run(8)
		if c.role(3) != raft.Leader {
			c.fail("n3 does not lead:%s", c.describe())
		}
		c.stop(c.node(1))
		hand(c.node(3), 1)
		c.run(2 * c.config.ElectionTicks)
		c.offer(c.node(3), 1)
		if c.role(3) != raft.Leader || c.elect().id != 3 {
			c.fail("n3 gave up for a dead one:%s", c.describe())
		}
		c.applied(2, 3)
	})
}

// thesis §6.4: a read is granted once a majority has confirmed, at all that was committed when it
// was asked for; never before the leader has committed in its term, and not by one cut off.
func TestReads(t *testing.T) {
	onBoth(t, 3, voters(3), func(t *testing.T, c *cluster) {
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
		if err := lead.engine.Read(99); fmt.Sprintf("%T", err) != "raft.NotLeaderError" {
			t.Errorf("a follower: %v", err)
		}
	})
	onBoth(t, 1, voters(1), func(t *testing.T, c *cluster) {
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
	})
}

// A leader that is to leave for a single voter asks that one before it grants a read: it may lead
// already.
func TestReadWhileLeaving(t *testing.T) {
	onBoth(t, 2, voters(2), func(t *testing.T, c *cluster) {
		lead := c.elected(1)
		c.do(lead, func() {
			if err := lead.engine.Reconfigure(raft.Members{Voters: []raft.NodeID{2}}); err != nil {
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
	})
}
