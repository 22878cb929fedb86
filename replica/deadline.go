package replica

import "drystone/rsm"

// deadline is when a caller must have its answer. 0 is no timeout.
func (r *Replica) deadline(timeoutMs uint64) uint64 {
	if timeoutMs == 0 || timeoutMs >= never-r.now {
		return never
	}
	return r.now + timeoutMs
}

// expire answers every caller whose deadline is at or before until. What was never sent can never
// take effect; what was sent may have, or may yet, and stays in the stream.
func (r *Replica) expire(until uint64) {
	if until < r.earliest {
		return
	}
	o := &r.origin
	r.earliest = never
	for i := o.pending.head; i < len(o.pending.waiters); i++ {
		w := &o.pending.waiters[i]
		switch {
		case w.gone:
		case w.deadline <= until:
			r.dropRequest(i, rsm.CodeNoLeader)
		default:
			r.earliest = min(r.earliest, w.deadline)
		}
	}
	o.pending.sweep()
	for i := range o.ring {
		for j := range o.ring[i].waiters {
			w := &o.ring[i].waiters[j]
			switch {
			case w.gone:
			case w.deadline <= until:
				r.answer(w, unknown())
			default:
				r.earliest = min(r.earliest, w.deadline)
			}
		}
	}
	r.expireReads(until)
}

// dropRequest refuses the request at position i, which was never sent.
func (r *Replica) dropRequest(i int, c rsm.Code) {
	w := r.origin.pending.waiters[i] // a copy: drop says itself that the waiter is gone
	r.inflightBytes -= r.origin.pending.drop(i)
	r.answer(&w, notApplied(c))
}

// dropPending refuses everything that was never sent.
func (r *Replica) dropPending(c rsm.Code) {
	o := &r.origin
	for i := o.pending.head; i < len(o.pending.waiters); i++ {
		if !o.pending.waiters[i].gone {
			r.dropRequest(i, c)
		}
	}
	o.pending.sweep()
}

// Cancel says that nobody waits for a ticket's answer any more: there will be none, unless it is
// on its way already. A request that was never sent, and a read, are dropped; what was sent goes
// its way unchanged. It takes time linear in what waits.
func (r *Replica) Cancel(t Ticket) {
	o := &r.origin
	for i := o.pending.head; i < len(o.pending.waiters); i++ {
		if w := &o.pending.waiters[i]; w.ticket == t && !w.gone && !w.internal {
			r.inflightBytes -= o.pending.drop(i)
			return
		}
	}
	for i := range o.ring {
		for j := range o.ring[i].waiters {
			if w := &o.ring[i].waiters[j]; w.ticket == t {
				w.gone = true
				return
			}
		}
	}
	r.cancelRead(t)
}

// Drain refuses every request and read from now on as draining. Those taken before are answered
// as ever, and what other nodes forward is still taken while this node leads.
func (r *Replica) Drain() { r.draining = true }

// Abandon answers every caller at once, for a host that stops: what was never sent is refused as
// draining, what was sent is unknown.
func (r *Replica) Abandon() {
	r.draining = true
	r.dropPending(rsm.CodeDraining)
	for i := range r.origin.ring {
		for j := range r.origin.ring[i].waiters {
			r.answer(&r.origin.ring[i].waiters[j], unknown())
		}
	}
	r.failReads(rsm.CodeDraining)
}

// Idle says whether nothing waits here: no request, no read, nothing for peers, no answer that is
// not in Effects yet.
func (r *Replica) Idle() bool {
	o := &r.origin
	peers := r.lead != nil && len(r.lead.queue)+len(r.lead.asks)+len(r.lead.round.asks) > 0
	return o.pending.len() == 0 && len(o.ring) == 0 && r.reads.len() == 0 && !peers &&
		len(r.answers)+len(r.failed)+len(r.queries)+len(r.forward) == 0
}
