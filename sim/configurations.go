package sim

import (
	"slices"

	"drystone/members"
	"drystone/raft"
	"drystone/roster"
	"drystone/wire"
)

// What is checked of the membership.
const (
	electedByQuorum = "Elected By Quorum"  // of the configuration in the winner's log
	enoughLeft      = "Enough Left"        // a majority of those who stay is there
	oneChange       = "One Change"         // at most one configuration is not committed
	logDecides      = "Log Decides"        // the configuration is that of snapshot and log
	caughtUpFirst   = "Caught Up First"    // whoever counts has the log
	oldDirectory    = "Old Directory"      // removed, wiped or set back: nobody listens to it
	noDisruption    = "No Disruption"      // who hears a leader deposes it for nobody
	directories     = "Directories"        // a number and a directory are used once
	toldMembers     = "Told Of Membership" // what an operator is told is so
)

// configuration is a membership as the checker has it from the log.
type configuration struct {
	raft.Members
	roster roster.Roster
}

func configurationOf(m raft.Members) *configuration {
	return &configuration{m, members.RosterOf(m)}
}

// decided is a committed configuration.
type decided struct {
	index raft.Index
	*configuration
}

// inForce is the configuration that a log puts in force: its latest, committed or not (§6).
func (c *checker) inForce(m *mirror) *configuration {
	if n := len(m.configs); n > 0 {
		return c.chain.configs[m.configs[n-1]]
	}
	return c.configAt(m.base)
}

// configAt is the configuration as of a committed entry.
func (c *checker) configAt(i raft.Index) *configuration {
	for n := len(c.decided) - 1; n >= 0; n-- {
		if c.decided[n].index <= i {
			return c.decided[n].configuration
		}
	}
	return c.first
}

// latest is the newest configuration that is committed.
func (c *checker) latest() *configuration { return c.configAt(raft.Index(len(c.committed))) }

// directory is the record of who has a number by a configuration; nil: nobody ever did.
func (c *checker) directory(f *configuration, id raft.NodeID) *record {
	held, _ := f.roster.Holder(uint64(id))
	return c.directories[held.Incarnation]
}

// agree says whether enough directories do: more than half of the voters, and while joint more
// than half of the new ones as well.
func (c *checker) agree(f *configuration, does func(*record) bool) bool {
	most := func(voters []raft.NodeID) bool {
		n := 0
		for _, id := range voters {
			if r := c.directory(f, id); r != nil && does(r) {
				n++
			}
		}
		return 2*n > len(voters)
	}
	return most(f.Voters) && (len(f.Next) == 0 || most(f.Next))
}

// noted takes a configuration entry that a node hands to its disk.
func (c *checker) noted(h *host, e *raft.Entry, leads bool) {
	at := raft.Position{Index: e.Index, Term: e.Term}
	f := c.chain.configs[at]
	if f == nil {
		m, err := raft.DecodeMembers(e.Data)
		if err != nil {
			c.world.fail("Wire", "the configuration %d@%d: %v", e.Index, e.Term, err)
		}
		f = configurationOf(m)
		c.chain.configs[at] = f
		for _, r := range f.roster {
			c.known[r.Incarnation] = r.Incarnation != ""
		}
	}
	if leads {
		c.caughtUp(h, f, e.Index)
		c.enoughLeft(h, f, e.Index)
		c.world.turn(h)
		h.seen.proposed = append(h.seen.proposed, at)
	}
}

// lagMax is how many entries a learner may lack when it becomes a voter.
const lagMax = 200

// caughtUp checks that a new voter has nearly all of the leader's log, on its own disk.
func (c *checker) caughtUp(h *host, f *configuration, at raft.Index) {
	m := &h.record.handed
	before := c.inForce(m)
	for _, id := range f.Members.All() {
		if !f.IsVoter(id) || before.IsVoter(id) {
			continue
		}
		r := c.directory(f, id)
		enough := max(1, at-min(at-1, lagMax+1))
		term, ok := m.term(enough)
		if r == nil || r.durable.last() < enough || ok && !r.durable.holds(enough, term) {
			c.world.fail(caughtUpFirst, "n%d makes n%d a voter at entry %d, and the disk of that one "+
				"does not have entry %d", h.id, id, at, enough)
		}
	}
}

