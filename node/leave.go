package node

import (
	"context"

	"drystone/members"
	"drystone/raft"
	"drystone/rsm"
)

// handover is the end of a node's service: whoever leads hands leadership to the best of the
// others before it goes (thesis §3.10), so that nobody waits for an election timeout, and then
// stays until it has heard of the next leader, which its callers' requests go to.
type handover struct {
	until uint64 // ms; 0: not begun
	led   bool
	tried []raft.NodeID // that were offered it, the last one still
	next  uint64        // ms; when the offer to the last of them has failed
}

// handoverPatience is how long leadership is offered, in election timeouts, before a node leaves
// with it. A transfer takes one round trip, and is given up after one election timeout.
const handoverPatience = 4

// done does what is to be done, and says whether this node may go as far as leadership goes.
func (h *handover) done(n *core, now uint64) bool {
	s := n.replica.Status()
	election := uint64(n.config.Election.Milliseconds())
	if h.until == 0 {
		h.until = now + handoverPatience*election
	}
	if s.Role != raft.Leader {
		return !h.led || s.Leader != 0 || now >= h.until
	}
	h.led = true
	if now >= h.until {
		return true
	}
	if now < h.next {
		return false
	}
	to := members.Heir(s, n.config.ticks(n.config.Election), h.tried)
	if to == 0 {
		return len(h.tried) == 0 // nobody is there: a lone voter, or the others are away
	}
	// It fails only if the configuration changed in this moment: then the next one is asked.
	if err := n.replica.Transfer(to); err != nil {
		n.logger.Warn("leadership cannot be handed over", "to", to, "cause", err)
		return false
	}
	n.logger.Info("hands leadership over", "to", to)
	h.tried = append(h.tried, to)
	h.next = now + election
	return false
}

// handOverFirst has a leader hand leadership over before it is removed.
func (n *Node) handOverFirst(ctx context.Context, c *core, q rsm.AdminRequest, plan members.Plan,
) *members.Refusal {
	s := c.seen.Load().status
	if !members.HandsOverFirst(q, s) {
		return nil
	}
	if _, verdict := plan(s, members.RosterOf(s.Members)); verdict != nil && !verdict.Passing {
		return verdict
	}
	if n.transfer(ctx, c, 0) != nil {
		return nil
	}
	return members.NotLeader
}
