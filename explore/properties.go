package explore

import (
	"fmt"
	"slices"

	"drystone/raft"
)

// The properties. The first five are Figure 3's.
const (
	ElectionSafety     = "Election Safety"
	LeaderAppendOnly   = "Leader Append-Only"
	LogMatching        = "Log Matching"
	LeaderCompleteness = "Leader Completeness"
	StateMachineSafety = "State Machine Safety"

	CommittedOnQuorum = "Committed On Quorum" // as the disks have it, not as a leader believes
	OwnTermCommit     = "Own-Term Commit"     // §5.4.2: a leader counts entries of its own term only
	DurableFirst      = "Durable First"       // nothing leaves before what it says is durable
	OneVote           = "One Vote"            // in a term, over all boots of a node
	NoTruncation      = "No Truncation"       // of what a node knows to be committed
	Monotony          = "Monotony"            // term and commit never go back
	OneChange         = "One Change"          // at most one configuration is not committed
	Assertion         = "Assertion"           // of the core itself
)

// Violation is a broken property.
type Violation struct {
	Property, Detail string
}

func (v *Violation) Error() string { return v.Property + ": " + v.Detail }

// checkMessage looks at a message that leaves a node.
func (h *host) checkMessage(m raft.Message) {
	has, voted := h.disk.hard, raft.NodeID(0)
	onDisk := h.disk.snap.LastIncludedIndex + raft.Index(len(h.disk.entries))
	switch b := m.Body.(type) {
	case raft.RequestVote:
		voted = m.From
	case raft.VoteReply:
		if b.Granted {
			voted = m.To
		}
	case raft.AppendReply:
		if b.Success && m.Term == has.CurrentTerm && b.MatchIndex > onDisk {
			h.fail(DurableFirst, "n%d acknowledges entry %d, its disk ends at %d", h.config.ID,
				b.MatchIndex, onDisk)
		}
	}
	if m.Term > has.CurrentTerm ||
		voted != 0 && m.Term == has.CurrentTerm && has.VotedFor != voted {
		h.fail(DurableFirst, "n%d says %v, its disk has term %d and a vote for n%d", h.config.ID,
			oneLine(m.String()), has.CurrentTerm, has.VotedFor)
	}
	if voted == 0 {
		return
	}
	if was := h.promised; was.CurrentTerm == m.Term && was.VotedFor != voted {
		h.fail(OneVote, "n%d votes for n%d and for n%d in term %d", h.config.ID, was.VotedFor,
			voted, m.Term)
	}
	if m.Term >= h.promised.CurrentTerm {
		h.promised = raft.HardState{CurrentTerm: m.Term, VotedFor: voted}
	}
}

// checkStep compares a node with what it was before an input.
func (h *host) checkStep(was *node, in input) {
	id, now := h.config.ID, &h.node
	if now.disk.hard.CurrentTerm < was.disk.hard.CurrentTerm {
		h.fail(Monotony, "n%d's disk goes from term %d back to %d", id,
			was.disk.hard.CurrentTerm, now.disk.hard.CurrentTerm)
	}
	if now.leads() && (!was.leads() || was.term() != now.term() || in.kind == crash) {
		if now.led>>now.term()&1 == 1 {
			h.fail(ElectionSafety, "n%d is elected a second time in term %d", id, now.term())
		}
		now.led |= 1 << now.term()
	}
	if in.kind == crash {
		return
	}
	commit := int(was.status.Commit)
	switch {
	case now.term() < was.term() || now.status.Commit < was.status.Commit:
		h.fail(Monotony, "n%d goes from term %d, commit %d back to term %d, commit %d", id,
			was.term(), was.status.Commit, now.term(), now.status.Commit)
	case !now.log.extends(&was.log, commit):
		h.fail(NoTruncation, "n%d loses entries that it knows to be committed, up to %d", id, commit)
	case was.leads() && now.term() == was.term() && !now.log.extends(&was.log, was.log.last()):
		h.fail(LeaderAppendOnly, "n%d, leader of term %d, overwrites its log", id, was.term())
	}
	if counted := was.leads() && was.term() == now.term() || now.leads(); counted &&
		now.status.Commit > was.status.Commit {
		if s, ok := now.log.at(int(now.status.Commit)); ok && s.term != now.term() {
			h.fail(OwnTermCommit, "n%d, leader of term %d, commits entry %d of term %d", id,
				now.term(), now.status.Commit, s.term)
		}
	}
}

