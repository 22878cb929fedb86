package sim

import (
	"slices"

	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
)

// The properties that are checked at every step. The first five are Figure 3's.
const (
	electionSafety     = "Election Safety"
	leaderAppendOnly   = "Leader Append-Only"
	logMatching        = "Log Matching"
	leaderCompleteness = "Leader Completeness"
	stateMachineSafety = "State Machine Safety"

	committedOnQuorum = "Committed On Quorum" // as the disks have it, not as the leader believes
	durableFirst      = "Durable First"       // nothing leaves before what it says is durable
	honestAcks        = "Honest Acknowledgement"
	ownTerm           = "Own-Term Commit" // §5.4.2: a leader counts only entries of its own term
	durability        = "Durability"      // a new start finds all that was made durable
	monotony          = "Monotony"        // term, vote, commit, applied and matchIndex never go back
	equalState        = "Equal State"     // equal applied index, equal state hash
)

// checker watches every node from outside: what it hands to its disk, to the network and to its
// machine, and what it says of itself.
type checker struct {
	world     *world
	chain     chain
	committed []committed // by index - 1
	leaders   map[raft.Term]office
	votes     map[ballot]raft.NodeID
	stood     map[candidacy]bool
	cluster   string

	first       *configuration     // that the log begins with
	decided     []decided          // the configurations that are committed
	directories map[string]*record // by incarnation
	known       map[string]bool    // incarnations that some configuration names
	boots       map[session]bool   // of members
	answers     []answered
}

type committed struct {
	term   raft.Term
	digest uint64
	hash   uint64 // of the state after it
	hashed bool
}

// office is who was elected in a term, and in which of its boots: to be elected again in a term
// after a crash is as bad as another's election.
type office struct {
	machine int
	boot    uint32
}

// record is what the checker knows of a directory over all its boots.
type record struct {
	node        raft.NodeID
	handed      mirror        // the log as the core handed it to its disk
	durable     mirror        // the log as the disk acknowledged it
	pending     []raft.Append // handed to the disk, which has not answered yet
	saved       raft.Index    // of the newest snapshot that was saved
	received    raft.Index    // of the newest snapshot that came from a leader
	cluster     string
	incarnation string
	boot        uint64
	damaged     bool          // something was done to its disk: it need not find all that was durable
	rot         *rot          // bytes of it have changed, and no start has got over that yet
	short       raft.Position // the last of what it has acknowledged and may miss; zero: nothing
	rolledBack  bool          // it is an older copy of another one
}

// view is what the checker last saw of a node in this boot.
type view struct {
	status  raft.Status
	valid   bool
	seq     uint64
	applied raft.Index // handed to the machine
	read    uint64     // the newest round of reads that it asked the others about
	since   int64      // ticks when it started, and one
	stirred bool       // since then it heard more than pre-votes, or stood

	inForce      *configuration
	membersIndex raft.Index
	proposed     []raft.Position // configurations that it has put into its log as the leader
}

func newChecker(w *world) checker {
	return checker{
		world: w, leaders: map[raft.Term]office{}, votes: map[ballot]raft.NodeID{},
		stood: map[candidacy]bool{},
		chain: chain{configs: map[raft.Position]*configuration{}}, directories: map[string]*record{},
		known: map[string]bool{}, boots: map[session]bool{},
	}
}

// crashed notes nothing but exists to say so: what was handed to the disk and not acknowledged
// stays in pending until a start tells how much of it survived.
func (c *checker) crashed(h *host) { h.seen = view{} }

// ready checks what a core wants done before it is done.
func (c *checker) ready(h *host, fx *replica.Effects) {
	if fx.Append.Seq != 0 {
		c.handedOver(h, &fx.Append)
	}
	for i := range fx.Apply {
		c.toApply(h, &fx.Apply[i])
	}
	for i := range fx.Queries {
		c.ages(h, &fx.Queries[i])
	}
	if solicits(fx.Send) || solicits(fx.Append.After) {
		c.stands(h)
	}
}

