// Package members decides who takes part in a cluster: what configuration a request leads to, when
// it is a change's turn, when a learner has caught up, which directory is listened to. It does no
// I/O: the node and the simulator run the same code.
package members

import (
	"fmt"
	"slices"

	"drystone/raft"
	"drystone/roster"
	"drystone/rsm"
	"drystone/storage"
	"drystone/wire"
)

// Standing is the membership that a node has applied: committed, so that nobody is turned away for
// a change that may yet be lost.
type Standing struct {
	Encoded []byte
	Members raft.Members
	Roster  roster.Roster
}

// NewStanding reads the configuration that the state holds.
func NewStanding(encoded []byte) (*Standing, error) {
	m, err := raft.DecodeMembers(encoded)
	if err == nil {
		err = Legible(nil, m)
	}
	if err != nil {
		return nil, err
	}
	return &Standing{encoded, m, RosterOf(m)}, nil
}

// FirstStanding is the membership before a log is read.
func FirstStanding(id storage.Identity) *Standing {
	m := First(id)
	return &Standing{Members: m, Roster: RosterOf(m)}
}

// First is the membership that the log begins with: the nodes that formed the cluster, for ever.
// What --cluster says later changes nobody's vote. Everybody computes the same bytes, so no address
// is among them.
func First(id storage.Identity) raft.Members {
	var m raft.Members
	var r roster.Roster
	for _, p := range id.Peers {
		m.Voters = append(m.Voters, raft.NodeID(p.Node))
		r = append(r, roster.Entry{Node: p.Node, Incarnation: p.Incarnation})
	}
	m.Directory = r.Encode(nil)
	return m
}

// RosterOf reads the directory of a configuration that is legible.
func RosterOf(m raft.Members) roster.Roster {
	r, err := roster.Decode(m.Directory)
	if err != nil {
		panic(fmt.Sprintf("members: %v was taken for legible: %v", m, err))
	}
	return r
}

// Legible refuses memberships that this version cannot read, before they are in force: among
// entries, and one of a snapshot.
func Legible(entries []raft.Entry, m raft.Members) error {
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

// IsMember says whether a number is in a configuration.
func IsMember(m raft.Members, node uint64) bool {
	return slices.Contains(m.All(), raft.NodeID(node))
}

// Left are the numbers whose directory of before is no member now: when they come again they are
// told so.
func Left(before, now *Standing) (gone []raft.NodeID) {
	for _, id := range before.Members.All() {
		old, _ := before.Roster.Holder(uint64(id))
		held, _ := now.Roster.Holder(uint64(id))
		if !IsMember(now.Members, uint64(id)) || old.Incarnation != held.Incarnation {
			gone = append(gone, id)
		}
	}
	return gone
}

// Dismissed says that a directory was a member and is none any more.
func (s *Standing) Dismissed(node uint64, incarnation string) bool {
	e, listed := s.Roster.Find(node, incarnation)
	held, _ := s.Roster.Holder(node)
	return listed && (!IsMember(s.Members, node) || held != e)
}

// admits says that a directory is the one of a member.
func (s *Standing) admits(h wire.Hello) bool {
	_, listed := s.Roster.Find(h.Node, h.Incarnation)
	return listed && !s.Dismissed(h.Node, h.Incarnation)
}

// Speaks says whether a directory is heard under its number by the configuration in force. A number
// that was given to another directory is that one's alone from the moment the leader's log says so:
// what the former one has acknowledged must not count for it. One that is not listed is later than
// this log.
func Speaks(inForce raft.Members, r roster.Roster, node uint64, incarnation string) bool {
	e, listed := r.Find(node, incarnation)
	held, _ := r.Holder(node)
	return !listed || held == e || !IsMember(inForce, node)
}

// Knows decides on a peer by the membership applied. A directory that is not listed and says that
// it belongs to this cluster was let in by a leader, later than this node has heard: it is listened
// to, or this node might never hear of it (thesis §4.2: even a leader may be unknown to a
// follower).
func (s *Standing) Knows(h wire.Hello, cluster string) wire.HelloReply {
	refuse := func(code wire.HelloCode, format string, args ...any) wire.HelloReply {
		return wire.HelloReply{Code: code, Detail: fmt.Sprintf(format, args...)}
	}
	member := IsMember(s.Members, h.Node)
	held, known := s.Roster.Holder(h.Node)
	if e, listed := s.Roster.Find(h.Node, h.Incarnation); listed {
		if member && held == e {
			return wire.HelloReply{}
		}
		return refuse(wire.HelloRemoved, "node %d was removed from cluster %s: its data directory is "+
			"of no more use, and another node with another --id may join in its place", h.Node, cluster)
	}
	switch {
	case h.Cluster == cluster:
		return wire.HelloReply{}
	case s.Roster.Vacant(h.Node):
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
