package node

import (
	"bytes"
	"fmt"

	"drystone/members"
	"drystone/raft"
	"drystone/roster"
	"drystone/rsm"
)

// publishStanding tells the membership as of the applied state, if it is another.
func (n *core) publishStanding(s *rsm.State) {
	if old := n.standing.Load(); old != nil && bytes.Equal(old.Encoded, s.Config()) {
		return
	}
	now, err := members.NewStanding(s.Config())
	if err != nil {
		n.fail(fmt.Errorf("membership as of entry %d: %w", s.Point().Index, err))
		return
	}
	n.standing.Store(now)
}

// standing is the membership as this node knows it, also before its log is read.
func (n *Node) standing() *members.Standing {
	if n.core != nil {
		if s := n.core.standing.Load(); s != nil {
			return s
		}
	}
	return members.FirstStanding(n.identity)
}

// dial keeps connections to the members of the configuration in force, which may be ahead of the
// one applied: a leader must reach those it has just let in. Called with mu held.
func (n *Node) dial() {
	if n.peers == nil || n.closed {
		return
	}
	if n.identity.Removed != "" {
		n.peers.SetPeers(nil)
		return
	}
	if n.core == nil {
		if n.asking == nil {
			n.peers.SetPeers(n.addresses)
		}
		return
	}
	inForce := n.core.seen.Load().status.Members
	listed := members.RosterOf(inForce)
	where := make(map[raft.NodeID]string)
	for _, id := range inForce.All() {
		c := n.contacts.get(uint64(id))
		address := members.Address(inForce, listed, id, n.addresses[id], members.Contact{
			Incarnation: c.incarnation, Address: c.peer, Trusted: c.trusted && c.connected,
		})
		if uint64(id) != n.config.ID && address != "" {
			where[id] = address
		}
	}
	// Whoever is listened to must be answered: its vote may be asked for by somebody of whom only
	// later entries tell.
	for id, address := range n.contacts.trusted() {
		if where[id] == "" {
			where[id] = address
		}
	}
	n.peers.SetPeers(where)
}

// addressBook is what this node knows of where directories are, for the roster.
func (n *Node) addressBook() members.Addresses {
	return members.Addresses{
		Told: func(e roster.Entry) string {
			if e.Node == n.config.ID && e.Incarnation != "" {
				return n.config.AdvertisePeer
			}
			return n.contacts.toldBy(e)
		},
		Given: func(node uint64) string { return n.config.Cluster[node] },
	}
}
