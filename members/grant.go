package members

import (
	"fmt"

	"drystone/roster"
	"drystone/rsm"
	"drystone/storage"
	"drystone/wire"
)

// Grant is what a directory that is let in must know to be a member.
type Grant struct {
	Cluster   string                 `json:"cluster"`
	Peers     []storage.PeerIdentity `json:"peers"` // the first members
	Admitted  uint64                 `json:"admitted"`
	Boots     uint64                 `json:"boots"` // its own come after this
	Addresses map[uint64]string      `json:"addresses"`
}

// NewGrant is made by a member, of the leader's answer to the request to join.
func NewGrant(member storage.Identity, joiner uint64, r rsm.AdminReply) Grant {
	g := Grant{
		Cluster: member.Cluster, Peers: member.Peers, Admitted: r.Index,
		Boots: r.Generation * roster.BootsPerGeneration, Addresses: map[uint64]string{},
	}
	for _, m := range r.Members {
		if m.ID != joiner {
			g.Addresses[m.ID] = m.Peer
		}
	}
	return g
}

// Enter is the joiner's identity as a member, to be made durable before it says a word as one.
func (g Grant) Enter(id storage.Identity) (storage.Identity, error) {
	id = id.Form(g.Peers)
	if id.Cluster != g.Cluster {
		return id, fmt.Errorf("cluster %s does not have the first members that it names", g.Cluster)
	}
	if !g.sensible(id.Peers) {
		return id, fmt.Errorf("what cluster %s says to the node that it lets in cannot be", g.Cluster)
	}
	id.Admitted, id.Boot = g.Admitted, max(id.Boot, g.Boots)+1
	return id, nil
}

// sensible says whether a node can start with it: what it makes durable it must be able to read.
// peers are sorted.
func (g Grant) sensible(peers []storage.PeerIdentity) bool {
	for i, p := range peers {
		if p.Node == 0 || i > 0 && p.Node == peers[i-1].Node || p.Incarnation == "" ||
			!roster.Valid(p.Incarnation, "") {
			return false
		}
	}
	return len(peers) > 0 && g.Boots <= roster.MaxGeneration*roster.BootsPerGeneration
}

// JoinRefused is how a joiner is told the leader's refusal.
func JoinRefused(r rsm.AdminReply) wire.HelloReply {
	code := wire.HelloNotNow
	switch r.Code {
	case rsm.CodeMemberExists:
		code = wire.HelloWiped
	case rsm.CodeNumberUsed:
		code = wire.HelloUsed
	}
	return wire.HelloReply{Code: code, Detail: r.Detail}
}
