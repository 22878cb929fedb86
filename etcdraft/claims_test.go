package etcdraft

import (
	"fmt"
	"slices"
	"testing"

	"drystone/raft"
)

// Claims of the paper that hold whichever engine decides: who leads, what is committed, what is
// never lost. Each is played on both engines. How they come there is theirs: the scripts of
// package raft tell that of the native one.

// onBoth plays a claim on each engine, with all of nodes up and nothing decided.
func onBoth(t *testing.T, nodes int, m raft.Members, play func(*testing.T, *cluster)) {
	for _, name := range []string{"native", "etcd"} {
		t.Run(name, func(t *testing.T) { play(t, newCluster(t, name, nodes, m)) })
	}
}

func ids(n int) (all []raft.NodeID) {
	for i := range n {
		all = append(all, raft.NodeID(i+1))
	}
	return all
}

func voters(n int) raft.Members { return raft.Members{Voters: ids(n)} }

// cluster is a sim whose work is done at once and whose network loses nothing but what is cut.
type cluster struct{ *sim }

func newCluster(t *testing.T, engine string, nodes int, m raft.Members) *cluster {
	s := newSim(t, engine, 1, nodes, m)
	s.lossy = false
	s.config = raft.Config{Seed: 1, HeartbeatTicks: 2, ElectionTicks: 6, DiskTicks: 40}
	for _, n := range s.nodes {
		s.boot(n)
	}
	return &cluster{s}
}

