package members

import (
	"slices"

	"drystone/raft"
	"drystone/rsm"
)

// Transfer hands leadership to a voter, the best one if none is named.
type Transfer struct {
	To     raft.NodeID // 0: the choice is the leader's
	Clock  Clock
	begun  bool
	beganT uint64
}

// Clock is what a leader measures with.
type Clock struct {
	Election uint64 // ms
	Quiet    int    // ticks: as long as an election timeout
}

// Step begins the transfer, and later looks whether another node leads. Neither done nor a refusal:
// look again. now is monotonic, in ms.
func (t *Transfer) Step(e Engine, now uint64) (done bool, verdict *Refusal) {
	s := e.Status()
	if t.begun {
		if s.Role == raft.Leader && now-t.beganT > 2*t.Clock.Election {
			return false, Refuse(rsm.CodeTransferFailed, "node %d did not take over within an election "+
				"timeout; node %d leads on", t.To, s.ID)
		}
		return s.Leader != 0 && s.Leader != s.ID, nil
	}
	if t.To == 0 {
		t.To = Heir(s, t.Clock.Quiet, nil)
	}
	t.begun, t.beganT = true, now
	at := slices.IndexFunc(s.Progress, func(p raft.Progress) bool { return p.ID == t.To })
	switch {
	case s.Role != raft.Leader:
		return false, NotLeader
	case t.To == s.ID:
		return true, nil
	case t.To == 0:
		return false, Refuse(rsm.CodeNotVoter, "no other voter answers, so there is nobody to lead")
	case !s.Members.IsVoter(t.To) || at < 0:
		return false, Refuse(rsm.CodeNotVoter,
			"node %d is no voter of this cluster, so it cannot lead", t.To)
	case s.Progress[at].QuietTicks > t.Clock.Quiet:
		return false, Refuse(rsm.CodeMemberUnreachable, "node %d does not answer node %d, which leads",
			t.To, s.ID)
	}
	if e.Transfer(t.To) != nil {
		return false, NotLeader
	}
	return false, nil
}

// Onward is a request as it goes to the node that leads now, when begun was asked before and may
// have begun; 0: nobody was. Leadership that was to go to anybody else has gone by then, so the
// next leader is to keep it: or it would go to and fro as long as the answers come late.
func Onward(q rsm.AdminRequest, begun, leads raft.NodeID) rsm.AdminRequest {
	if q.Op == rsm.AdminTransfer && q.Node == 0 && begun != 0 && begun != leads {
		q.Node = uint64(leads)
	}
	return q
}
