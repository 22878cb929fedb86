package sim

import (
	"slices"

	"drystone/raft"
)

// votersOnly: whoever stands or leads is a voter by its log, and with its directory.
const votersOnly = "Voters Only"

// names says whether a configuration makes a machine's node a voter, with the directory it has.
func (c *checker) names(f *configuration, h *host) bool {
	return f.IsVoter(h.id) && c.directory(f, h.id) == h.record
}

// solicits says whether somebody is asked for a vote or a pre-vote. It is looked at when the core
// does so: one that waits for the disk may leave when its sender is no voter any more.
func solicits(messages []raft.Message) bool {
	return slices.ContainsFunc(messages, func(m raft.Message) bool {
		_, asks := m.Body.(raft.RequestVote)
		return asks
	})
}

// stands checks that some configuration in a node's log names it and its directory as a voter. It
// may be one that is not committed, or one that is replaced by one that is not (§6).
func (c *checker) stands(h *host) {
	log := &h.record.handed
	if c.names(c.configAt(log.base), h) {
		return
	}
	for _, at := range log.configs {
		if c.names(c.chain.configs[at], h) {
			return
		}
	}
	if !h.record.rolledBack {
		c.world.fail(votersOnly, "n%d asks for votes, and no configuration in its log, from entry %d to "+
			"%d, makes it a voter with this directory", h.id, log.base, log.last())
	}
}

// leads checks that a leader that is not part of a configuration goes when that is committed.
func (c *checker) leads(h *host) {
	s := &h.seen.status
	if s.Role == raft.Leader && s.MembersIndex <= s.Commit && !s.Members.IsVoter(h.id) {
		c.world.fail(votersOnly, "n%d leads term %d on; entry %d, which removes it, is committed", h.id,
			s.Hard.CurrentTerm, s.MembersIndex)
	}
}

// met checks whom a member gets to know: directories that some configuration names.
func (c *checker) met(h *host, incarnation string) {
	if h.identity.Cluster != "" && !c.known[incarnation] {
		c.world.fail(oldDirectory, "n%d, a member, takes directory %.8s, which no configuration names",
			h.id, incarnation)
	}
}

// mustStand checks that a node that started, and heard at most pre-votes since, asks for votes if
// some configuration that may come to count makes it a voter: the committed one as far as it knows,
// or a later one. Its log may be the only one that can win.
func (c *checker) mustStand(h *host) {
	v, s := &h.seen, &h.seen.status
	switch {
	case v.since == 0:
		v.since = h.ticks + 1
	case v.stirred || s.Role != raft.Follower:
		v.stirred = true
	case h.ticks-v.since > 2*int64(c.world.plan.raft.ElectionTicks)+10 && !h.writer.busy:
		may := c.names(c.configAt(s.Commit), h)
		for _, at := range h.record.handed.configs {
			may = may || at.Index > s.Commit && c.names(c.chain.configs[at], h)
		}
		if may {
			c.world.fail(votersOnly, "n%d, a voter by the configuration of entry %d or a later one, does "+
				"not ask for votes, and hears nobody", h.id, s.Commit)
		}
	}
}
