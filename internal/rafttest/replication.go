package rafttest

import (
	"fmt"
	"slices"

	"drystone/raft"
)

var replication = []claim{
	{"normal case, 1", 1, voters(1), normalCase},
	{"normal case, 2", 2, voters(2), normalCase},
	{"normal case, 3", 3, voters(3), normalCase},
	{"normal case, 5", 5, voters(5), normalCase},
	{"crash at each write", 3, voters(3), crashAtEachWrite},
	{"divergent tail", 5, voters(5), divergentTail},
	{"hints skip terms", 3, voters(3), hintsSkipTerms},
	{"commit is told at once", 3, voters(3), commitIsToldAtOnce},
	{"snapshot onto a divergent tail", 3, voters(3), snapshotOntoDivergentTail},
	{"install is repeated", 3, voters(3), installIsRepeated},
	{"malformed", 3, voters(3), malformed},
}

// §5.2, §5.3: one leader; what it takes is applied by all.
func normalCase(c *Cluster) {
	lead := c.elect()
	c.offer(lead, 3)
	c.run(3)
	if c.highest != 4 {
		c.t.Errorf("applied %d, want the leader's first entry and 3", c.highest)
	}
	c.haveApplied(ids(len(c.nodes))...)
}

// §5.4, Figure 3: a node crashes at any of its writes, before or after what hangs on it leaves;
// nothing that was committed is lost, and everybody comes to agree.
func crashAtEachWrite(c *Cluster) {
	step := 1
	if RaceEnabled {
		step = 5
	}
	for victim := range raft.NodeID(3) {
		for at := 0; at < 12; at += step {
			for _, done := range []bool{false, true} {
				calm(c.t, c.config, 3, voters(3), c.engines...).crashAt(victim+1, at, done)
			}
		}
	}
}

func (c *Cluster) crashAt(id raft.NodeID, at int, done bool) {
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
		if crashed && n.Engine == nil && tick%10 == 9 {
			c.boot(n)
		}
	}
	n.hangs = false
	c.heal()
}

// §5.4.1, §5.3: who is cut off commits nothing; its tail gives way to what the others committed.
func divergentTail(c *Cluster) {
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
	c.haveApplied(ids(5)...)
	if old.Engine.Status().Hard.CurrentTerm <= 1 || c.role(1) == raft.Leader && c.leader() == lead {
		c.fail("two lead:%s", c.describe())
	}
}

// §7: the same with the entries gone: a snapshot replaces the tail, which is longer, and durable.
func snapshotOntoDivergentTail(c *Cluster) {
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
	if st := old.Engine.Status(); st.Durable > st.LastIndex {
		c.fail("n1 counts as durable what the snapshot replaced: %v", st)
	}
	c.offer(c.leader(), 2)
	c.run(3)
	c.haveApplied(ids(3)...)
}

// §7, Figure 13: InstallSnapshot is repeated until it is answered, and the bytes are not.
func installIsRepeated(c *Cluster) {
	lead := c.elected(1)
	c.part(3)
	c.offer(lead, 5)
	c.compact(lead)
	clear(c.cut)
	lost := 0
	for range 200 {
		c.do(lead, lead.Engine.Tick)
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
			c.do(lead, func() { lead.Engine.Shipped(w.to, w.meta, true) })
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
	c.haveApplied(3)
}

// Peers that follow the protocol send none of this; it changes nothing.
func malformed(c *Cluster) {
	c.elected(1)
	n := c.node(2)
	before := n.Engine.Status()
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
		c.do(n, func() { n.Engine.Step(m) })
	}
	c.settle()
	st := n.Engine.Status()
	st.QuietTicks, before.QuietTicks = 0, 0
	if fmt.Sprint(st) != fmt.Sprint(before) {
		c.t.Errorf("was %v, is %v", before, st)
	}
	lead := c.node(1)
	c.do(lead, func() {
		lead.Engine.Step(raft.Message{From: 2, To: 1, Term: 1,
			Body: raft.AppendReply{Success: true, MatchIndex: 99}})
	})
	if st := lead.Engine.Status(); st.Commit != 1 {
		c.t.Errorf("an acknowledgement beyond the log commits: %v", st)
	}
}

// §5.3, last paragraph: a long divergence is crossed term by term.
func hintsSkipTerms(c *Cluster) {
	var most, theirs []raft.Entry
	for i := range raft.Index(300) {
		most = append(most, raft.Entry{Index: i + 1, Term: 1 + raft.Term(i/50)*2})
		theirs = append(theirs, raft.Entry{Index: i + 1, Term: 1 + raft.Term(i/100)})
	}
	for i, n := range c.nodes {
		n.hard, n.entries = raft.HardState{CurrentTerm: 20}, slices.Clone(most)
		if i == 2 {
			n.entries = theirs
		}
		c.boot(n)
	}
	c.elect()
	c.run(20)
	c.haveApplied(1, 2, 3)
	refused := c.delivered(0, func(m raft.Message) bool {
		b, ok := m.Body.(raft.AppendReply)
		return ok && !b.Success
	})
	if refused > 4 {
		c.fail("%d refusals", refused)
	}
}

// Followers learn of a commit at once, in as few messages as there are.
func commitIsToldAtOnce(c *Cluster) {
	lead := c.elect()
	c.run(3)
	from := len(c.trace)
	c.offer(lead, 1)
	if c.highest != lead.Engine.Status().LastIndex {
		c.fail("%d is committed", c.highest)
	}
	c.haveApplied(1, 2, 3)
	if told := c.delivered(from, func(m raft.Message) bool { return m.From == lead.id }); told > 4 {
		c.fail("one proposal takes %d messages of its leader", told)
	}
}

// delivered counts messages of a kind, from a step on.
func (c *Cluster) delivered(from int, is func(raft.Message) bool) (count int) {
	for _, line := range c.trace[from:] {
		if m, ok := line.(raft.Message); ok && is(m) {
			count++
		}
	}
	return count
}
