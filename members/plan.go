package members

import (
	"errors"
	"slices"

	"drystone/raft"
	"drystone/roster"
	"drystone/rsm"
)

// Plan makes the next configuration of the one in force, as its leader sees it; nil Voters change
// nothing.
type Plan func(raft.Status, roster.Roster) (raft.Members, *Refusal)

// promoteLag is how many entries a learner may lack and count as caught up: under load some are
// always under way. It must stay so close for an election timeout (thesis §4.2.1).
const promoteLag = 200

// PlanFor is what carries out a request. A peer answers if it was heard within quiet ticks. It
// refuses what no membership could carry out.
func PlanFor(q rsm.AdminRequest, quiet int) (Plan, *Refusal) {
	switch q.Op {
	case rsm.AdminAdd:
		if q.Node == 0 || !roster.Valid("", q.Peer) {
			return nil, Refuse(rsm.CodeBadCommand, "a member has a number from 1 and an address")
		}
		return func(s raft.Status, r roster.Roster) (raft.Members, *Refusal) {
			return invited(s, r, q)
		}, nil
	case rsm.AdminJoin:
		if !roster.Valid(q.Incarnation, q.Peer) || q.Incarnation == "" || q.Node == 0 {
			return nil, Refuse(rsm.CodeBadCommand, "the request to join says too little of the node")
		}
		return func(s raft.Status, r roster.Roster) (raft.Members, *Refusal) {
			return admitted(s, r, q)
		}, nil
	case rsm.AdminPromote:
		return func(s raft.Status, r roster.Roster) (raft.Members, *Refusal) {
			return promoted(s, r, q.Node, quiet)
		}, nil
	case rsm.AdminRemove, rsm.AdminReplace:
		return func(s raft.Status, r roster.Roster) (raft.Members, *Refusal) {
			return dismissed(s, r, q.Node, q.Op == rsm.AdminReplace, quiet)
		}, nil
	}
	return nil, Refuse(rsm.CodeBadCommand, "no node knows how to %q", q.Op)
}

// NeedsReach says that the address a request names is to be tried before the plan is carried out:
// a member that nobody reaches would only take part in counting. One that is a member already has
// been tried.
func NeedsReach(q rsm.AdminRequest, plan Plan, s raft.Status) (bool, *Refusal) {
	if q.Op != rsm.AdminJoin && (q.Op != rsm.AdminAdd || q.Peer == "") {
		return false, nil
	}
	to, verdict := plan(s, RosterOf(s.Members))
	return verdict == nil && len(to.Voters) > 0, verdict
}

// HandsOverFirst says that a leader that is to be removed first hands leadership to the best of
// those who stay, and sends the request there (thesis §4.2.2: the other way to remove a leader). If
// it removed itself while the log grows, nobody had all of it by then, and all would wait for an
// election timeout. It does so if nobody takes over.
func HandsOverFirst(q rsm.AdminRequest, s raft.Status) bool {
	return (q.Op == rsm.AdminRemove || q.Op == rsm.AdminReplace) && raft.NodeID(q.Node) == s.ID &&
		// Only who leads knows who answers.
		s.Role == raft.Leader && !s.Members.Joint() && IsMember(s.Members, q.Node)
}

// with is a configuration made of parts.
func with(voters, learners []raft.NodeID, r roster.Roster) raft.Members {
	slices.Sort(voters)
	slices.Sort(learners)
	return raft.Members{Voters: voters, Learners: learners, Directory: r.Encode(nil)}
}

func without(ids []raft.NodeID, id uint64) []raft.NodeID {
	return slices.DeleteFunc(slices.Clone(ids), func(other raft.NodeID) bool {
		return other == raft.NodeID(id)
	})
}

// invited lets a number be taken by the next directory that asks to join under it.
func invited(s raft.Status, r roster.Roster, q rsm.AdminRequest) (raft.Members, *Refusal) {
	if IsMember(s.Members, q.Node) {
		return raft.Members{}, Refuse(rsm.CodeMemberExists, "node %d is a member", q.Node)
	}
	next, err := r.Invite(q.Node, q.Peer, false)
	if err != nil {
		return raft.Members{}, Refuse(rsm.CodeNumberUsed, "node %d was removed, and numbers are "+
			"never used again: choose another", q.Node)
	}
	return with(slices.Clone(s.Members.Voters), slices.Clone(s.Members.Learners), next), nil
}