// elect lets time pass until a node leads and has committed an entry of its term.
func (c *cluster) elect() *simNode {
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
func (c *cluster) elected(id raft.NodeID) *simNode {
	c.t.Helper()
	for _, n := range c.up() {
		c.do(n, func() { n.engine.Unreachable(n.engine.Status().Leader) })
	}
	for range 200 {
		n := c.node(id)
		c.do(n, n.engine.Tick)
		c.settle()
		if st := n.engine.Status(); st.Role == raft.Leader && st.CommittedTerm {
			return n
		}
	}
	c.fail("n%d is not elected:%s", id, c.describe())
	return nil
}

func (c *cluster) offer(n *simNode, count int) {
	for range count {
		c.propose(n)
	}
	c.settle()
}

// part cuts every link between two groups; the second is everybody who is not in the first.
func (c *cluster) part(group ...raft.NodeID) {
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

// stop crashes a node with nothing of what is in flight written.
func (c *cluster) stop(n *simNode) { n.engine, n.writes, n.acks = nil, nil, nil }

func (c *cluster) role(id raft.NodeID) raft.Role { return c.node(id).engine.Status().Role }

// applied fails unless all of these nodes have applied as much as anybody.
func (c *cluster) applied(who ...raft.NodeID) {
	c.t.Helper()
	for _, id := range who {
		if n := c.node(id); n.applied != c.highest {
			c.fail("n%d applied %d of %d:%s", id, n.applied, c.highest, c.describe())
		}
	}
}

// §5.2, §5.3: one leader; what it takes is applied by all.
func TestNormalCase(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5} {
		onBoth(t, n, voters(n), func(t *testing.T, c *cluster) {
			lead := c.elect()
			c.offer(lead, 3)
			c.run(3)
			if c.highest != 4 {
				t.Errorf("applied %d, want the leader's first entry and 3", c.highest)
			}
			c.applied(ids(n)...)
		})
	}
}

// §5.4, Figure 3: a node crashes at any of its writes, before or after what hangs on it leaves;
// nothing that was committed is lost, and everybody comes to agree.
func TestCrashAtEachWrite(t *testing.T) {
	step := 1
	if raceEnabled {
		step = 5
	}
	onBoth(t, 3, voters(3), func(t *testing.T, _ *cluster) {
		for victim := range raft.NodeID(3) {
			for at := 0; at < 12; at += step {
				for _, done := range []bool{false, true} {
					c := newCluster(t, t.Name()[len("TestCrashAtEachWrite/"):], 3, voters(3))
					c.crashAt(victim+1, at, done)
				}
			}
		}
	})
}

func (c *cluster) crashAt(id raft.NodeID, at int, done bool) {
	n := c.node(id)
	n.hangs = true
	crashed := false
	for tick := range 60 {
		c.run(1)
		if lead := c.leader(); lead != nil && tick%3 == 0 {
			c.offer(lead, 1)
		}
		for !crashed && len(n.writes) > 0 {
			if at--; at < 0 {
				if done {
					c.write(n, false)
				}
				c.stop(n)
				crashed, n.hangs = true, false
				break
			}
			c.write(n, true)
			for len(n.acks) > 0 {
				c.persisted(n)
			}
			c.settle()
		}
		if crashed && n.engine == nil && tick%10 == 9 {
			c.boot(n)
		}
	}
	n.hangs = false
	c.heal()
}

// §5.4.1, §5.3: who is cut off commits nothing; its tail gives way to what the others committed.
func TestDivergentTail(t *testing.T) {
	onBoth(t, 5, voters(5), func(t *testing.T, c *cluster) {
		old := c.elected(1)
		c.offer(old, 2)
		c.part(1, 2)
		before := c.highest
		c.offer(old, 5)
		if c.highest != before {
			c.fail("a minority committed")
		}
		lead := c.elected(3)
		c.offer(lead, 3)
		clear(c.cut)
		c.run(20)
		c.applied(ids(5)...)
		if old.engine.Status().Hard.CurrentTerm <= 1 || c.role(1) == raft.Leader && c.leader() == lead {
			c.fail("two lead:%s", c.describe())
		}
	})
}

// §7: the same with the entries gone: a snapshot replaces the tail, which is longer, and durable.
func TestSnapshotOntoDivergentTail(t *testing.T) {
	onBoth(t, 3, voters(3), func(t *testing.T, c *cluster) {
		old := c.elected(1)
		c.part(1)
		c.offer(old, 20)
		lead := c.elected(2)
		c.offer(lead, 5)
		c.compact(lead)
		c.stop(old) // and what it has not committed stays on its disk
		c.boot(old)
		clear(c.cut)
		c.run(30)
		if c.stats["install"] == 0 {
			c.fail("no snapshot was installed")
		}
		if st := old.engine.Status(); st.Durable > st.LastIndex {
			c.fail("n1 counts as durable what the snapshot replaced: %v", st)
		}
		c.offer(c.leader(), 2)
		c.run(3)
		c.applied(ids(3)...)
	})
}

// §7, Figure 13: InstallSnapshot is repeated until it is answered, and the bytes are not.
func TestInstallIsRepeated(t *testing.T) {
	onBoth(t, 3, voters(3), func(t *testing.T, c *cluster) {
		lead := c.elected(1)
		c.part(3)
		c.offer(lead, 5)
		c.compact(lead)
		clear(c.cut)
		lost := 0
		for range 200 {
			c.do(lead, lead.engine.Tick)
			c.protect(func() { c.drain(lead) })
			c.net = slices.DeleteFunc(c.net, func(m raft.Message) bool {
				_, ok := m.Body.(raft.InstallSnapshot)
				if ok && lost < 5 {
					lost++
				}
				return ok && lost < 5
			})
			for len(c.ships) > 0 {
				w := c.ships[0]
				c.ships = c.ships[1:]
				c.stats["shipped"]++
				c.node(w.to).files[w.meta.LastIncludedIndex] = true
				c.do(lead, func() { lead.engine.Shipped(w.to, w.meta, true) })
			}
			if lost < 5 {
				for len(c.net) > 0 {
					if _, ok := c.net[0].Body.(raft.InstallSnapshot); ok {
						break
					}
					c.deliver(0)
				}
				for _, n := range c.nodes {
					for len(n.writes) > 0 {
						c.write(n, true)
					}
					for len(n.acks) > 0 {
						c.persisted(n)
					}
				}
				continue
			}
			c.settle()
		}
		if lost < 5 || c.stats["shipped"] != 1 {
			c.fail("InstallSnapshot was lost %d times, the snapshot shipped %d times", lost,
				c.stats["shipped"])
		}
		c.run(5)
		c.applied(3)
	})
}

// thesis §9.6, §4.2.3: who was cut off deposes nobody when it comes back, and no term is spent.
func TestReturningNodeDisturbsNobody(t *testing.T) {
	onBoth(t, 3, voters(3), func(t *testing.T, c *cluster) {
		lead := c.elected(1)
		term := lead.term
		c.part(3)
		c.run(100)
		clear(c.cut)
		c.run(100)
		if c.leader() != lead || lead.engine.Status().Hard.CurrentTerm != term {
			c.fail("n1 led term %d:%s", term, c.describe())
		}
		c.applied(3)
	})
}

// thesis §6.2: a leader that hears no majority gives up, and does not count its term twice.
func TestSilentMajority(t *testing.T) {
	onBoth(t, 3, voters(3), func(t *testing.T, c *cluster) {
		lead := c.elected(1)
		c.part(1)
		c.run(3 * c.config.ElectionTicks)
		if c.role(1) == raft.Leader {
			c.fail("n1 leads, and hears nobody")
		}
		if st := lead.engine.Status(); st.Leader != 0 || st.Hard.CurrentTerm != 1 {
			c.fail("n1: %v", st)
		}
	})
}

// DIFFERS(5): a broken connection to the leader is worth a question, and no more than that.
func TestConnectionLost(t *testing.T) {
	onBoth(t, 3, voters(3), func(t *testing.T, c *cluster) {
		lead := c.elected(1)
		for _, id := range []raft.NodeID{2, 3} {
			c.do(c.node(id), func() { c.node(id).engine.Unreachable(2 + 3 - id) })
		}
		c.do(c.node(2), func() { c.node(2).engine.Unreachable(1) })
		c.run(50)
		if c.leader() != lead || lead.term != 1 {
			c.fail("n1 lives, and leads no more:%s", c.describe())
		}
		c.stop(lead)
		for _, id := range []raft.NodeID{2, 3} {
			c.do(c.node(id), func() { c.node(id).engine.Unreachable(1) })
		}
		ticks := 0
		for ; c.leader() == nil; ticks++ {
			c.run(1)
		}
		if ticks >= c.config.ElectionTicks {
			t.Errorf("a killed leader was replaced after %d ticks; silence takes %d", ticks,
				c.config.ElectionTicks)
		}
	})
}

// A leader that asks for votes, because it was restarted, leads no more (thesis §4.2.3).
func TestOldLeaderAsks(t *testing.T) {
	onBoth(t, 2, voters(2), func(t *testing.T, c *cluster) {
		lead := c.elected(1)
		c.stop(lead)
		c.boot(lead)
		ticks := 0
		for ; c.leader() == nil; ticks++ {
			c.do(lead, lead.engine.Tick) // n2's time stands still: to it, n1 was just heard
			c.settle()
			if ticks > 200 {
				c.fail("n2 is loyal to a leader that asks it for its vote:%s", c.describe())
			}
		}
	})
}

// thesis §4.2.3: a leader that asks for votes leads no more, so it may have them. Anybody else
// waits until it was silent for an election timeout.
func TestOldLeaderAsksForItself(t *testing.T) {
	for _, preVote := range []bool{true, false} {
		onBoth(t, 3, voters(3), func(t *testing.T, c *cluster) {
			lead, n := c.elected(1), c.node(2)
			last := lead.engine.Status()
			ask := func(from raft.NodeID, preVote bool) {
				c.do(n, func() {
					n.engine.Step(raft.Message{From: from, To: 2, Term: 2, Body: raft.RequestVote{
						LastLogIndex: last.LastIndex, LastLogTerm: last.LastTerm, PreVote: preVote,
					}})
				})
			}
			if preVote {
				ask(1, true)
			}
			ask(3, false)
			if st := n.engine.Status(); st.Hard.CurrentTerm != 1 {
				c.fail("n2 leaves n1, whom it just heard, for n3: %v", st)
			}
			ask(1, false)
			if st := n.engine.Status(); st.Hard != (raft.HardState{CurrentTerm: 2, VotedFor: 1}) {
				c.fail("n1 led, asks for votes, and n2 refuses: %v", st)
			}
		})
	}
}

// DIFFERS(4): a leader whose disk hangs gives up, and does not stand again before it works.
func TestHangingDisk(t *testing.T) {
	onBoth(t, 3, voters(3), func(t *testing.T, c *cluster) {
		lead := c.elected(1)
		lead.hangs = true
		c.offer(lead, 1)
		c.run(c.config.DiskTicks + 2)
		if c.role(1) == raft.Leader {
			c.fail("n1's disk hangs, and it leads:%s", c.describe())
		}
		next := c.elect()
		if next == lead {
			c.fail("n1 leads again")
		}
		c.offer(next, 5)
		c.applied(2, 3)
		// Everybody else is silent: n1 may not stand, not even when it is told to.
		c.part(1)
		term := lead.engine.Status().Hard.CurrentTerm
		c.run(50)
		c.do(lead, func() {
			lead.engine.Step(raft.Message{From: next.id, To: 1, Term: term, Body: raft.TimeoutNow{}})
		})
		if st := lead.engine.Status(); st.Role != raft.Follower || st.Hard.CurrentTerm != term {
			c.fail("n1 stands while its disk hangs: %v", st)
		}
		if waiting := len(lead.writes); waiting > 5 {
			t.Errorf("%d writes wait for a disk that hangs", waiting)
		}
		lead.hangs = false
		clear(c.cut)
		c.run(20)
		c.applied(1)
	})
}

// The same where there is no other voter: it serves nobody, and leads again when its disk works.
func TestOnlyDiskHangs(t *testing.T) {
	onBoth(t, 2, raft.Members{Voters: []raft.NodeID{1}, Learners: []raft.NodeID{2}},
		func(t *testing.T, c *cluster) {
			n := c.elected(1)
			n.hangs = true
			c.offer(n, 1)
			c.run(c.config.DiskTicks + 20)
			if c.role(1) == raft.Leader {
				c.fail("n1's disk hangs, and it leads:%s", c.describe())
			}
			n.hangs = false
			c.offer(c.elect(), 1)
			c.run(5)
			c.applied(1, 2)
		})
}

// Peers that follow the protocol send none of this; it changes nothing.
func TestMalformed(t *testing.T) {
	onBoth(t, 3, voters(3), func(t *testing.T, c *cluster) {
		c.elected(1)
		n := c.node(2)
		before := n.engine.Status()
		for _, m := range []raft.Message{
			{From: 1, To: 3, Term: 1, Body: raft.Heartbeat{}},
			{From: 2, To: 2, Term: 1, Body: raft.Heartbeat{}},
			{From: 0, To: 2, Term: 9, Body: raft.TimeoutNow{}},
			{From: 1, To: 2, Term: 1, Body: raft.AppendEntries{PrevLogIndex: 1, PrevLogTerm: 1,
				Entries: []raft.Entry{{Index: 3, Term: 1}}}},
			{From: 1, To: 2, Term: 1, Body: raft.AppendEntries{PrevLogIndex: 1, PrevLogTerm: 1,
				Entries: []raft.Entry{{Index: 2, Term: 2}}}},
			{From: 1, To: 2, Term: 1},
		} {
			c.do(n, func() { n.engine.Step(m) })
		}
		c.settle()
		st := n.engine.Status()
		st.QuietTicks, before.QuietTicks = 0, 0
		if fmt.Sprint(st) != fmt.Sprint(before) {
			t.Errorf("was %v, is %v", before, st)
		}
		lead := c.node(1)
		c.do(lead, func() {
			lead.engine.Step(raft.Message{From: 2, To: 1, Term: 1,
				Body: raft.AppendReply{Success: true, MatchIndex: 99}})
		})
		if st := lead.engine.Status(); st.Commit != 1 {
			t.Errorf("an acknowledgement beyond the log commits: %v", st)
		}
	})
}
