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
	id.Admitted, id.Boot = g.Admitted, max(id.Boot, g.Boots)+1
	return id, nil
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
