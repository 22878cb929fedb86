package sim

import (
	"bytes"
	"strconv"

	"drystone/replica"
	"drystone/rsm"
	"drystone/store"
)

// What clients rely on.
const (
	exactlyOnce     = "Exactly Once"    // executed once if acknowledged, never if refused
	linearizability = "Linearizability" // in real-time order
	rightAnswer     = "Right Answer"    // what the log says happened
)

// executed is told of every request of the log that took effect.
func (c *clients) executed(r *rsm.Request, x *execution) {
	w := c.world
	var op *operation
	if key := r.Identity.Key; key != "" {
		n, err := strconv.Atoi(key[1:])
		if err != nil {
			w.fail(exactlyOnce, "entry %d holds key %q, which nobody used", x.index, key)
		}
		op = &c.ops[n]
	} else {
		n, err := strconv.Atoi(r.Identity.Scope[1:])
		if err != nil || n == 0 || n > len(c.attempts) {
			w.fail(exactlyOnce, "entry %d holds attempt %q, which nobody made", x.index,
				r.Identity.Scope)
		}
		a := &c.attempts[n-1]
		op = &c.ops[a.op]
		if a.outcome == rsm.NotApplied {
			w.fail(exactlyOnce, "attempt %d takes effect at entry %d; its client was told that it "+
				"never can", n, x.index)
		}
	}
	switch {
	case !bytes.Equal(r.Command, op.command):
		w.fail(exactlyOnce, "entry %d holds another command than the %v", x.index, op)
	case op.done != nil:
		w.fail(exactlyOnce, "the %v takes effect at entry %d and at entry %d", op, op.done.index,
			x.index)
	case op.outcome == rsm.NotApplied:
		w.fail(exactlyOnce, "the %v takes effect at entry %d; its client was told that it never "+
			"can", op, x.index)
	case x.index <= op.floor:
		w.fail(linearizability, "the %v takes effect at entry %d, but began after entry %d was "+
			"acknowledged", op, x.index, op.floor)
	}
	op.done = x
}

// attemptOf is the attempt that an answer of h is for. There is one answer to each.
func (c *clients) attemptOf(h *host, ticket replica.Ticket) *attempt {
	w := c.world
	if ticket == 0 || int(ticket) > len(c.attempts) {
		w.fail(rightAnswer, "n%d answers ticket %d, which it never got", h.id, ticket)
	}
	a := &c.attempts[ticket-1]
	switch {
	case a.node != h.index || a.boot != h.boot:
		w.fail(rightAnswer, "n%d answers ticket %d of n%d or of another boot", h.id, ticket,
			a.node+1)
	case a.answered:
		w.fail(rightAnswer, "n%d answers ticket %d twice", h.id, ticket)
	}
	a.answered = true
	return a
}

// onAnswer checks what a client is told of a write, whether it still waits or not.
func (c *clients) onAnswer(h *host, ticket replica.Ticket, result *rsm.Result) {
	w := c.world
	a := c.attemptOf(h, ticket)
	op := &c.ops[a.op]
	w.trace.answer(h, ticket, op, result)
	w.digest = mix(w.digest, uint64(ticket)<<8|uint64(result.Outcome))
	switch result.Outcome {
	case rsm.Applied:
		c.checkApplied(h, op, result)
	case rsm.NotApplied:
		a.outcome = rsm.NotApplied
		if result.Reply != nil {
			w.fail(rightAnswer, "n%d: ticket %d is not applied and has a reply", h.id, ticket)
		}
		if op.key == "" && op.done != nil {
			w.fail(exactlyOnce, "n%d tells that the %v is not applied (%s); it took effect at entry "+
				"%d", h.id, op, result.Code, op.done.index)
		}
		if x := op.done; op.key != "" && x != nil && x.storedBy(result.Index) {
			w.fail(exactlyOnce, "n%d tells that the %v is not applied at entry %d (%s); it took effect "+
				"at entry %d, and its reply is stored", h.id, op, result.Index, result.Code, x.index)
		}
	case rsm.Unknown:
		w.reach(markUnknown)
	default:
		w.fail(rightAnswer, "n%d: ticket %d has no outcome", h.id, ticket)
	}
	x := &c.all[op.client]
	current := x.waiting && x.ticket == ticket
	if result.Outcome == rsm.NotApplied && current {
		op.sent = c.mayHaveHappened(a.op)
	}
	if current {
		if result.Outcome == rsm.Applied {
			op.result = *result
			w.moment(h)
			c.floor = max(c.floor, result.Index)
		}
		if result.Code == rsm.CodeTableFull {
			c.leave(op.client) // repeating it is no use
			return
		}
		c.settle(op.client, result.Outcome)
	}
}