// silentMax is how long somebody may have been down whom a leader still counts on. It is far more
// than package members allows, for what was sent before may come late.
const silentMax = 10 * second

// enoughLeft checks that a leader lets voters go only where a majority of the rest is there: a
// change after which nobody could decide anything must be refused.
func (c *checker) enoughLeft(h *host, f *configuration, at raft.Index) {
	w := c.world
	leaves := func(id raft.NodeID) bool { return !slices.Contains(f.Next, id) }
	if !f.Joint() || !slices.ContainsFunc(f.Voters, leaves) || w.plan.echo || w.plan.replay > 0 {
		return // or what somebody said who is down for long comes again
	}
	there := 0
	for _, id := range f.Next {
		r := c.directory(f, id)
		if slices.ContainsFunc(w.hosts, func(x *host) bool {
			return x.record == r && x.up && !x.paused ||
				(x.record == r || x.disks.record == r) && w.now-x.halted < silentMax
		}) {
			there++
		}
	}
	if 2*there <= len(f.Next) {
		w.fail(enoughLeft, "n%d changes the voters from %v to %v at entry %d, and %d of those are there",
			h.id, f.Voters, f.Next, at, there)
	}
}

// configured compares the configuration that a core says is in force with its log's.
func (c *checker) configured(h *host) {
	v, m := &h.seen, &h.record.handed
	now := c.inForce(m)
	if now == v.inForce && v.membersIndex == v.status.MembersIndex {
		return
	}
	if !now.Equal(v.status.Members) {
		c.world.fail(logDecides, "n%d goes by %v of entry %d; its snapshot and log say %v", h.id,
			v.status.Members, v.status.MembersIndex, now.Members)
	}
	v.inForce, v.membersIndex = now, v.status.MembersIndex
}

// proposedChanges checks the configurations that a leader has put into its log.
func (c *checker) proposedChanges(h *host) {
	v := &h.seen
	for _, at := range v.proposed {
		if !c.committedTerm(at.Term) {
			c.world.fail(oneChange, "n%d changes the membership at entry %d before an entry of its "+
				"term %d is committed", h.id, at.Index, at.Term)
		}
		for _, before := range h.record.handed.configs {
			if before.Index < at.Index && !c.isCommitted(before) {
				c.world.fail(oneChange, "n%d changes the membership at entry %d, and the change at %d@%d "+
					"is not committed", h.id, at.Index, before.Index, before.Term)
			}
		}
	}
	v.proposed = v.proposed[:0]
}

func (c *checker) isCommitted(p raft.Position) bool {
	return p.Index <= raft.Index(len(c.committed)) && c.committed[p.Index-1].term == p.Term
}

// committedTerm says whether an entry of a term is committed.
func (c *checker) committedTerm(t raft.Term) bool {
	_, found := slices.BinarySearchFunc(c.committed, t, func(e committed, t raft.Term) int {
		return int(e.term) - int(t)
	})
	return found
}

// decide takes a configuration that is newly committed.
func (c *checker) decide(h *host, at raft.Position) {
	f := c.chain.configs[at]
	if f == nil {
		return
	}
	was := c.latest()
	legal := false
	switch {
	case len(was.Next) > 0:
		legal = len(f.Next) == 0 && slices.Equal(f.Voters, was.Next)
	case len(f.Next) > 0:
		legal = slices.Equal(f.Voters, was.Voters)
	default:
		legal = slices.Equal(f.Voters, was.Voters)
	}
	if !legal {
		c.world.fail(oneChange, "n%d commits %v at entry %d, after %v", h.id, f.Members, at.Index,
			was.Members)
	}
	c.rosterMoves(was, f, at.Index)
	c.decided = append(c.decided, decided{at.Index, f})
	c.world.trace.line(h, "the members are", f.Members.String())
	if l := c.leaders[at.Term]; len(f.Next) == 0 && f.roster != nil &&
		!members.IsMember(f.Members, uint64(c.world.hosts[l.machine].id)) {
		c.world.reach(markLeaderRemoved)
	}
}

