package rafttest

import (
	"slices"

	"drystone/raft"
)

// What must hold in every history.

// checkSent: nobody says more than its disk knows.
func (c *Cluster) checkSent(n *Node, m raft.Message) {
	pre := false
	switch b := m.Body.(type) {
	case raft.RequestVote:
		pre = b.PreVote
		if !pre {
			c.checkVote(n, m, n.id)
		}
	case raft.VoteReply:
		pre = b.PreVote
		if !pre && b.Granted {
			c.checkVote(n, m, m.To)
		}
	case raft.AppendReply:
		if b.Success {
			c.checkDurable(n, b.MatchIndex, m)
		}
	case raft.SnapshotReply:
		c.checkDurable(n, b.MatchIndex, m)
	case raft.AppendEntries:
		c.record(raft.Position{Index: b.PrevLogIndex, Term: b.PrevLogTerm}, b.Entries)
	}
	if !pre && m.Term > n.hard.CurrentTerm {
		c.fail("n%d says %v, its disk is in term %d", n.id, m, n.hard.CurrentTerm)
	}
}

func (c *Cluster) checkVote(n *Node, m raft.Message, vote raft.NodeID) {
	if h := n.hard; h.CurrentTerm < m.Term || h.CurrentTerm == m.Term && h.VotedFor != vote {
		c.fail("n%d says %v, its disk has %v", n.id, m, h)
	}
}

func (c *Cluster) checkDurable(n *Node, i raft.Index, m raft.Message) {
	last := n.snap.LastIncludedIndex
	if k := len(n.entries); k > 0 {
		last = max(last, n.entries[k-1].Index)
	}
	if m.Term == n.hard.CurrentTerm && i > last {
		c.fail("n%d says %v, its disk ends at %d", n.id, m, last)
	}
}

// record keeps entries: Log Matching is that index and term name an entry and all before it.
func (c *Cluster) record(prev raft.Position, entries []raft.Entry) {
	for _, e := range entries {
		p := raft.Position{Index: e.Index, Term: e.Term}
		if was, ok := c.known[p]; ok {
			if string(was.Data) != string(e.Data) || was.Kind != e.Kind || c.before[p] != prev.Term {
				c.fail("Log Matching: %v has two contents or predecessors", p)
			}
		} else {
			c.known[p], c.before[p] = e, prev.Term
		}
		prev = p
	}
}

func (c *Cluster) observe(n *Node) {
	st := n.Engine.Status()
	if st.Hard.CurrentTerm < n.term || st.Commit < n.commit {
		c.fail("n%d goes back to term %d, commit %d", n.id, st.Hard.CurrentTerm, st.Commit)
	}
	n.term, n.commit = st.Hard.CurrentTerm, st.Commit
	if st.MembersIndex != n.config {
		c.configs = append(c.configs, inForce{st.MembersIndex, st.Members})
		n.config = st.MembersIndex
	}
	if st.Role != raft.Leader {
		return
	}
	if was, ok := c.leaders[n.term]; ok && was != n.id {
		c.fail("Election Safety: n%d and n%d lead term %d", was, n.id, n.term)
	} else if !ok {
		c.leaders[n.term] = n.id
		c.checkComplete(n)
	}
}

// checkComplete: Leader Completeness. It speaks of the leaders of later terms: one whose votes were
// long on the way may begin to lead a term that is over, and lack what a later one committed.
func (c *Cluster) checkComplete(n *Node) {
	for i := n.base + 1; i <= c.highest; i++ {
		if c.settled[i] >= n.term {
			continue
		}
		if e, ok := entryAt(n.log, i); !ok || e.Term != c.applied[i].Term {
			c.fail("Leader Completeness: n%d leads term %d without %d@%d", n.id, n.term, i,
				c.applied[i].Term)
		}
	}
}

func entryAt(log []raft.Entry, i raft.Index) (raft.Entry, bool) {
	if at := find(log, i); at < len(log) && log[at].Index == i {
		return log[at], true
	}
	return raft.Entry{}, false
}

func (c *Cluster) apply(n *Node, entries []raft.Entry) {
	for _, e := range entries {
		last := n.applied
		if k := len(n.given); k > 0 {
			last = n.given[k-1]
		}
		if n.restore > 0 {
			c.fail("n%d applies %d before its snapshot is durable", n.id, e.Index)
		}
		if e.Index != last+1 {
			c.fail("n%d applies %d after %d", n.id, e.Index, last)
		}
		if was, ok := c.applied[e.Index]; ok {
			if was.Term != e.Term || was.Kind != e.Kind || string(was.Data) != string(e.Data) {
				c.fail("State Machine Safety: %v and %v applied", was, e)
			}
		} else {
			c.applied[e.Index] = e
			c.settled[e.Index] = n.term
			c.highest = max(c.highest, e.Index)
			if e.Kind == raft.EntryConfig {
				m, err := raft.DecodeMembers(e.Data)
				if err != nil {
					c.fail("%d@%d: %v", e.Index, e.Term, err)
				}
				c.members[e.Index] = m
			}
			c.checkOnQuorum(n, e)
		}
		if !c.onDisk(n, e) {
			c.fail("n%d applies %d@%d, which its disk does not hold", n.id, e.Index, e.Term)
		}
		n.given = append(n.given, e.Index)
	}
}

// membersAt is the configuration as of an applied index.
func (c *Cluster) membersAt(i raft.Index) raft.Members {
	for ; ; i-- {
		if m, ok := c.members[i]; ok {
			return m
		}
	}
}

func (c *Cluster) onDisk(n *Node, e raft.Entry) bool {
	if n.snap.LastIncludedIndex >= e.Index {
		return true
	}
	has, ok := entryAt(n.entries, e.Index)
	return ok && has.Term == e.Term
}

// checkOnQuorum measures on the disks themselves, not on what a leader believes. The configuration
// as of the entry decided, or one that came after it and was in force somewhere.
func (c *Cluster) checkOnQuorum(n *Node, e raft.Entry) {
	on := func(ids []raft.NodeID) bool {
		count := 0
		for _, id := range ids {
			if c.onDisk(c.node(id), e) {
				count++
			}
		}
		return count > len(ids)/2
	}
	quorum := func(m raft.Members) bool { return on(m.Voters) && (!m.Joint() || on(m.Next)) }
	if quorum(c.membersAt(e.Index)) || slices.ContainsFunc(c.configs, func(c inForce) bool {
		return c.index >= e.Index && quorum(c.members)
	}) {
		return
	}
	c.fail("%d@%d is applied on n%d without being durable on a quorum of %v", e.Index, e.Term, n.id,
		c.membersAt(e.Index))
}
