package members

import (
	"cmp"
	"slices"

	"drystone/raft"
	"drystone/rsm"
)

// Describe is a leader's answer to a request that it carried out: the membership as it knows it.
// index is that of the change; 0: of the configuration in force. member tells of one of them.
func Describe(s raft.Status, index raft.Index, q rsm.AdminRequest,
	member func(raft.Status, raft.NodeID) rsm.MemberStatus,
) rsm.AdminReply {
	out := rsm.AdminReply{
		Outcome: rsm.Applied, Leader: uint64(s.Leader), Joint: s.Members.Joint(),
		Term:  uint64(s.Hard.CurrentTerm),
		Index: uint64(cmp.Or(index, min(s.MembersIndex, s.Commit))),
	}
	listed := RosterOf(s.Members)
	for _, id := range s.Members.All() {
		out.Members = append(out.Members, member(s, id))
	}
	for _, e := range listed {
		vacant := listed.Vacant(e.Node)
		switch {
		case vacant && !slices.Contains(out.Invited, e.Node):
			out.Invited = append(out.Invited, e.Node)
		case !vacant && !IsMember(s.Members, e.Node) && !slices.Contains(out.Removed, e.Node):
			out.Removed = append(out.Removed, e.Node)
		}
	}
	if e, ok := listed.Find(q.Node, q.Incarnation); ok {
		out.Generation = e.Generation
	}
	return out
}
