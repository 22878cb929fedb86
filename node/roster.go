package node

import (
	"bytes"
	"fmt"
	"slices"

	"drystone/raft"
	"drystone/roster"
	"drystone/rsm"
	"drystone/storage"
	"drystone/wire"
)

// standing is the membership that a node has applied: committed, so that nobody is turned away for
// a change that may yet be lost.
type standing struct {
	encoded []byte
	members raft.Members
	roster  roster.Roster
}

// firstMembers is the membership that the log begins with: the nodes that formed the cluster, for
// ever. What --cluster says later changes nobody's vote. Everybody computes the same bytes, so no
// address is among them.
func firstMembers(id storage.Identity) raft.Members {
	var m raft.Members
	var r roster.Roster
	for _, p := range id.Peers {
		m.Voters = append(m.Voters, raft.NodeID(p.Node))
		r = append(r, roster.Entry{Node: p.Node, Incarnation: p.Incarnation})
	}
	m.Directory = r.Encode(nil)
	return m
}

// rosterOf reads the directory of a configuration that is legible.
func rosterOf(m raft.Members) roster.Roster {
	r, err := roster.Decode(m.Directory)
	if err != nil {
		panic(fmt.Sprintf("node: %v was taken for legible: %v", m, err))
	}
	return r
}

// legible refuses memberships that this version cannot read, before they are in force: among
// entries, and one of a snapshot.
func legible(entries []raft.Entry, m raft.Members) error {
	_, err := roster.Decode(m.Directory)
	for i := 0; i < len(entries) && err == nil; i++ {
		if entries[i].Kind != raft.EntryConfig {
			continue
		}
		if m, err = raft.DecodeMembers(entries[i].Data); err == nil {
			_, err = roster.Decode(m.Directory)
		}
	}
	if err != nil {
		return fmt.Errorf("a membership in the log: %w: %w", err, rsm.ErrNeedsUpgrade)
	}
	return nil
}

// heed decides whose words count, by the membership in force: not those of a directory whose number
// another one has by now. What the old one acknowledged, the new one does not hold.
type heed struct {
	directory []byte
	listed    roster.Roster
}

func (h *heed) to(m raft.Members, said received) bool {
	if !bytes.Equal(m.Directory, h.directory) {
		h.directory, h.listed = m.Directory, rosterOf(m)
	}
	held, _ := h.listed.Holder(uint64(said.from))
	if said.incarnation == held.Incarnation {
		return true
	}
	_, former := h.listed.Find(uint64(said.from), said.incarnation)
	return !former
}

// publishStanding tells the membership as of the applied state, if it is another.
func (n *core) publishStanding(s *rsm.State) {
	if old := n.standing.Load(); old != nil && bytes.Equal(old.encoded, s.Config()) {
		return
	}
	m, err := raft.DecodeMembers(s.Config())
	if err == nil {
		err = legible(nil, m)
	}
	if err != nil {
		n.fail(fmt.Errorf("membership as of entry %d: %w", s.Point().Index, err))
		return
	}
	n.standing.Store(&standing{s.Config(), m, rosterOf(m)})
}

// isMember says whether a number is in a configuration.
func isMember(m raft.Members, node uint64) bool {
	return slices.Contains(m.All(), raft.NodeID(node))
}

// knows decides on a peer by the membership applied. A directory that is not listed and says that
// it belongs to this cluster was let in by a leader, later than this node has heard: it is listened
// to, or this node might never hear of it (thesis §4.2: even a leader may be unknown to a
// follower).
func (s *standing) knows(h wire.Hello, cluster string) wire.HelloReply {
	refuse := func(code wire.HelloCode, format string, args ...any) wire.HelloReply {
		return wire.HelloReply{Code: code, Detail: fmt.Sprintf(format, args...)}
	}
	member := isMember(s.members, h.Node)
	held, known := s.roster.Holder(h.Node)
	if e, listed := s.roster.Find(h.Node, h.Incarnation); listed {
		if member && held == e {
			return wire.HelloReply{}
		}
		return refuse(wire.HelloRemoved, "node %d was removed from cluster %s: its data directory is "+
			"of no more use, and another node with another --id may join in its place", h.Node, cluster)
	}
	switch {
	case h.Cluster == cluster:
		return wire.HelloReply{}
	case s.roster.Vacant(h.Node):
		return refuse(wire.HelloVacant, "node %d is expected to join cluster %s, and has not asked "+
			"to: start it with --join", h.Node, cluster)
	case known && member:
		return refuse(wire.HelloWiped, "node %d comes with another data directory than the one "+
			"that belongs to cluster %s: what it had acknowledged and voted for is gone, so it must "+
			"not vote in the old one's place. If the old directory is lost, run "+
			"`drystone member replace %d`", h.Node, cluster, h.Node)
	case known:
		return refuse(wire.HelloUsed, "the number %d belonged to a node that was removed from cluster "+
			"%s, and numbers are never used again: choose another --id", h.Node, cluster)
	}
	return refuse(wire.HelloNotMember, "node %d is no member of cluster %s: --join lets it ask to "+
		"become one", h.Node, cluster)
}

// standing is the membership as this node knows it, also before its log is read.
func (n *Node) standing() *standing {
	if n.core != nil {
		if s := n.core.standing.Load(); s != nil {
			return s
		}
	}
	m := firstMembers(n.identity)
	return &standing{members: m, roster: rosterOf(m)}
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
	members := n.core.seen.Load().status.Members
	listed := rosterOf(members)
	where := make(map[raft.NodeID]string)
	for _, id := range members.All() {
		address := n.addresses[id]
		held, _ := listed.Holder(uint64(id))
		if held.Peer != "" {
			address = held.Peer
		}
		// What it told itself is newer than any list, but the first list is people's word.
		if told := n.contacts.toldBy(held); told != "" && (address == "" || held.Peer != "") {
			address = told
		}
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

// whereIs is the best address known for a directory, for the roster. What the holder of the number
// before it told, or --cluster says of the number, is no word about the one that holds it now.
func (n *Node) whereIs(e roster.Entry) string {
	if e.Node == n.config.ID && e.Incarnation != "" {
		return n.config.AdvertisePeer
	}
	if told := n.contacts.toldBy(e); told != "" {
		return told
	}
	if e.Peer == "" && e.Incarnation != "" {
		return n.config.Cluster[e.Node]
	}
	return e.Peer
}
