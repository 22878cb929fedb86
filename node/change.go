package node

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"drystone/members"
	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
)

// again is how often a change looks whether the one before it, or itself, is complete.
const again = 5 * time.Millisecond

// inLoop runs f where the replica may be touched.
func (c *core) inLoop(ctx context.Context, f func(*replica.Replica)) *members.Refusal {
	done := make(chan struct{})
	var begun atomic.Bool // by the loop, or by who would not wait
	taken := c.inbox.put(func(p *pile) {
		p.calls = append(p.calls, func() {
			if begun.CompareAndSwap(false, true) {
				f(c.replica)
				close(done)
			}
		})
	})
	if taken {
		select {
		case <-done:
			return nil
		case <-c.ended:
		case <-ctx.Done():
		}
		if !begun.CompareAndSwap(false, true) {
			<-done
			return nil
		}
	}
	return members.Refuse(rsm.CodeDraining, "the node asked is stopping, or does not answer")
}

// change carries out one change of the membership: it waits for its turn, proposes, and returns
// when C-new is committed (§6). The index is that of its entry.
func (n *Node) change(ctx context.Context, c *core, next members.Plan) (
	raft.Index, *members.Refusal,
) {
	select {
	case c.changing <- struct{}{}:
		defer func() { <-c.changing }()
	case <-ctx.Done():
		return 0, members.Refuse(rsm.CodeNoLeader,
			"an earlier change of the membership did not end in time")
	}
	look := time.NewTicker(again)
	defer look.Stop()
	change := members.Change{Next: next, Where: n.addressBook()}
	for {
		var verdict *members.Refusal
		var index raft.Index
		stopped := c.inLoop(ctx, func(r *replica.Replica) { index, verdict = change.Step(r) })
		if stopped != nil {
			if change.Begun() {
				stopped.Outcome = rsm.Unknown
			}
			return 0, stopped
		}
		if verdict != nil || index > 0 {
			return index, verdict
		}
		select {
		case <-look.C:
		case <-c.stop:
		case <-ctx.Done():
			return 0, change.Overdue()
		}
	}
}

// reachable tries an address that others are to connect to.
func reachable(ctx context.Context, self, node uint64, address string) *members.Refusal {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return members.Refuse(rsm.CodeMemberUnreachable, "node %d, which leads, gets no connection "+
			"to node %d at %s: is it started with --join, and is that the address others reach it at "+
			"(--advertise-peer)?", self, node, address)
	}
	conn.Close()
	return nil
}