func (c *checker) handedOver(h *host, a *raft.Append) {
	w, v, m := c.world, &h.seen, &h.record.handed
	if a.Seq != v.seq+1 {
		w.fail(monotony, "n%d: Append %d follows Append %d", h.id, a.Seq, v.seq)
	}
	v.seq = a.Seq
	if a.Hard != m.hard {
		c.hardMoves(h, m.hard, a.Hard)
		c.chooses(h, a.Hard)
	}
	if a.Hard.VotedFor != 0 && a.Hard != m.hard && w.now < h.stalled {
		w.reach(markStuckVote)
	}
	leads := v.valid && v.status.Role == raft.Leader &&
		v.status.Hard.CurrentTerm == a.Hard.CurrentTerm
	if s := a.Snapshot; s != nil {
		if leads {
			w.fail(leaderAppendOnly, "n%d, leader of term %d, installs a snapshot", h.id,
				a.Hard.CurrentTerm)
		}
		h.seen.applied = max(h.seen.applied, s.LastIncludedIndex)
		if last := min(m.last(), s.LastIncludedIndex); last > m.base {
			if term, _ := m.term(last); !c.isCommitted(raft.Position{Index: last, Term: term}) {
				w.reach(markDivergent)
			}
		}
	}
	if len(a.Entries) > 0 {
		first := a.Entries[0].Index
		base, last := m.base, m.last()
		if a.Snapshot != nil {
			after := m.copy()
			after.install(a.Snapshot.LastIncludedIndex, a.Snapshot.LastIncludedTerm, a.KeepLog)
			base, last = after.base, after.last()
		}
		switch {
		case first > last+1 || first <= base:
			w.fail(logMatching, "n%d appends from %d to a log of (%d, %d]", h.id, first, base, last)
		case leads && first != last+1:
			w.fail(leaderAppendOnly, "n%d, leader of term %d, overwrites its entry %d", h.id,
				a.Hard.CurrentTerm, first)
		case v.valid && first <= v.status.Commit:
			w.fail(stateMachineSafety, "n%d overwrites entry %d, which it knows to be committed "+
				"(up to %d)", h.id, first, v.status.Commit)
		}
	}
	if a.Snapshot != nil || len(a.Entries) == 0 {
		m.apply(&raft.Append{Hard: a.Hard, Snapshot: a.Snapshot, KeepLog: a.KeepLog})
	}
	m.hard = a.Hard
	if len(a.Entries) == 0 {
		return
	}
	for _, at := range m.configs {
		if at.Index >= a.Entries[0].Index {
			w.reach(markConfigLost)
		}
	}
	m.cut(a.Entries[0].Index)
	for i := range a.Entries {
		e := &a.Entries[i]
		prev := m.lastTerm()
		if e.Index != m.last()+1 || e.Term < prev {
			w.fail(logMatching, "n%d puts entry %d@%d behind %d@%d", h.id, e.Index, e.Term,
				m.last(), prev)
		}
		if !c.chain.match(e, prev) {
			w.fail(logMatching, "n%d holds another entry %d@%d than was seen before, or another "+
				"one (of term %d) before it", h.id, e.Index, e.Term, prev)
		}
		if e.Kind == raft.EntryConfig {
			c.noted(h, e, leads)
		}
		m.append(e)
	}
}

// hardMoves checks that term and vote only move forward.
func (c *checker) hardMoves(h *host, from, to raft.HardState) {
	if to.CurrentTerm < from.CurrentTerm {
		c.world.fail(monotony, "n%d goes from term %d back to %d", h.id, from.CurrentTerm,
			to.CurrentTerm)
	}
	if to.CurrentTerm == from.CurrentTerm && from.VotedFor != 0 && to.VotedFor != from.VotedFor {
		c.world.fail(oneVote, "n%d voted for n%d in term %d, now for n%d", h.id, from.VotedFor,
			to.CurrentTerm, to.VotedFor)
	}
}

