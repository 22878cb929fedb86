package sim

import "drystone/raft"

const oneVote = "One Vote" // in a term, over all boots of a node, and for one that stands

// ballot is a directory's vote in a term.
type ballot struct {
	term  raft.Term
	voter *record
}

// candidacy is a node that stands in a term.
type candidacy struct {
	term raft.Term
	node raft.NodeID
}

// voted notes a vote that leaves its voter, which must be on its disk.
func (c *checker) voted(h *host, term raft.Term, candidate raft.NodeID) {
	w, d := c.world, h.record.durable.hard
	if d.CurrentTerm < term || d.CurrentTerm == term && d.VotedFor != candidate {
		w.fail(durableFirst, "n%d votes for n%d in term %d; its disk has term %d vote n%d", h.id,
			candidate, term, d.CurrentTerm, d.VotedFor)
	}
	if !c.known[h.record.incarnation] {
		w.fail(oldDirectory, "n%d votes in term %d with a directory that no configuration names", h.id,
			term)
	}
	b := ballot{term, h.record}
	if was, ok := c.votes[b]; ok && was != candidate {
		w.fail(oneVote, "n%d votes for n%d and for n%d in term %d", h.id, was, candidate, term)
	}
	c.votes[b] = candidate
	w.moment(h)
}

// chooses checks a vote on its way to the disk: it is for whoever asked for it, or for itself.
func (c *checker) chooses(h *host, v raft.HardState) {
	if v.VotedFor != 0 && v.VotedFor != h.id && !c.stood[candidacy{v.CurrentTerm, v.VotedFor}] {
		c.world.fail(oneVote, "n%d writes a vote for n%d in term %d, in which that one never asked",
			h.id, v.VotedFor, v.CurrentTerm)
	}
}
