package raft

import (
	"fmt"
	"slices"
	"strings"
)

// What must hold in every history.

func (s *sim) checkVote(n *simNode, m Message, vote NodeID) {
	if h := n.hard; h.CurrentTerm < m.Term || h.CurrentTerm == m.Term && h.VotedFor != vote {
		s.fail("n%d says %v, its disk has %v", n.id, m, h)
	}
}

func (s *sim) checkDurable(n *simNode, i Index, m Message) {
	last := n.snap.LastIncludedIndex
	if k := len(n.entries); k > 0 {
		last = max(last, n.entries[k-1].Index)
	}
	if m.Term == n.hard.CurrentTerm && i > last {
		s.fail("n%d says %v, its disk ends at %d", n.id, m, last)
	}
}

// record keeps entries: Log Matching is that index and term name an entry and all before it.
func (s *sim) record(prev Position, entries []Entry) {
	for _, e := range entries {
		p := e.position()
		if was, ok := s.known[p]; ok {
			if string(was.Data) != string(e.Data) || was.Kind != e.Kind || s.before[p] != prev.Term {
				s.fail("Log Matching: %v has two contents or predecessors", p)
			}
		} else {
			s.known[p], s.before[p] = e, prev.Term
		}
		prev = p
	}
}

func (s *sim) observe(n *simNode) {
	r := n.raft
	if last := r.configs[len(r.configs)-1]; last.index != n.config {
		s.configs, n.config = append(s.configs, last), last.index
	}
	if r.role.kind() == Leader {
		if was, ok := s.leaders[r.currentTerm]; ok && was != n.id {
			s.fail("Election Safety: n%d and n%d lead term %d", was, n.id, r.currentTerm)
		} else if !ok {
			s.leaders[r.currentTerm] = n.id
			s.checkComplete(n)
		}
	}
}

// checkComplete: Leader Completeness. It speaks of the leaders of later terms: one whose votes were
// long on the way may begin to lead a term that is over, and lack what a later one committed.
func (s *sim) checkComplete(n *simNode) {
	for i := n.raft.log.base.Index + 1; i <= s.highest; i++ {
		if s.settled[i] >= n.raft.currentTerm {
			continue
		}
		if t, ok := n.raft.log.term(i); !ok || t != s.applied[i].Term {
			s.fail("Leader Completeness: n%d leads term %d without %v", n.id, n.raft.currentTerm,
				s.applied[i].position())
		}
	}
}

func (s *sim) onDisk(n *simNode, e Entry) bool {
	if n.snap.LastIncludedIndex >= e.Index {
		return true
	}
	i, ok := slices.BinarySearchFunc(n.entries, e.Index, func(e Entry, i Index) int {
		return int(e.Index) - int(i)
	})
	return ok && n.entries[i].Term == e.Term
}

func (s *sim) checkOnDisk(n *simNode, e Entry) {
	if !s.onDisk(n, e) {
		s.fail("n%d applies %v, which its disk does not hold", n.id, e.position())
	}
}

// checkOnQuorum measures on the disks themselves, not on what a leader believes.
func (s *sim) checkOnQuorum(n *simNode, e Entry) {
	// The leader's configuration in force decided: the entry's own, or one that came after it and
	// that n may not have.
	has := func(id NodeID) bool { return s.onDisk(s.node(id), e) }
	for _, m := range s.up() {
		for i, c := range m.raft.configs {
			last := i == len(m.raft.configs)-1
			if (last || m.raft.configs[i+1].index > e.Index) && c.members.quorum(has) {
				return
			}
		}
	}
	// Or one that nobody has any more: C-new decides as soon as a leader has it, and may be lost
	// with that leader. Joint consensus, which is committed by then, asks C-new's majority too.
	for _, c := range s.configs {
		if c.index > e.Index && c.members.quorum(has) {
			return
		}
	}
	s.fail("%v is applied on n%d without being durable on a quorum of %v", e.position(), n.id,
		n.raft.members())
}

// heal lets everything work, and expects a leader and agreement.
func (s *sim) heal() {
	s.lossy = false
	clear(s.cut)
	s.ships = nil
	for _, n := range s.nodes {
		if n.raft == nil {
			s.start(n)
		}
		// A host that lost its network tells the core of every transfer that failed.
		if l, ok := n.raft.role.(*leader); ok {
			for i := range l.progress {
				id := l.progress[i].id
				s.do(n, func() { n.raft.Shipped(id, SnapshotMeta{}, false) })
			}
		}
	}
	for range 400 {
		for _, n := range s.nodes {
			s.do(n, n.raft.Tick)
		}
		s.settle()
	}
	lead := s.leader()
	if lead == nil {
		s.fail("no leader after healing:%s", s.describe())
	}
	if !lead.raft.members().IsVoter(lead.id) {
		s.fail("n%d still leads, and is no member:%s", lead.id, s.describe())
	}
	last := s.highest
	s.propose(lead)
	for range 100 {
		for _, n := range s.nodes {
			s.do(n, n.raft.Tick)
		}
		s.settle()
	}
	if s.highest <= last {
		s.fail("nothing commits after healing:%s", s.describe())
	}
	for _, id := range lead.raft.members().All() {
		if n := s.node(id); n.applied != s.highest {
			s.fail("n%d applied %d of %d after healing:%s", n.id, n.applied, s.highest, s.describe())
		}
		if r := s.node(id).raft; r.applying.bytes != 0 || len(r.disk.writes) != 0 {
			s.fail("n%d: something is never given back:%s", id, s.describe())
		}
	}
	if lead.raft.members().Joint() {
		s.fail("still joint after healing:%s", s.describe())
	}
}

func (s *sim) settle() {
	for busy := true; busy; {
		busy = false
		for _, n := range s.up() {
			s.drain(n)
			for len(n.writes) > 0 {
				s.write(n, true)
				busy = true
			}
			for len(n.acks) > 0 {
				s.persisted(n)
				busy = true
			}
			for len(n.given) > 0 && n.restore == 0 {
				s.machine(n)
				busy = true
			}
			s.drain(n)
		}
		for len(s.net) > 0 {
			s.deliver(0)
			busy = true
		}
		for len(s.ships) > 0 {
			s.shipOne(true)
			busy = true
		}
	}
}

func (s *sim) leader() *simNode {
	for _, n := range s.up() {
		if l, ok := n.raft.role.(*leader); ok && n.raft.commitIndex >= l.termStart {
			return n
		}
	}
	return nil
}

func (s *sim) describe() string {
	var b strings.Builder
	for _, n := range s.nodes {
		fmt.Fprintf(&b, "\n%v", n.raft)
	}
	return b.String()
}
