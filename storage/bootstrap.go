package storage

import (
	"fmt"
	"slices"
)

// Bootstrap collects the incarnations of all nodes of a new cluster. Nobody votes before each node
// knows all of them: else a node wiped in between could vote twice, once in each incarnation.
type Bootstrap struct {
	self  uint64
	peers []PeerIdentity // by node; Incarnation is "" until the node is met
}

// NewBootstrap begins with only the node itself met. nodes are those of the configured cluster;
// self is one of them, listed or not.
func NewBootstrap(self PeerIdentity, nodes []uint64) *Bootstrap {
	assert(self.Incarnation != "", "storage: a node knows its own incarnation")
	all := append(slices.Clone(nodes), self.Node)
	slices.Sort(all)
	b := &Bootstrap{self: self.Node}
	for _, node := range slices.Compact(all) {
		b.peers = append(b.peers, PeerIdentity{Node: node})
	}
	b.peers[b.find(self.Node)].Incarnation = self.Incarnation
	return b
}

func (b *Bootstrap) find(node uint64) int {
	return slices.IndexFunc(b.peers, func(p PeerIdentity) bool { return p.Node == node })
}

// Meet notes a peer. As long as the cluster isn't formed, a wiped one may come back as another
// incarnation, which replaces the one met before.
func (b *Bootstrap) Meet(p PeerIdentity) (changed bool, err error) {
	i := b.find(p.Node)
	switch {
	case i < 0:
		return false, fmt.Errorf("node %d is not one of the configured cluster", p.Node)
	case p.Incarnation == "":
		return false, fmt.Errorf("node %d doesn't name its incarnation", p.Node)
	case b.peers[i] == p:
		return false, nil
	case p.Node == b.self:
		return false, fmt.Errorf("another node calls itself node %d", p.Node)
	}
	b.peers[i] = p
	return true, nil
}

// Missing is the nodes not met yet, ascending.
func (b *Bootstrap) Missing() []uint64 {
	var nodes []uint64
	for _, p := range b.peers {
		if p.Incarnation == "" {
			nodes = append(nodes, p.Node)
		}
	}
	return nodes
}

// Complete says that every node is met.
func (b *Bootstrap) Complete() bool { return len(b.Missing()) == 0 }

// Form is the node's identity in the cluster of all that were met. It must be durable before the
// node takes part.
func (b *Bootstrap) Form(id Identity) Identity {
	assert(b.Complete(), "storage: a cluster is formed of nodes that were met")
	assert(id.Node == b.self, "storage: a node forms its own identity")
	return id.Form(b.peers)
}
