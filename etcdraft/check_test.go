package etcdraft

import (
	"slices"

	"drystone/raft"
)

// What must hold in every history.

// checkSent: nobody says more than its disk knows.
func (s *sim) checkSent(n *simNode, m raft.Message) {
	pre := false
	switch b := m.Body.(type) {
	case raft.RequestVote:
		pre = b.PreVote
		if !pre {
			s.checkVote(n, m, n.id)
		}
	case raft.VoteReply:
		pre = b.PreVote
		if !pre && b.Granted {
			s.checkVote(n, m, m.To)
		}
	case raft.AppendReply:
		if b.Success {
			s.checkDurable(n, b.MatchIndex, m)
		}
	case raft.SnapshotReply:
		s.checkDurable(n, b.MatchIndex, m)
	case raft.AppendEntries:
		s.record(raft.Position{Index: b.PrevLogIndex, Term: b.PrevLogTerm}, b.Entries)
	}
	if !pre && m.Term > n.hard.CurrentTerm {
		s.fail("n%d says %v, its disk is in term %d", n.id, m, n.hard.CurrentTerm)
	}
}

func (s *sim) checkVote(n *simNode, m raft.Message, vote raft.NodeID) {
	if h := n.hard; h.CurrentTerm < m.Term || h.CurrentTerm == m.Term && h.VotedFor != vote {
		s.fail("n%d says %v, its disk has %v", n.id, m, h)
	}
}

func (s *sim) checkDurable(n *simNode, i raft.Index, m raft.Message) {
	last := n.snap.LastIncludedIndex
	if k := len(n.entries); k > 0 {
		last = max(last, n.entries[k-1].Index)
	}
	if m.Term == n.hard.CurrentTerm && i > last {
		s.fail("n%d says %v, its disk ends at %d", n.id, m, last)
	}
}

// record keeps entries: Log Matching is that index and term name an entry and all before it.
func (s *sim) record(prev raft.Position, entries []raft.Entry) {
	for _, e := range entries {
		p := raft.Position{Index: e.Index, Term: e.Term}
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
	st := n.engine.Status()
	if st.Hard.CurrentTerm < n.term || st.Commit < n.commit {
		s.fail("n%d goes back to term %d, commit %d", n.id, st.Hard.CurrentTerm, st.Commit)
	}
	n.term, n.commit = st.Hard.CurrentTerm, st.Commit
	if st.MembersIndex != n.config {
		s.configs = append(s.configs, configAt{st.MembersIndex, st.Members})
		n.config = st.MembersIndex
	}
	if st.Role != raft.Leader {
		return
	}
	if was, ok := s.leaders[n.term]; ok && was != n.id {
		s.fail("Election Safety: n%d and n%d lead term %d", was, n.id, n.term)
	} else if !ok {
		s.leaders[n.term] = n.id
		s.checkComplete(n)
	}
}

// checkComplete: Leader Completeness. It speaks of the leaders of later terms: one whose votes were
// long on the way may begin to lead a term that is over, and lack what a later one committed.
func (s *sim) checkComplete(n *simNode) {
	for i := n.base + 1; i <= s.highest; i++ {
		if s.settled[i] >= n.term {
			continue
		}
		if e, ok := entryAt(n.log, i); !ok || e.Term != s.applied[i].Term {
			s.fail("Leader Completeness: n%d leads term %d without %d@%d", n.id, n.term, i,
				s.applied[i].Term)
		}
	}
}

func entryAt(log []raft.Entry, i raft.Index) (raft.Entry, bool) {
	if at := find(log, i); at < len(log) && log[at].Index == i {
		return log[at], true
	}
	return raft.Entry{}, false
}

func (s *sim) apply(n *simNode, entries []raft.Entry) {
	for _, e := range entries {
		last := n.applied
		if k := len(n.given); k > 0 {
			last = n.given[k-1]
		}
		if n.restore > 0 {
			s.fail("n%d applies %d before its snapshot is durable", n.id, e.Index)
		}
		if e.Index != last+1 {
			s.fail("n%d applies %d after %d", n.id, e.Index, last)
		}
		if was, ok := s.applied[e.Index]; ok {
			if was.Term != e.Term || was.Kind != e.Kind || string(was.Data) != string(e.Data) {
				s.fail("State Machine Safety: %v and %v applied", was, e)
			}
		} else {
			s.applied[e.Index] = e
			s.settled[e.Index] = n.term
			s.highest = max(s.highest, e.Index)
			if e.Kind == raft.EntryConfig {
				m, err := raft.DecodeMembers(e.Data)
				if err != nil {
					s.fail("%d@%d: %v", e.Index, e.Term, err)
				}
				s.members[e.Index] = m
			}
			s.checkOnQuorum(n, e)
		}
		if !s.onDisk(n, e) {
			s.fail("n%d applies %d@%d, which its disk does not hold", n.id, e.Index, e.Term)
		}
		n.given = append(n.given, e.Index)
	}
}

// membersAt is the configuration as of an applied index.
func (s *sim) membersAt(i raft.Index) raft.Members {
	for ; ; i-- {
		if m, ok := s.members[i]; ok {
			return m
		}
	}
}

func (s *sim) onDisk(n *simNode, e raft.Entry) bool {
	if n.snap.LastIncludedIndex >= e.Index {
		return true
	}
	has, ok := entryAt(n.entries, e.Index)
	return ok && has.Term == e.Term
}

// checkOnQuorum measures on the disks themselves, not on what a leader believes. The configuration
// as of the entry decided, or one that came after it and was in force somewhere.
func (s *sim) checkOnQuorum(n *simNode, e raft.Entry) {
	on := func(ids []raft.NodeID) bool {
		count := 0
		for _, id := range ids {
			if s.onDisk(s.node(id), e) {
				count++
			}
		}
		return count > len(ids)/2
	}
	quorum := func(m raft.Members) bool { return on(m.Voters) && (!m.Joint() || on(m.Next)) }
	if quorum(s.membersAt(e.Index)) || slices.ContainsFunc(s.configs, func(c configAt) bool {
		return c.index >= e.Index && quorum(c.members)
	}) {
		return
	}
	s.fail("%d@%d is applied on n%d without being durable on a quorum of %v", e.Index, e.Term, n.id,
		s.membersAt(e.Index))
}