// rosterMoves checks that a directory that was removed never comes back, and that no number goes
// from one directory to another but by way of nobody.
func (c *checker) rosterMoves(was, now *configuration, at raft.Index) {
	fail := func(what string, id uint64) {
		c.world.fail(directories, "entry %d: n%d %s", at, id, what)
	}
	for _, e := range was.roster {
		if _, ok := now.roster.Find(e.Node, e.Incarnation); e.Incarnation != "" && !ok {
			fail("had a directory that is forgotten", e.Node)
		}
	}
	for _, id := range now.All() {
		held, ok := now.roster.Holder(uint64(id))
		before, had := was.roster.Holder(uint64(id))
		switch {
		case !ok:
			fail("is a member without a directory", uint64(id))
		case held == before || held.Incarnation == before.Incarnation && members.IsMember(was.Members,
			uint64(id)):
		case members.IsMember(was.Members, uint64(id)):
			fail("changes its directory as a member", uint64(id))
		case had && held.Incarnation == before.Incarnation:
			fail("comes back", uint64(id))
		case had && (held.Generation <= before.Generation || !was.roster.Vacant(uint64(id))):
			fail("is used again", uint64(id))
		}
	}
}

// electedBy checks that those who decide by the winner's log voted for it, each with the directory
// that has its number.
func (c *checker) electedBy(h *host) {
	term := h.seen.status.Hard.CurrentTerm
	f := c.inForce(&h.record.handed)
	voted := func(r *record) bool {
		return r == h.record && r.durable.hard == raft.HardState{CurrentTerm: term, VotedFor: h.id} ||
			c.votes[ballot{term, r}] == h.id
	}
	if !c.agree(f, voted) {
		c.world.fail(electedByQuorum, "n%d leads term %d without the votes of a majority of %v", h.id,
			term, f.Members)
	}
}

// heard is the last word of a leader.
type heard struct {
	leader raft.NodeID
	term   raft.Term
	tick   int64
}

// hears checks whom a node listens to: not to a directory of which it knows that it was removed.
func (c *checker) hears(h *host, from *record, m *wire.Message) {
	if from.rolledBack {
		c.world.fail(oldDirectory, "n%d hears n%d, whose directory was set back", h.id, from.node)
	}
	s := h.steward.stood
	if s == nil {
		return
	}
	e, listed := s.Roster.Find(uint64(from.node), from.incarnation)
	held, _ := s.Roster.Holder(uint64(from.node))
	if listed && (held != e || !members.IsMember(s.Members, uint64(from.node))) {
		c.world.fail(oldDirectory, "n%d hears n%d (%v), and has applied its removal", h.id, from.node,
			m.Raft)
	}
}

// beforeStep says whether a vote request must not move this node: it hears a leader, which did not
// ask for an election (thesis §4.2.3).
func (c *checker) beforeStep(h *host, m *raft.Message) (loyal bool) {
	ask, asks := m.Body.(raft.RequestVote)
	if !asks || ask.PreVote || ask.Transfer {
		return false
	}
	s := h.core.Status()
	return s.Role == raft.Follower && h.heard.leader != 0 &&
		h.heard.term == s.Hard.CurrentTerm && m.From != h.heard.leader &&
		h.ticks-h.heard.tick < int64(c.world.plan.raft.ElectionTicks)-1
}

func (c *checker) stepped(h *host, m *raft.Message, loyal bool) {
	if ask, asks := m.Body.(raft.RequestVote); !asks || !ask.PreVote {
		h.seen.stirred = true
	}
	switch m.Body.(type) {
	case raft.AppendEntries, raft.Heartbeat, raft.InstallSnapshot:
		if h.core.Status().Hard.CurrentTerm == m.Term {
			h.heard, h.word = heard{m.From, m.Term, h.ticks}, h.clock()
		}
	case raft.RequestVote:
		if loyal && h.core.Status().Hard.CurrentTerm > h.heard.term {
			c.world.fail(noDisruption, "n%d leaves n%d, whom it hears, for n%d, which asks for votes in "+
				"term %d", h.id, h.heard.leader, m.From, m.Term)
		}
	}
}

// opened checks the boot of a member: neither another directory of its number may have used it, nor
// this one.
func (c *checker) opened(h *host) {
	if h.record.rolledBack {
		return
	}
	b := session{uint64(h.id), h.identity.Boot}
	if c.boots[b] {
		c.world.fail(directories, "n%d starts as boot %d for the second time", h.id, b.boot)
	}
	c.boots[b] = true
}
