package members

import (
	"fmt"
	"slices"

	"drystone/raft"
	"drystone/roster"
	"drystone/storage"
	"drystone/wire"
)

// Self is what a node goes by when a peer presents itself.
type Self struct {
	Identity storage.Identity
	Asking   bool     // it asks to be let into a cluster, and belongs to none
	Listed   []uint64 // the nodes of the first start, before the cluster has formed
	Standing *Standing
	InForce  raft.Members // the configuration that the log puts in force; zero before it is read
}

// Judge decides whether a peer may talk to this node, before a term or message of it is looked at.
func (n Self) Judge(h wire.Hello) wire.HelloReply {
	id := n.Identity
	refuse := func(code wire.HelloCode, format string, args ...any) wire.HelloReply {
		return wire.HelloReply{Code: code, Detail: fmt.Sprintf(format, args...)}
	}
	if h.To != id.Node {
		return refuse(wire.HelloWrongNode, "this is node %d, not node %d: an address of --cluster "+
			"points to the wrong node", id.Node, h.To)
	}
	if h.Node == id.Node {
		return refuse(wire.HelloWrongNode, "both sides are node %d: two nodes were started with one "+
			"--id", id.Node)
	}
	if h.Node == 0 || h.Incarnation == "" || !roster.Valid(h.Incarnation, h.Peer) {
		// What is heard here enters the roster, and is read there by everybody, for ever.
		return refuse(wire.HelloVersion, "node %d does not name its data directory and its address as "+
			"node %d knows such names", h.Node, id.Node)
	}
	if id.Cluster == "" && n.Asking {
		return refuse(wire.HelloNotNow, "node %d has not joined a cluster yet", id.Node)
	}
	if id.Removed != "" {
		return refuse(wire.HelloNotMember, "%s", id.Removed)
	}
	if id.Cluster == "" {
		if !slices.Contains(n.Listed, h.Node) {
			return refuse(wire.HelloNotMember, "node %d is not in the --cluster list of node %d",
				h.Node, id.Node)
		}
		return wire.HelloReply{Code: wire.HelloOK}
	}
	if h.Cluster != "" && h.Cluster != id.Cluster {
		return refuse(wire.HelloOtherCluster, "node %d belongs to cluster %s, this is node %d of "+
			"cluster %s", h.Node, h.Cluster, id.Node, id.Cluster)
	}
	if !Speaks(n.InForce, RosterOf(n.InForce), h.Node, h.Incarnation) {
		return refuse(wire.HelloRemoved, "node %d was removed from cluster %s, and another data "+
			"directory has its number", h.Node, id.Cluster)
	}
	if h.Cluster == "" && n.Standing.admits(h) && !n.firstStart(h) {
		return refuse(wire.HelloVacant, "node %d was let into cluster %s, and has not heard so: it asks "+
			"again", h.Node, id.Cluster)
	}
	return n.Standing.Knows(h, id.Cluster)
}

// firstStart says whether a member that has formed no cluster yet may do so still: it is a founder,
// and can meet all the others.
func (n Self) firstStart(h wire.Hello) bool {
	founder := false
	for _, p := range n.Identity.Peers {
		founder = founder || p.Node == h.Node && p.Incarnation == h.Incarnation
		if n.Standing.Dismissed(p.Node, p.Incarnation) {
			return false
		}
	}
	return founder
}
