package rafttest

import (
	"slices"

	"drystone/raft"
)

var elections = []claim{
	{"bridge", 5, voters(5), bridge},
	{"longer log and higher term", 4, voters(4), longerLogHigherTerm},
	{"returning node disturbs nobody", 3, voters(3), returningNodeDisturbsNobody},
	{"silent majority", 3, voters(3), silentMajority},
	{"connection lost", 3, voters(3), connectionLost},
	{"leader killed, of 3", 3, voters(3), leaderKilled},
	{"leader killed, of 5", 5, voters(5), leaderKilled},
	{"old leader asks", 2, voters(2), oldLeaderAsks},
	{"old leader asks for votes", 3, voters(3), oldLeaderAsksForItself},
	{"old leader asks for pre-votes", 3, voters(3), oldLeaderAsksForPreVotes},
	{"who has voted waits", 3, voters(3), whoHasVotedWaits},
	{"asks for votes again", 3, voters(3), asksForVotesAgain},
	{"admitted", 1, voters(1), admitted},
	{"transfer", 3, voters(3), transfer},
	{"slow disks elect", 3, voters(3), slowDisksElect},
	{"slow disks elect, of 5", 5, voters(5), slowDisksElect},
}

// thesis §6.2: a leader without a majority gives up, also if it hears one bridge, and the bridge's
// majority elects another.
func bridge(c *Cluster) {
	lead := c.elected(1)
	c.stop(c.node(5)) // so that a majority needs the bridge, n2
	for _, id := range []raft.NodeID{3, 4} {
		c.cut[[2]raft.NodeID{1, id}], c.cut[[2]raft.NodeID{id, 1}] = true, true
	}
	c.run(7 * c.config.ElectionTicks)
	if lead.Engine.Status().Role == raft.Leader || c.leader() == nil {
		c.fail("no other leader")
	}
}

// §5.1: one group has the longer log, the other the higher term. Each refuses the other's
// pre-vote, and must teach it the term.
func longerLogHigherTerm(c *Cluster) {
	entries := []raft.Entry{{Index: 1, Term: 1}, {Index: 2, Term: 1}, {Index: 3, Term: 1}}
	for seed := range uint64(50) {
		config := c.config
		config.Seed = seed
		c := calm(c.t, config, 4, voters(4), c.engines...)
		for i, n := range c.nodes {
			n.hard, n.entries = raft.HardState{CurrentTerm: 1}, entries
			if i >= 2 {
				n.hard, n.entries = raft.HardState{CurrentTerm: 9}, entries[:1:1]
			}
			c.boot(n)
		}
		c.elect()
	}
}

// DIFFERS(5): a killed leader is replaced within a few heartbeats, if connections tell of its
// death; a split vote is rare, though all who remain notice at the same tick.
func leaderKilled(c *Cluster) {
	const runs = 100
	config := raft.Config{HeartbeatTicks: 5, ElectionTicks: 30}
	late, most := 0, 0
	for seed := range uint64(runs) {
		config.Seed = seed
		c := calm(c.t, config, len(c.nodes), c.first, c.engines...)
		old := c.elect()
		c.stop(old)
		for _, n := range c.Up() {
			c.do(n, func() { n.Engine.Unreachable(old.id) })
		}
		ticks := 0
		for ; c.leader() == nil && ticks < 200; ticks++ {
			c.run(1)
		}
		most = max(most, ticks)
		if ticks > 3*config.HeartbeatTicks {
			late++
		}
		if lead := c.leader(); lead == nil || lead.term > old.term+3 {
			c.fail("replacing the leader took %d ticks:%s", ticks, c.describe())
		}
	}
	c.t.Logf("%d of %d late, the worst after %d ticks", late, runs, most)
	if late > runs/50 {
		c.t.Errorf("%d of %d took more than three heartbeats", late, runs)
	}
}

// thesis §9.6, §4.2.3: who was cut off deposes nobody when it comes back, and no term is spent.
func returningNodeDisturbsNobody(c *Cluster) {
	lead := c.elected(1)
	term := lead.term
	c.part(3)
	c.run(100)
	clear(c.cut)
	c.run(100)
	if c.leader() != lead || lead.Engine.Status().Hard.CurrentTerm != term {
		c.fail("n1 led term %d:%s", term, c.describe())
	}
	c.haveApplied(3)
}

// thesis §6.2: a leader that hears no majority gives up, and does not count its term twice.
func silentMajority(c *Cluster) {
	lead := c.elected(1)
	c.part(1)
	c.run(3 * c.config.ElectionTicks)
	if c.role(1) == raft.Leader {
		c.fail("n1 leads, and hears nobody")
	}
	if st := lead.Engine.Status(); st.Leader != 0 || st.Hard.CurrentTerm != 1 {
		c.fail("n1: %v", st)
	}
}

// DIFFERS(5): a broken connection to the leader is worth a question, and no more than that.
func connectionLost(c *Cluster) {
	lead := c.elected(1)
	for _, id := range []raft.NodeID{2, 3} {
		c.do(c.node(id), func() { c.node(id).Engine.Unreachable(2 + 3 - id) })
	}
	for range 20 {
		c.cut[[2]raft.NodeID{1, 2}] = true
		c.do(c.node(2), func() { c.node(2).Engine.Unreachable(1) })
		c.run(3)
		clear(c.cut)
		c.run(10)
	}
	if c.leader() != lead || lead.term != 1 {
		c.fail("n1 lives, and leads no more:%s", c.describe())
	}
	c.stop(lead)
	for _, id := range []raft.NodeID{2, 3} {
		c.do(c.node(id), func() { c.node(id).Engine.Unreachable(1) })
	}
	ticks := 0
	for ; c.leader() == nil; ticks++ {
		c.run(1)
	}
	if ticks >= c.config.ElectionTicks {
		c.t.Errorf("a killed leader was replaced after %d ticks; silence takes %d", ticks,
			c.config.ElectionTicks)
	}
}