// mayHaveHappened says whether an attempt at an operation has an outcome other than not applied.
func (c *clients) mayHaveHappened(op int) bool {
	for i := len(c.attempts) - 1; i >= 0; i-- {
		a := &c.attempts[i]
		if a.began < c.ops[op].began {
			return false
		}
		if a.op == op && a.outcome != rsm.NotApplied {
			return true
		}
	}
	return false
}

func (c *clients) checkApplied(h *host, op *operation, result *rsm.Result) {
	w, x := c.world, op.done
	switch {
	case x == nil:
		w.fail(exactlyOnce, "n%d acknowledges the %v at entry %d; nothing was committed for it",
			h.id, op, result.Index)
	case result.Index != x.index || result.Op != x.op:
		w.fail(rightAnswer, "n%d says that the %v took effect at entry %d op %d; it did at entry "+
			"%d op %d", h.id, op, result.Index, result.Op, x.index, x.op)
	case !bytes.Equal(result.Reply, x.reply):
		got, _ := store.DecodeReply(result.Reply)
		want, _ := store.DecodeReply(x.reply)
		w.fail(rightAnswer, "n%d answers the %v with %+v; the log says %+v", h.id, op, got, want)
	case result.Replayed && op.key != "" && x.index <= h.restoredAt:
		w.reach(markRestoredReply)
	case result.Replayed && op.key == "":
		w.fail(rightAnswer, "n%d replays the %v", h.id, op)
	}
}

// onRead checks what a reader is told.
func (c *clients) onRead(h *host, ticket replica.Ticket, result *rsm.ReadResult) {
	w := c.world
	a := c.attemptOf(h, ticket)
	op := &c.ops[a.op]
	w.digest = mix(w.digest, uint64(ticket)<<32^result.Index)
	w.trace.read(h, ticket, op, result)
	if result.Code == "" {
		c.checkRead(h, a, op, result)
	}
	x := &c.all[op.client]
	if !x.waiting || x.ticket != ticket {
		return
	}
	if result.Code != "" {
		c.settle(op.client, rsm.NotApplied)
		return
	}
	c.floor = max(c.floor, result.Index)
	c.settle(op.client, rsm.Applied)
}

func (c *clients) checkRead(h *host, a *attempt, op *operation, result *rsm.ReadResult) {
	w := c.world
	kind := "linearizable"
	if op.stale {
		kind = "stale"
		w.reach(markStale)
	}
	if !op.stale && result.Index < a.floor {
		w.fail(linearizability, "n%d reads at entry %d; entry %d was acknowledged before the read "+
			"began", h.id, result.Index, a.floor)
	}
	if result.Index < a.minIndex {
		w.fail(rightAnswer, "n%d reads at entry %d, asked for at least %d", h.id, result.Index,
			a.minIndex)
	}
	if result.Index > w.truth.index {
		w.fail(stateMachineSafety, "n%d reads at entry %d, which is not committed", h.id,
			result.Index)
	}
	reply, err := store.DecodeReply(result.Reply)
	if err != nil {
		w.fail("Wire", "a reply of n%d: %v", h.id, err)
	}
	op.shown = reply
	name := c.names[op.stack]
	v := w.truth.at(name, result.Index)
	if op.items {
		if s := w.truth.stacks[name]; s != nil && v.exists && reply.Code == store.OK {
			if uint64(len(reply.Values)) != v.size ||
				v.size > 0 && !bytes.Equal(reply.Values[0], v.top) {
				w.fail(rightAnswer, "n%d, a %s read of the items of %s at entry %d: %d items, not "+
					"%d, or another top", h.id, kind, name, result.Index, len(reply.Values), v.size)
			}
			return
		}
		if v.exists || reply.Code != store.NoSuchStack {
			w.fail(rightAnswer, "n%d: items of %s at entry %d: code %d, exists %v", h.id, name,
				result.Index, reply.Code, v.exists)
		}
		return
	}
	if !v.shows(&reply, true) {
		w.fail(rightAnswer, "n%d, a %s read of %s at entry %d: %+v; the log says exists %v size %d "+
			"top %q", h.id, kind, name, result.Index, reply, v.exists, v.size, v.top)
	}
}