// toApply checks an entry that a core hands out as committed.
func (c *checker) toApply(h *host, e *raft.Entry) {
	w, v := c.world, &h.seen
	if e.Index != v.applied+1 {
		w.fail(monotony, "n%d is to apply entry %d after %d", h.id, e.Index, v.applied)
	}
	v.applied = e.Index
	if !h.record.durable.holds(e.Index, e.Term) {
		w.fail(durableFirst, "n%d is to apply entry %d@%d, which is not on its disk", h.id,
			e.Index, e.Term)
	}
}

// observe compares what a core says of itself with what it said before and with what the others
// said.
func (c *checker) observe(h *host) {
	w, v := c.world, &h.seen
	s := h.core.Status()
	if v.valid {
		c.hardMoves(h, v.status.Hard, s.Hard)
		if s.Commit < v.status.Commit || s.Applied < v.status.Applied {
			w.fail(monotony, "n%d goes back from commit %d applied %d to commit %d applied %d",
				h.id, v.status.Commit, v.status.Applied, s.Commit, s.Applied)
		}
	}
	if s.SnapshotIndex > s.Applied && s.SnapshotIndex > v.applied || s.Applied > s.Commit ||
		s.Commit > s.LastIndex || s.FirstIndex > s.SnapshotIndex+1 {
		w.fail(monotony, "n%d: first %d snapshot %d applied %d commit %d last %d are out of order",
			h.id, s.FirstIndex, s.SnapshotIndex, s.Applied, s.Commit, s.LastIndex)
	}
	if m := &h.record.handed; s.LastIndex == m.last() && s.LastTerm != m.lastTerm() {
		w.fail(logMatching, "n%d takes the last entry of its log for %d@%d; its disk got %d@%d", h.id,
			s.LastIndex, s.LastTerm, m.last(), m.lastTerm())
	}
	was := v.status
	known := v.valid
	v.status, v.valid = s, true
	if s.Role == raft.Leader && (!known || was.Role != raft.Leader ||
		was.Hard.CurrentTerm != s.Hard.CurrentTerm) {
		c.elected(h)
	}
	leadsOn := known && s.Role == raft.Leader && was.Role == raft.Leader &&
		was.Hard.CurrentTerm == s.Hard.CurrentTerm
	if !known || s.Commit > was.Commit {
		c.commits(h, was.Commit)
		if leadsOn {
			c.counted(h)
		}
	}
	if leadsOn {
		c.matches(h, was.Progress)
	}
	if s.Role == raft.Leader {
		h.word = h.clock()
	}
	c.leads(h)
	c.mustStand(h)
	c.proposedChanges(h)
	c.checkAnswers()
	c.configured(h)
	if known && (was.Role != s.Role || was.Hard.CurrentTerm != s.Hard.CurrentTerm) {
		w.trace.role(h, &s)
	}
}

func (c *checker) elected(h *host) {
	w, term := c.world, h.seen.status.Hard.CurrentTerm
	now := office{h.index, h.boot}
	if was, ok := c.leaders[term]; ok && was != now {
		w.fail(electionSafety, "term %d elected n%d and then n%d", term, w.hosts[was.machine].id, h.id)
	}
	c.leaders[term] = now
	w.reach(markElected)
	w.moment(h)
	w.operators.onElected(h)
	if w.healing {
		w.stable(h)
	}
	if n := raft.Index(len(c.committed)); n > 0 {
		// With Log Matching, the last one stands for all before it.
		if t := c.committed[n-1].term; t < term && !h.record.handed.holds(n, t) {
			w.fail(leaderCompleteness, "n%d leads term %d without the committed entry %d@%d",
				h.id, term, n, t)
		}
	}
	c.electedBy(h)
}

