package sim

import (
	"drystone/raft"
	"drystone/replica"
)

// honestAge: no stale read is older than its answer says, or than its reader would take.
const honestAge = "Honest Age"

const (
	maxStaleMs = 300 // that some readers take
	ageSlackMs = 100 // ticks are counted late, and the loop takes several things at a time
)

// ages checks what a node says of the age of what it is about to show: how long ago it heard a
// leader, by its own clock. A process that stood still was not told anything meanwhile.
func (c *checker) ages(h *host, q *replica.Query) {
	all := &c.world.clients
	a := &all.attempts[q.Ticket-1]
	if !all.ops[a.op].stale {
		return
	}
	leads := h.core.Status().Role == raft.Leader // it says 0 until it gives up for not being answered
	if age := h.clock() - h.word; !leads && q.StaleMs+ageSlackMs < age {
		c.world.fail(honestAge, "n%d says of a stale read that it heard a leader %d ms ago; it was "+
			"%d ms ago", h.id, q.StaleMs, age)
	}
	if a.maxStaleMs != 0 && q.StaleMs > a.maxStaleMs {
		c.world.fail(honestAge, "n%d serves a stale read that is %d ms old; %d ms was wanted", h.id,
			q.StaleMs, a.maxStaleMs)
	}
}
