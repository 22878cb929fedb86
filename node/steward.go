package node

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"drystone/members"
	"drystone/raft"
	"drystone/rsm"
	"drystone/storage"
)

// stewardEvery is how often a node looks whether its membership has changed.
const stewardEvery = 20 * time.Millisecond

// steward follows the membership for as long as the core runs: connections, the removed, and, on a
// leader, learners that have caught up.
func (n *Node) steward(c *core) {
	look := time.NewTicker(stewardEvery)
	defer look.Stop()
	var dialled members.InForce
	stood := members.FirstStanding(n.self())
	promoting := new(atomic.Bool)
	var nursery members.Nursery
	for {
		select {
		case <-c.stop:
			return
		case <-look.C:
		}
		s := c.seen.Load().status
		if dialled.Follow(s.Members) {
			n.dismiss(stood, stood, s.Members)
			n.mu.Lock()
			n.dial()
			n.mu.Unlock()
		}
		if now := c.standing.Load(); now != stood {
			n.dismiss(stood, now, s.Members)
			stood = now
			n.mu.Lock()
			n.dial()
			n.mu.Unlock()
			n.findRemoved(now)
		}
		id := nursery.Due(s, c.now(), c.config.clock(), promoting.Load())
		if id == 0 {
			continue
		}
		promoting.Store(true)
		c.goes(func() {
			defer promoting.Store(false)
			n.promote(c, id)
		})
	}
}

// dismiss ends the connections of who is no member any more: when they come again they are told so.
// Among them may be some of whom this node never knew that they were members: it may have got a
// snapshot that was taken since.
func (n *Node) dismiss(before, now *members.Standing, inForce raft.Members) {
	for _, id := range append(members.Left(before, now), n.contacts.dismissed(now, inForce)...) {
		n.mu.Lock()
		delete(n.addresses, id)
		n.mu.Unlock()
		n.contacts.update(uint64(id), func(c *contact) {
			c.peer, c.connected, c.trusted = "", false, false
		})
		n.peers.Disconnect(id)
	}
}

// findRemoved notices that this node's own directory is none of a member any more.
func (n *Node) findRemoved(now *members.Standing) {
	if id := n.self(); now.Dismissed(id.Node, id.Incarnation) {
		n.removed("")
	}
}

func (n *Node) self() storage.Identity {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.identity
}

// removed ends this node's part in the cluster, for good: it answers what it has taken, takes no
// more, and speaks to nobody. by says who told; "" if it is this node's own log. It may be called
// again.
func (n *Node) removed(by string) {
	n.mu.Lock()
	if n.identity.Cluster == "" || n.identity.Removed != "" || n.closed {
		n.mu.Unlock()
		return
	}
	text := fmt.Sprintf("node %d was removed from cluster %s", n.identity.Node, n.identity.Cluster)
	n.identity.Removed = text
	id := n.identity
	n.mu.Unlock()
	if by != "" {
		text += ", says " + by
	}
	n.config.Logger.Warn(text + ". Stop it; its data directory is of no more use")
	if err := storage.SaveIdentity(n.dir, id); err != nil {
		n.fail(fmt.Errorf("note that the node was removed: %w", err))
		return
	}
	n.inbox.put(func(p *pile) { p.drain = true })
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	core := n.core
	patience := n.config.Election
	if by != "" {
		patience = 0
	}
	n.aside.Go(func() {
		// A leader that removed itself has things to say to its followers still; whom others told will
		// hear nothing more. Then nobody need wait for this node any longer.
		rest := time.NewTimer(patience)
		defer rest.Stop()
		select {
		case <-rest.C:
		case <-n.closing:
			return
		}
		n.mu.Lock()
		n.dial()
		n.mu.Unlock()
		if core != nil {
			core.halt()
		}
	})
}

func (n *Node) promote(c *core, id raft.NodeID) {
	ctx, cancel := context.WithTimeout(context.Background(), defaultTimeout)
	defer cancel()
	plan, refused := members.PlanFor(rsm.AdminRequest{Op: rsm.AdminPromote, Node: uint64(id)},
		c.config.ticks(c.config.Election))
	if refused == nil {
		_, refused = n.change(ctx, c, plan)
	}
	if refused == nil {
		c.logger.Info("a learner has caught up and is a voter now", "member", id)
	}
}
