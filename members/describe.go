package members

import (
	"slices"

	"drystone/raft"
	"drystone/rsm"
)

// Describe makes an answer of a configuration, as of an index, and what a node knows of its
// members: member tells of one of them.
func Describe(s raft.Status, m raft.Members, index raft.Index,
	member func(raft.Status, raft.Members, raft.NodeID) rsm.MemberStatus,
) rsm.AdminReply {
	out := rsm.AdminReply{
		Outcome: rsm.Applied, Leader: uint64(s.Leader), Joint: m.Joint(),
		Term: uint64(s.Hard.CurrentTerm), Index: uint64(index),
	}
	for _, id := range m.All() {
		out.Members = append(out.Members, member(s, m, id))
	}
	listed := RosterOf(m)
	for _, e := range listed {
		vacant := listed.Vacant(e.Node)
		switch {
		case vacant && !slices.Contains(out.Invited, e.Node):
			out.Invited = append(out.Invited, e.Node)
		case !vacant && !IsMember(m, e.Node) && !slices.Contains(out.Removed, e.Node):
			out.Removed = append(out.Removed, e.Node)
		}
	}
	return out
}

// GenerationOf is the generation of the directory that a request names, 0 if it is none of m's.
func GenerationOf(m raft.Members, q rsm.AdminRequest) uint64 {
	e, _ := RosterOf(m).Find(q.Node, q.Incarnation)
	return e.Generation
}