// commits checks entries that a node newly knows to be committed.
func (c *checker) commits(h *host, from raft.Index) {
	w, m := c.world, &h.record.handed
	commit, grew := h.seen.status.Commit, false
	for i := max(from, m.base) + 1; i <= commit; i++ {
		term, ok := m.term(i)
		if !ok {
			w.fail(stateMachineSafety, "n%d commits entry %d, which it does not have", h.id, i)
		}
		if i <= raft.Index(len(c.committed)) {
			if was := c.committed[i-1].term; was != term {
				w.fail(stateMachineSafety, "n%d commits %d@%d where %d@%d was committed", h.id, i,
					term, i, was)
			}
			continue
		}
		digest, _ := c.chain.digest(i, term)
		c.committed = append(c.committed, committed{term: term, digest: digest})
		grew = true
		c.decide(h, raft.Position{Index: i, Term: term})
	}
	if raft.Index(len(c.committed)) < commit {
		w.fail(stateMachineSafety, "n%d knows entry %d to be committed and nobody else does",
			h.id, commit)
	}
	if grew {
		c.onQuorum(h, commit)
	}
}

// counted checks that a leader commits what went before it only along with its own (Figure 8).
func (c *checker) counted(h *host) {
	s := &h.seen.status
	if term, ok := h.record.handed.term(s.Commit); ok && term != s.Hard.CurrentTerm {
		c.world.fail(ownTerm, "n%d, leader of term %d, commits entry %d of term %d", h.id,
			s.Hard.CurrentTerm, s.Commit, term)
	}
}

// matches checks that a leader never forgets what a peer has acknowledged to it.
func (c *checker) matches(h *host, was []raft.Progress) {
	for i, p := range h.seen.status.Progress {
		if i >= len(was) || was[i].ID != p.ID { // the members changed
			i = slices.IndexFunc(was, func(q raft.Progress) bool { return q.ID == p.ID })
		}
		if i >= 0 && p.Match < was[i].Match {
			c.world.fail(monotony, "n%d, leader of term %d, takes matchIndex of n%d from %d back to %d",
				h.id, h.seen.status.Hard.CurrentTerm, p.ID, was[i].Match, p.Match)
		}
	}
}

// onQuorum checks that the newest committed entry is on enough disks, by the configuration in the
// log of the node that commits it, and with every leader of a later term.
func (c *checker) onQuorum(by *host, i raft.Index) {
	w, term := c.world, c.committed[i-1].term
	holds := func(r *record) bool { return r.durable.holds(i, term) }
	f := c.inForce(&by.record.handed)
	// A configuration that was appended since it was looked at last counts from then on only.
	earlier := by.seen.inForce != nil && by.seen.inForce != f && c.agree(by.seen.inForce, holds)
	if !earlier && !c.agree(f, holds) {
		w.fail(committedOnQuorum, "n%d commits entry %d@%d, which is not on the disks of a majority of "+
			"%v", by.id, i, term, f.Members)
	}
	for _, h := range w.hosts {
		if s := &h.seen.status; h.up && h.seen.valid && s.Role == raft.Leader &&
			s.Hard.CurrentTerm > term && !h.record.handed.holds(i, term) {
			w.fail(leaderCompleteness, "n%d leads term %d without entry %d@%d, which is committed",
				h.id, s.Hard.CurrentTerm, i, term)
		}
	}
}