// committed is an entry that some node knew to be committed.
type committed struct {
	entry slot
	by    raft.Term // of the leader that committed it
}

// commits notes what a node newly knows to be committed, and checks that a majority's disks have
// it.
func (e *explorer) commits(w *world, i int, was *node) *Violation {
	n, known := e.nodes[w.nodes[i]], e.histories[w.history]
	if int(n.status.Commit) <= len(known) {
		return nil
	}
	if !n.leads() && !(was.leads() && was.term() == n.term()) {
		return e.violation(StateMachineSafety, "n%d knows entry %d to be committed, which no leader "+
			"has committed", i+1, n.status.Commit)
	}
	for at := len(known) + 1; at <= int(n.status.Commit); at++ {
		s, _ := n.log.at(at)
		known = append(slices.Clip(known), committed{s, n.term()})
	}
	w.history = e.history(known)
	last := len(known)
	holds := func(id raft.NodeID) bool {
		return e.nodes[w.nodes[id-1]].onDisk.holds(last, known[last-1].entry)
	}
	// What decided is the configuration in force, or the one that the leader went on to right then.
	for _, m := range []raft.Members{was.status.Members, n.status.Members} {
		if quorum(m, holds) {
			return nil
		}
	}
	return e.violation(CommittedOnQuorum, "n%d commits entry %d@%d, which the disks of no quorum "+
		"of %v hold", i+1, last, known[last-1].entry.term, was.status.Members)
}

// quorum is raft's, written anew.
func quorum(m raft.Members, holds func(raft.NodeID) bool) bool {
	for _, voters := range [][]raft.NodeID{m.Voters, m.Next} {
		n := 0
		for _, id := range voters {
			if holds(id) {
				n++
			}
		}
		if len(voters) > 0 && 2*n <= len(voters) {
			return false
		}
	}
	return len(m.Voters) > 0
}

// checkWorld looks at a world in which a node has changed.
func (e *explorer) checkWorld(w *world, changed int, was *node) *Violation {
	for i := range w.nodes[:e.bounds.nodes()] {
		if i != changed {
			if v := e.checkPair(w, changed, i, was); v != nil {
				return v
			}
		}
		if v := e.checkLeader(w, i); v != nil {
			return v
		}
	}
	n, known := e.nodes[w.nodes[changed]], e.histories[w.history]
	for k, c := range known[:min(len(known), int(n.status.Commit))] {
		if !n.log.holds(k+1, c.entry) {
			return e.violation(StateMachineSafety, "n%d commits another entry %d than the %d@%d "+
				"that was committed", changed+1, k+1, k+1, c.entry.term)
		}
	}
	pending := 0
	for k := len(known) + 1; k <= n.log.last(); k++ {
		if s, ok := n.log.at(k); ok && s.config {
			pending++
		}
	}
	if pending > 1 {
		return e.violation(OneChange, "%d configurations in n%d's log are not committed", pending,
			changed+1)
	}
	return nil
}

// checkPair compares a node that has changed with another.
func (e *explorer) checkPair(w *world, changed, other int, was *node) *Violation {
	a, b := e.nodes[w.nodes[changed]], e.nodes[w.nodes[other]]
	if a.led&b.led&^was.led != 0 {
		if v := e.violation(ElectionSafety, "n%d and n%d are elected in one term", changed+1,
			other+1); v != nil {
			return v
		}
	}
	for _, log := range []*history{&a.log, &a.onDisk} {
		if !log.matches(&b.log) || !log.matches(&b.onDisk) {
			return e.violation(LogMatching, "the logs of n%d and n%d have an equal entry, and "+
				"others before it", changed+1, other+1)
		}
	}
	return nil
}

// checkLeader looks for what was committed in earlier terms.
func (e *explorer) checkLeader(w *world, i int) *Violation {
	n := e.nodes[w.nodes[i]]
	if !n.leads() {
		return nil
	}
	for k, c := range e.histories[w.history] {
		if c.by < n.term() && !n.log.holds(k+1, c.entry) {
			return e.violation(LeaderCompleteness, "n%d leads term %d without entry %d@%d, which "+
				"is committed", i+1, n.term(), k+1, c.entry.term)
		}
	}
	return nil
}

// violation is nil for a property that may be broken.
func (e *explorer) violation(property, format string, args ...any) *Violation {
	if slices.Contains(e.ignore, property) {
		return nil
	}
	return &Violation{Property: property, Detail: fmt.Sprintf(format, args...)}
}