// admitted lets a directory in as a learner: it gets the log, and counts for nothing yet.
func admitted(s raft.Status, r roster.Roster, q rsm.AdminRequest) (raft.Members, *Refusal) {
	next, e, err := r.Admit(q.Node, q.Incarnation, q.Peer, IsMember(s.Members, q.Node))
	switch {
	case errors.Is(err, roster.Member):
		return raft.Members{}, Refuse(rsm.CodeMemberExists, "node %d is a member with another data "+
			"directory: choose another --id, or, if that directory is lost, run `drystone member "+
			"replace %d`", q.Node, q.Node)
	case errors.Is(err, roster.Gone):
		return raft.Members{}, Refuse(rsm.CodeNumberUsed, "this data directory was node %d's, which "+
			"was removed: a removed node cannot come back with what it holds", q.Node)
	case err != nil:
		return raft.Members{}, Refuse(rsm.CodeNumberUsed, "node %d was removed, and numbers are never "+
			"used again: choose another --id", q.Node)
	case IsMember(s.Members, e.Node):
		return raft.Members{}, nil
	}
	learners := append(slices.Clone(s.Members.Learners), raft.NodeID(q.Node))
	return with(slices.Clone(s.Members.Voters), learners, next), nil
}

// promoted makes a voter of a learner that has caught up. One that lags would hold up every write
// as soon as another voter is away.
func promoted(s raft.Status, r roster.Roster, node uint64, quiet int) (raft.Members, *Refusal) {
	id := raft.NodeID(node)
	switch {
	case s.Members.IsVoter(id):
		return raft.Members{}, nil
	case !IsMember(s.Members, node):
		return raft.Members{}, Refuse(rsm.CodeNoSuchMember, "node %d is no member", node)
	case !CaughtUp(s, id, quiet):
		return raft.Members{}, Refuse(rsm.CodeLearnerBehind, "node %d has not caught up with the log, "+
			"or does not answer: it becomes a voter by itself when it has", node)
	}
	voters := append(slices.Clone(s.Members.Voters), id)
	return with(voters, without(s.Members.Learners, node), r), nil
}

// dismissed takes a member out; with replace its number then waits for another directory.
func dismissed(s raft.Status, r roster.Roster, node uint64, replace bool, quiet int) (
	raft.Members, *Refusal,
) {
	_, known := r.Holder(node)
	if !IsMember(s.Members, node) {
		switch vacant := r.Vacant(node); {
		case vacant == replace && (vacant || known):
			return raft.Members{}, nil // done before
		case vacant:
			return with(slices.Clone(s.Members.Voters), slices.Clone(s.Members.Learners),
				r.Withdraw(node)), nil
		case known:
			return raft.Members{}, Refuse(rsm.CodeNumberUsed, "node %d was removed, and numbers are "+
				"never used again: start a node with another --id and --join", node)
		}
		return raft.Members{}, Refuse(rsm.CodeNoSuchMember, "node %d is no member", node)
	}
	voters := without(s.Members.Voters, node)
	if verdict := safe(s, voters, node, quiet); verdict != nil {
		return raft.Members{}, verdict
	}
	if replace {
		next, err := r.Invite(node, "", true)
		if err != nil {
			return raft.Members{}, Refuse(rsm.CodeUnsafeChange, "node %d: %v", node, err)
		}
		r = next
	}
	return with(voters, without(s.Members.Learners, node), r), nil
}

// safe refuses a change after which no majority would answer: what was committed could be neither
// read nor added to.
func safe(s raft.Status, voters []raft.NodeID, node uint64, quiet int) *Refusal {
	if len(voters) == 0 {
		return Refuse(rsm.CodeUnsafeChange, "node %d is the last voter: without it there is no "+
			"cluster. Let another node join first", node)
	}
	answers, unheard, needed := 0, 0, len(voters)/2+1
	for _, id := range voters {
		at := slices.IndexFunc(s.Progress, func(p raft.Progress) bool { return p.ID == id })
		switch {
		case id == s.ID || at >= 0 && s.Progress[at].QuietTicks <= quiet && s.Progress[at].Match > 0:
			answers++
		case at >= 0 && s.Progress[at].QuietTicks <= quiet:
			unheard++ // a leader that is new knows of no silence either
		}
	}
	if answers >= needed {
		return nil
	}
	verdict := Refuse(rsm.CodeUnsafeChange, "without node %d there are %d voters, of which %d answer "+
		"and %d are needed: the cluster would stop. Bring the others back first", node,
		len(voters), answers, needed)
	verdict.Passing = answers+unheard >= needed
	return verdict
}

// CaughtUp says whether a leader hears a member, and it lacks little.
func CaughtUp(s raft.Status, id raft.NodeID, quiet int) bool {
	at := slices.IndexFunc(s.Progress, func(p raft.Progress) bool { return p.ID == id })
	return at >= 0 && s.Progress[at].QuietTicks <= quiet &&
		s.Progress[at].State == raft.ProgressReplicate && s.Progress[at].Match+promoteLag >= s.LastIndex
}

// Heir is the voter that is furthest in the log, of those heard within quiet ticks and not passed
// over; 0: there is none.
func Heir(s raft.Status, quiet int, passed []raft.NodeID) (best raft.NodeID) {
	var match raft.Index
	for _, p := range s.Progress {
		there := p.ID != s.ID && s.Members.IsVoter(p.ID) && p.QuietTicks <= quiet
		if !there || slices.Contains(passed, p.ID) {
			continue
		}
		if best == 0 || p.Match > match {
			best, match = p.ID, p.Match
		}
	}
	return best
}
