package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"drystone/raft"
	"drystone/roster"
	"drystone/storage"
)

// stewardEvery is how often a node looks whether its membership has changed.
const stewardEvery = 20 * time.Millisecond

// promoteLag is how many entries a learner may lack and count as caught up: under load some are
// always under way. It must stay so close for an election timeout (thesis §4.2.1).
const promoteLag = 200

// steward follows the membership for as long as the core runs: connections, the removed, and, on a
// leader, learners that have caught up.
func (n *Node) steward(c *core) {
	look := time.NewTicker(stewardEvery)
	defer look.Stop()
	var dialled raft.Index
	first := firstMembers(n.self())
	stood := &standing{members: first, roster: rosterOf(first)}
	promoting := new(atomic.Bool)
	near := make(map[raft.NodeID]time.Time) // learners that are caught up, since when
	for {
		select {
		case <-c.stop:
			return
		case <-look.C:
		}
		s := c.seen.Load().status
		if s.MembersIndex != dialled {
			dialled = s.MembersIndex
			n.mu.Lock()
			n.dial()
			n.mu.Unlock()
		}
		if now := c.standing.Load(); now != stood {
			n.dismiss(stood, now)
			stood = now
			n.mu.Lock()
			n.dial()
			n.mu.Unlock()
			n.findRemoved(now)
		}
		n.promoteDue(c, s, near, promoting)
	}
}

// dismiss ends the connections of who is no member any more: when they come again they are told so.
func (n *Node) dismiss(before, now *standing) {
	for _, id := range before.members.All() {
		old, _ := before.roster.Holder(uint64(id))
		held, _ := now.roster.Holder(uint64(id))
		if isMember(now.members, uint64(id)) && old.Incarnation == held.Incarnation {
			continue
		}
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
func (n *Node) findRemoved(now *standing) {
	id := n.self()
	_, listed := now.roster.Find(id.Node, id.Incarnation)
	held, _ := now.roster.Holder(id.Node)
	if listed && (!isMember(now.members, id.Node) || held.Incarnation != id.Incarnation) {
		n.removed("")
	}
}

// disownedBy names those who say that this node was removed, once they are most of the other voters
// that it knows; "" before: one peer may be wrong, and a removal is believed for ever.
func (n *Node) disownedBy() string {
	n.mu.Lock()
	witnesses := n.standing().members.Voters
	if core := n.core; core != nil && core.point.Load().point.Index < n.identity.Admitted {
		// It has not applied who is a member, but it was told when it was let in.
		witnesses = slices.Sorted(maps.Keys(n.addresses))
	}
	self := n.identity.Node
	n.mu.Unlock()
	var names []string
	others := 0
	for _, id := range witnesses {
		if uint64(id) == self {
			continue
		}
		others++
		if n.contacts.get(uint64(id)).disowns {
			names = append(names, fmt.Sprintf("node %d", id))
		}
	}
	if len(names) <= others/2 {
		return ""
	}
	return strings.Join(names, " and ")
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
		text += ", as told by " + by
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

// promoteDue makes voters of learners that have caught up and stay so.
func (n *Node) promoteDue(c *core, s raft.Status, near map[raft.NodeID]time.Time,
	busy *atomic.Bool,
) {
	if s.Role != raft.Leader || len(s.Members.Learners) == 0 {
		clear(near)
		return
	}
	for _, id := range s.Members.Learners {
		if !caughtUp(s, id, c.config.ticks(c.config.Election)) {
			delete(near, id)
			continue
		}
		since, ok := near[id]
		if !ok {
			near[id] = time.Now()
			continue
		}
		if time.Since(since) < c.config.Election || !busy.CompareAndSwap(false, true) {
			continue
		}
		delete(near, id)
		c.goes(func() {
			defer busy.Store(false)
			n.promote(c, id)
		})
	}
}

func (n *Node) promote(c *core, id raft.NodeID) {
	ctx, cancel := context.WithTimeout(context.Background(), defaultTimeout)
	defer cancel()
	_, refused := n.change(ctx, c, func(s raft.Status, r roster.Roster) (raft.Members, *refusal) {
		return promoted(s, r, uint64(id), c.config.ticks(c.config.Election))
	})
	if refused == nil {
		c.logger.Info("a learner has caught up and is a voter now", "member", id)
	}
}

// caughtUp says whether a leader hears a member, and it lacks little.
func caughtUp(s raft.Status, id raft.NodeID, quiet int) bool {
	at := slices.IndexFunc(s.Progress, func(p raft.Progress) bool { return p.ID == id })
	return at >= 0 && s.Progress[at].QuietTicks <= quiet &&
		s.Progress[at].State == raft.ProgressReplicate && s.Progress[at].Match+promoteLag >= s.LastIndex
}