// leaves checks a message against what its sender's disk holds.
func (c *checker) leaves(h *host, m *raft.Message) {
	w, d := c.world, &h.record.durable
	if m.From != h.id {
		w.fail("Addressing", "n%d sends a message in the name of n%d", h.id, m.From)
	}
	switch body := m.Body.(type) {
	case raft.RequestVote:
		if body.PreVote {
			return // asks about a term that nobody is in yet
		}
		c.voted(h, m.Term, h.id)
		c.stood[candidacy{m.Term, h.id}] = true
	case raft.VoteReply:
		if body.PreVote {
			return
		}
		if body.Granted {
			c.voted(h, m.Term, m.To)
		}
	case raft.Heartbeat:
		if body.Read > h.seen.read { // a round of reads begins
			h.seen.read = body.Read
			w.reading(h)
		}
	case raft.AppendReply:
		if body.Success {
			c.acknowledges(h, m.To, m.Term, body.MatchIndex)
		}
		if body.Success && m.Term == d.hard.CurrentTerm && body.MatchIndex > d.last() {
			w.fail(durableFirst, "n%d acknowledges entry %d; its disk ends at %d", h.id,
				body.MatchIndex, d.last())
		}
	case raft.SnapshotReply:
		if m.Term == d.hard.CurrentTerm && body.MatchIndex > d.last() {
			w.fail(durableFirst, "n%d acknowledges the snapshot of %d; its disk ends at %d",
				h.id, body.MatchIndex, d.last())
		}
	}
	if m.Term > d.hard.CurrentTerm {
		w.fail(durableFirst, "n%d speaks in term %d; its disk knows term %d", h.id, m.Term,
			d.hard.CurrentTerm)
	}
}

// acknowledges checks that a follower that says that its log is equal to the leader's up to match
// does not promise more than the leader can have asked for.
func (c *checker) acknowledges(h *host, to raft.NodeID, term raft.Term, match raft.Index) {
	w := c.world
	office, led := c.leaders[term]
	if !led || w.hosts[office.machine].id != to {
		return
	}
	l := w.hosts[office.machine]
	s := &l.seen.status
	mine, ok := h.record.handed.term(match)
	if !ok || !l.up || !l.seen.valid || s.Role != raft.Leader || s.Hard.CurrentTerm != term ||
		h.record.handed.hard.CurrentTerm != term {
		return
	}
	if !l.record.handed.holds(match, mine) {
		w.fail(honestAcks, "n%d acknowledges entry %d@%d to n%d, whose log of term %d does not "+
			"hold it", h.id, match, mine, to, term)
	}
}

func (c *checker) writing(h *host, appends []raft.Append) {
	h.record.pending = append(h.record.pending[:0], appends...)
}

func (c *checker) wrote(h *host, appends []raft.Append) {
	for i := range appends {
		h.record.durable.apply(&appends[i])
	}
	clear(h.record.pending)
	h.record.pending = h.record.pending[:0]
}

func (c *checker) saved(h *host, meta *raft.SnapshotMeta) {
	h.record.saved = max(h.record.saved, meta.LastIncludedIndex)
}

// applying checks an entry against the one committed history there is, and lets the truth know
// of it when nobody applied it before.
func (c *checker) applying(h *host, e *raft.Entry) {
	w := c.world
	if e.Index > raft.Index(len(c.committed)) {
		w.fail(stateMachineSafety, "n%d applies entry %d, which is not committed", h.id, e.Index)
	}
	was := &c.committed[e.Index-1]
	if e.Term != was.term || digestBytes(uint64(e.Kind), e.Data) != was.digest {
		w.fail(stateMachineSafety, "n%d applies another entry %d@%d than the %d@%d that was "+
			"committed", h.id, e.Index, e.Term, e.Index, was.term)
	}
	if uint64(e.Index) == w.truth.index+1 {
		w.truth.apply(e)
	}
}

// applied compares a node's state hash with those of the others at the same index.
func (c *checker) applied(h *host, s *rsm.State) {
	at := s.Point()
	if at.Index == 0 {
		return
	}
	if at.Index > uint64(len(c.committed)) {
		c.world.fail(stateMachineSafety, "n%d has the state of entry %d, which is not committed",
			h.id, at.Index)
	}
	was := &c.committed[at.Index-1]
	hash := s.Hash()
	if !was.hashed {
		was.hash, was.hashed = hash, true
		c.world.digest = mix(c.world.digest, hash)
	} else if was.hash != hash {
		c.world.fail(equalState, "n%d has state %016x at entry %d, another node had %016x", h.id,
			hash, at.Index, was.hash)
	}
}