// A leader that asks for votes, because it was restarted, leads no more (thesis §4.2.3).
func oldLeaderAsks(c *Cluster) {
	lead := c.elected(1)
	c.stop(lead)
	c.boot(lead)
	ticks := 0
	for ; c.leader() == nil; ticks++ {
		c.do(lead, lead.Engine.Tick) // n2's time stands still: to it, n1 was just heard
		c.settle()
		if ticks > 200 {
			c.fail("n2 is loyal to a leader that asks it for its vote:%s", c.describe())
		}
	}
}

// thesis §4.2.3: a leader that asks for votes leads no more, so it may have them. Anybody else
// waits until it was silent for an election timeout.
func oldLeaderAsksForItself(c *Cluster) { c.asksForItself(false) }

func oldLeaderAsksForPreVotes(c *Cluster) { c.asksForItself(true) }

func (c *Cluster) asksForItself(preVote bool) {
	lead, n := c.elected(1), c.node(2)
	last := lead.Engine.Status()
	ask := func(from raft.NodeID, preVote bool) {
		c.do(n, func() {
			n.Engine.Step(raft.Message{From: from, To: 2, Term: 2, Body: raft.RequestVote{
				LastLogIndex: last.LastIndex, LastLogTerm: last.LastTerm, PreVote: preVote,
			}})
		})
	}
	if preVote {
		ask(1, true)
	}
	ask(3, false)
	if st := n.Engine.Status(); st.Hard.CurrentTerm != 1 {
		c.fail("n2 leaves n1, whom it just heard, for n3: %v", st)
	}
	ask(1, false)
	if st := n.Engine.Status(); st.Hard != (raft.HardState{CurrentTerm: 2, VotedFor: 1}) {
		c.fail("n1 led, asks for votes, and n2 refuses: %v", st)
	}
}

// §5.2: who asks for pre-votes, and votes for another meanwhile, deposes that one with none of the
// pre-votes that still come.
func whoHasVotedWaits(c *Cluster) {
	n := c.node(3)
	n.hard = raft.HardState{CurrentTerm: 2}
	c.boot(n)
	for n.Engine.Status().Role != raft.PreCandidate {
		n.Engine.Tick()
	}
	n.Engine.Step(raft.Message{From: 1, To: 3, Term: 2, Body: raft.RequestVote{}})
	for _, id := range []raft.NodeID{1, 2} {
		n.Engine.Step(raft.Message{From: id, To: 3, Term: 3,
			Body: raft.VoteReply{Granted: true, PreVote: true}})
	}
	if st := n.Engine.Status(); st.Hard != (raft.HardState{CurrentTerm: 2, VotedFor: 1}) {
		c.fail("n3 voted for n1, and does not wait for it: %v", st)
	}
}

// §5.5: a candidate asks each heartbeat, until it is answered or gives up.
func asksForVotesAgain(c *Cluster) {
	n := c.node(1)
	votes := func() (from []raft.NodeID) {
		for {
			rd, ok := n.Engine.Ready()
			if !ok {
				return from
			}
			if rd.Append.Seq != 0 {
				n.Engine.Persisted(rd.Append.Seq)
			}
			for _, m := range append(rd.Append.After, rd.Send...) {
				if v, ok := m.Body.(raft.RequestVote); ok && !v.PreVote {
					from = append(from, m.To)
				}
			}
		}
	}
	for n.Engine.Status().Role != raft.PreCandidate {
		n.Engine.Tick()
	}
	n.Engine.Step(raft.Message{From: 2, To: 1, Term: 1,
		Body: raft.VoteReply{Granted: true, PreVote: true}})
	first := votes()
	n.Engine.Step(raft.Message{From: 3, To: 1, Term: 1, Body: raft.VoteReply{}})
	for range c.config.HeartbeatTicks {
		n.Engine.Tick()
	}
	if again := votes(); !slices.Equal(first, ids(3)[1:]) || !slices.Equal(again, ids(2)[1:]) {
		c.fail("n1 asks n%v, n3 answers, and n1 asks n%v", first, again)
	}
}

// A directory that was let in under a number that another had before never stands by a
// configuration of that time.
func admitted(c *Cluster) {
	for since, stands := range map[raft.Index]bool{0: true, 7: false} {
		e := c.engine(1).New(raft.Config{ID: 1, Admitted: since}, raft.Restored{
			Hard:     raft.HardState{CurrentTerm: 1},
			Snapshot: raft.SnapshotMeta{Members: voters(1)},
			Entries:  []raft.Entry{{Index: 1, Term: 1, Kind: raft.EntryNoop}},
		})
		for range 300 {
			e.Tick()
		}
		if stood := e.Status().Role != raft.Follower; stood != stands {
			c.t.Errorf("let in at %d: stands: %v", since, stood)
		}
	}
}

// thesis §3.10: to one that is up to date, to one that has to catch up, to one that is dead.
func transfer(c *Cluster) {
	hand := func(from *Node, to raft.NodeID) {
		c.do(from, func() {
			if err := from.Engine.Transfer(to); err != nil {
				c.fail("%v", err)
			}
		})
		if err := from.Engine.Propose([]byte("x")); err != raft.ErrTransferring &&
			from.Engine.Status().Role == raft.Leader {
			c.t.Errorf("while it hands over: %v", err)
		}
	}
	lead := c.elected(1)
	for _, to := range []raft.NodeID{1, 99} {
		if err := lead.Engine.Transfer(to); err != raft.ErrNotVoter {
			c.t.Errorf("to n%d: %v", to, err)
		}
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
	c.haveApplied(2, 3)
}
