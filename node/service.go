package node

import (
	"context"
	"fmt"
	"time"

	"drystone/rsm"
)

// defaultTimeout is for callers whose context has no deadline.
const defaultTimeout = 10 * time.Second

// grace is how much longer than the replica's own deadline a caller waits, before it concludes
// that the loop itself does not answer.
const grace = 250 * time.Millisecond

// Do carries a request to the log and answers when it was applied, when it is proven that it
// never will be, or at ctx's deadline, with what is known by then. The string names the request:
// node, boot and serial number.
func (n *Node) Do(ctx context.Context, r rsm.Request) (rsm.Result, string) {
	core, code := n.serving()
	if code != "" {
		return rsm.Result{Outcome: rsm.NotApplied, Code: code}, ""
	}
	timeout := timeLeft(ctx)
	if timeout == 0 {
		return rsm.Result{Outcome: rsm.NotApplied, Code: rsm.CodeExpired}, ""
	}
	if len(r.Command)+len(r.Identity.Scope)+len(r.Identity.Key) > maxRequestBytes {
		return rsm.Result{Outcome: rsm.NotApplied, Code: rsm.CodeValueTooLarge}, ""
	}
	w := n.waiters.add()
	defer n.waiters.remove(w)
	taken := n.inbox.put(func(p *pile) {
		p.submits = append(p.submits, submit{w.ticket, &w.serial, r, timeout})
	})
	if !taken {
		return rsm.Result{Outcome: rsm.NotApplied, Code: n.whyRefused(rsm.CodeDraining)}, ""
	}
	a, answered := n.await(ctx, core, w, timeout)
	if !answered {
		a.result = n.unanswered(core, w)
	}
	a.result.Code = n.whyRefused(a.result.Code)
	if a.result.Serial == 0 {
		return a.result, ""
	}
	return a.result, fmt.Sprintf("%d.%d.%d", n.config.ID, n.identity.Boot, a.result.Serial)
}

// unanswered is what is true of a request that nobody answered in time: unknown, under the name
// that will settle it, if the replica has it. Else it never left this process.
func (n *Node) unanswered(core *core, w *waiter) rsm.Result {
	if n.inbox.takeBack(w.ticket) {
		return rsm.Result{Outcome: rsm.NotApplied, Code: rsm.CodeExpired}
	}
	// The loop has it in its hands, and waits for nothing while it numbers it.
	numbered := time.NewTicker(time.Millisecond)
	defer numbered.Stop()
	for ended := false; ; {
		switch serial := w.serial.Load(); {
		case serial > 0:
			return rsm.Result{Outcome: rsm.Unknown, Code: rsm.CodeOutcomeUnknown, Serial: serial}
		case ended:
			return rsm.Result{Outcome: rsm.NotApplied, Code: rsm.CodeDraining}
		}
		select {
		case a := <-w.answer:
			return a.result
		case <-core.ended:
			ended = true
		case <-numbered.C:
		}
	}
}

// serving is the core, or why there is none to serve callers.
func (n *Node) serving() (*core, rsm.Code) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.identity.Removed != "":
		return nil, rsm.CodeQuarantined
	case n.core == nil:
		return nil, rsm.CodeBootstrapping
	}
	return n.core, ""
}

// whyRefused tells a node that was removed, and takes no more for ever, from one that is shutting
// down.
func (n *Node) whyRefused(code rsm.Code) rsm.Code {
	if code == rsm.CodeDraining && n.self().Removed != "" {
		return rsm.CodeQuarantined
	}
	return code
}

// Query answers a read, within ctx's deadline. To a RequestQuery it is FatePending, instead of
// FateAbsent, when the request waited at this node as the question came.
func (n *Node) Query(ctx context.Context, q []byte, o rsm.ReadOptions) rsm.ReadResult {
	core, code := n.serving()
	if code != "" {
		return rsm.ReadResult{Code: code}
	}
	timeout := timeLeft(ctx)
	if timeout == 0 {
		return rsm.ReadResult{Code: rsm.CodeNoLeader}
	}
	waits := o.Kind == rsm.RequestQuery && waitsHere(ctx, core, q)
	w := n.waiters.add()
	defer n.waiters.remove(w)
	taken := n.inbox.put(func(p *pile) {
		p.reads = append(p.reads, read{w.ticket, q, o, timeout})
	})
	if !taken {
		return rsm.ReadResult{Code: n.whyRefused(rsm.CodeDraining)}
	}
	a, answered := n.await(ctx, core, w, timeout)
	if answered {
		a.read.Code = n.whyRefused(a.read.Code)
		if waits {
			a.read.Reply = pending(a.read.Reply)
		}
		return a.read
	}
	select {
	case <-core.ended:
		return rsm.ReadResult{Code: n.whyRefused(rsm.CodeDraining)}
	default:
		return rsm.ReadResult{Code: rsm.CodeNoLeader}
	}
}

// await waits for the replica, which answers by the deadline, and everybody when the node stops.
// False: the caller left, or there was no answer at all: the loop hangs, or a read was with the
// applier when the node stopped.
func (n *Node) await(ctx context.Context, core *core, w *waiter, timeoutMs uint64) (answer, bool) {
	select {
	case a := <-w.answer: // the common case, without a timer
		return a, true
	default:
	}
	overdue := time.NewTimer(time.Duration(timeoutMs)*time.Millisecond + grace)
	defer overdue.Stop()
	gone := ctx.Done()
	for {
		select {
		case a := <-w.answer:
			return a, true
		case <-core.ended:
			select {
			case a := <-w.answer:
				return a, true
			default:
				return answer{}, false
			}
		case <-overdue.C:
			return answer{}, false
		case <-gone:
			// A deadline is the replica's to answer. A caller who left is forgotten; what was
			// sent goes on.
			if _, timed := ctx.Deadline(); !timed || ctx.Err() == context.Canceled {
				ticket := w.ticket
				n.inbox.put(func(p *pile) { p.cancels = append(p.cancels, ticket) })
				return answer{}, false
			}
			gone = nil
		}
	}
}

// timeLeft is what a context's deadline leaves, in ms, less what the way back takes.
func timeLeft(ctx context.Context) uint64 {
	deadline, ok := ctx.Deadline()
	if !ok {
		return uint64(defaultTimeout.Milliseconds())
	}
	return uint64(max(0, time.Until(deadline).Milliseconds()))
}
