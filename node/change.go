package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"drystone/raft"
	"drystone/replica"
	"drystone/roster"
	"drystone/rsm"
)

// refusal is why a change is not made, for people.
type refusal struct {
	code    rsm.Code
	detail  string
	outcome rsm.Outcome
}

func refuse(code rsm.Code, format string, args ...any) *refusal {
	return &refusal{code, fmt.Sprintf(format, args...), rsm.NotApplied}
}

// errNotLeader sends a request on to whoever leads by now.
var errNotLeader = refuse(rsm.CodeNoLeader, "the node asked does not lead any more")

// again is how often a change looks whether the one before it, or itself, is complete.
const again = 5 * time.Millisecond

// plan makes the next configuration of the one in force; nil Voters change nothing.
type plan func(raft.Status, roster.Roster) (raft.Members, *refusal)

// inLoop runs f where the replica may be touched.
func (c *core) inLoop(ctx context.Context, f func(*replica.Replica)) *refusal {
	done := make(chan struct{})
	var begun atomic.Bool // by the loop, or by who would not wait
	taken := c.inbox.put(func(p *pile) {
		p.calls = append(p.calls, func() {
			if begun.CompareAndSwap(false, true) {
				f(c.replica)
				close(done)
			}
		})
	})
	if taken {
		select {
		case <-done:
			return nil
		case <-c.ended:
		case <-ctx.Done():
		}
		if !begun.CompareAndSwap(false, true) {
			<-done
			return nil
		}
	}
	return refuse(rsm.CodeDraining, "the node asked is stopping, or does not answer")
}

// change carries out one change of the membership: it waits for its turn, proposes, and returns
// when C-new is committed (§6). The index is that of its entry.
func (n *Node) change(ctx context.Context, c *core, next plan) (raft.Index, *refusal) {
	select {
	case c.changing <- struct{}{}:
		defer func() { <-c.changing }()
	case <-ctx.Done():
		return 0, refuse(rsm.CodeNoLeader, "an earlier change of the membership did not end in time")
	}
	look := time.NewTicker(again)
	defer look.Stop()
	var target *raft.Members
	for {
		var verdict *refusal
		var index raft.Index
		stopped := c.inLoop(ctx, func(r *replica.Replica) {
			s := r.Status()
			if target == nil {
				target, index, verdict = n.propose(r, s, next)
				return
			}
			switch whole := !s.Members.Joint() && s.MembersIndex <= s.Commit; {
			case whole && s.Members.Equal(*target):
				index = s.MembersIndex
			case s.Role != raft.Leader || whole:
				// It may be complete yet, under the next leader.
				verdict = &refusal{rsm.CodeNoLeader, "the leader changed during the change",
					rsm.Unknown}
			}
		})
		if stopped != nil {
			if target != nil {
				stopped.outcome = rsm.Unknown
			}
			return 0, stopped
		}
		if verdict != nil || index > 0 {
			return index, verdict
		}
		select {
		case <-look.C:
		case <-c.stop:
		case <-ctx.Done():
			if target == nil {
				return 0, refuse(rsm.CodeNoLeader, "an earlier change of the membership is not "+
					"complete, or this leader is not established yet")
			}
			return 0, &refusal{rsm.CodeOutcomeUnknown, "the change was begun, and a majority has not " +
				"confirmed it yet", rsm.Unknown}
		}
	}
}

// propose begins a change, if it is its turn. It returns the configuration it leads to, or the
// index of the one that stands if nothing needs to change.
func (n *Node) propose(r *replica.Replica, s raft.Status, next plan) (
	*raft.Members, raft.Index, *refusal,
) {
	if s.Role != raft.Leader {
		return nil, 0, errNotLeader
	}
	if s.Members.Joint() || s.MembersIndex > s.Commit || !s.CommittedTerm {
		return nil, 0, nil
	}
	listed := rosterOf(s.Members)
	to, verdict := next(s, listed)
	if verdict != nil {
		return nil, 0, verdict
	}
	if len(to.Voters) == 0 {
		return nil, max(s.MembersIndex, 1), nil
	}
	to.Directory = rosterOf(to).Located(n.whereIs).Encode(nil)
	if len(to.Directory) > raft.MaxDirectoryBytes {
		return nil, 0, refuse(rsm.CodeUnsafeChange, "the list of all members that ever were is full")
	}
	switch err := r.Reconfigure(to); {
	case err == nil:
		return &to, 0, nil
	case errors.Is(err, raft.ErrBadMembers):
		return nil, 0, refuse(rsm.CodeUnsafeChange, "the change leads to no valid membership")
	case errors.As(err, new(raft.NotLeaderError)):
		return nil, 0, errNotLeader
	}
	return nil, 0, nil // its turn comes
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

// admitted lets a directory in as a learner: it gets the log, and counts for nothing yet.
func admitted(s raft.Status, r roster.Roster, q rsm.AdminRequest) (raft.Members, *refusal) {
	next, e, err := r.Admit(q.Node, q.Incarnation, q.Peer, isMember(s.Members, q.Node))
	switch {
	case errors.Is(err, roster.Member):
		return raft.Members{}, refuse(rsm.CodeMemberExists, "node %d is a member with another data "+
			"directory: choose another --id, or, if that directory is lost, run `drystone member "+
			"replace %d`", q.Node, q.Node)
	case errors.Is(err, roster.Gone):
		return raft.Members{}, refuse(rsm.CodeNumberUsed, "this data directory was node %d's, which "+
			"was removed: a removed node cannot come back with what it holds", q.Node)
	case err != nil:
		return raft.Members{}, refuse(rsm.CodeNumberUsed, "node %d was removed, and numbers are never "+
			"used again: choose another --id", q.Node)
	case isMember(s.Members, e.Node):
		return raft.Members{}, nil
	}
	learners := append(slices.Clone(s.Members.Learners), raft.NodeID(q.Node))
	return with(slices.Clone(s.Members.Voters), learners, next), nil
}

// promoted makes a voter of a learner that has caught up. One that lags would hold up every write
// as soon as another voter is away.
func promoted(s raft.Status, r roster.Roster, node uint64, quiet int) (raft.Members, *refusal) {
	id := raft.NodeID(node)
	switch {
	case s.Members.IsVoter(id):
		return raft.Members{}, nil
	case !isMember(s.Members, node):
		return raft.Members{}, refuse(rsm.CodeNoSuchMember, "node %d is no member", node)
	case !caughtUp(s, id, quiet):
		return raft.Members{}, refuse(rsm.CodeLearnerBehind, "node %d has not caught up with the log, "+
			"or does not answer: it becomes a voter by itself when it has", node)
	}
	voters := append(slices.Clone(s.Members.Voters), id)
	return with(voters, without(s.Members.Learners, node), r), nil
}

// dismissed takes a member out; with replace its number then waits for another directory.
func dismissed(s raft.Status, r roster.Roster, node uint64, replace bool, quiet int) (
	raft.Members, *refusal,
) {
	_, known := r.Holder(node)
	if !isMember(s.Members, node) {
		switch vacant := r.Vacant(node); {
		case vacant == replace && (vacant || known):
			return raft.Members{}, nil // done before
		case vacant:
			return with(slices.Clone(s.Members.Voters), slices.Clone(s.Members.Learners),
				r.Withdraw(node)), nil
		case known:
			return raft.Members{}, refuse(rsm.CodeNumberUsed, "node %d was removed, and numbers are "+
				"never used again: start a node with another --id and --join", node)
		}
		return raft.Members{}, refuse(rsm.CodeNoSuchMember, "node %d is no member", node)
	}
	voters := without(s.Members.Voters, node)
	if verdict := safe(s, voters, node, quiet); verdict != nil {
		return raft.Members{}, verdict
	}
	if replace {
		next, err := r.Invite(node, "", true)
		if err != nil {
			return raft.Members{}, refuse(rsm.CodeUnsafeChange, "node %d: %v", node, err)
		}
		r = next
	}
	return with(voters, without(s.Members.Learners, node), r), nil
}

// safe refuses a change after which no majority would answer: what was committed could be neither
// read nor added to.
func safe(s raft.Status, voters []raft.NodeID, node uint64, quiet int) *refusal {
	if len(voters) == 0 {
		return refuse(rsm.CodeUnsafeChange, "node %d is the last voter: without it there is no "+
			"cluster. Let another node join first", node)
	}
	answers, needed := 0, len(voters)/2+1
	for _, id := range voters {
		if id == s.ID || slices.ContainsFunc(s.Progress, func(p raft.Progress) bool {
			return p.ID == id && p.QuietTicks <= quiet
		}) {
			answers++
		}
	}
	if answers < needed {
		return refuse(rsm.CodeUnsafeChange, "without node %d there are %d voters, of which %d answer "+
			"and %d are needed: the cluster would stop. Bring the others back first", node,
			len(voters), answers, needed)
	}
	return nil
}

// reachable tries an address that others are to connect to.
func reachable(ctx context.Context, self, node uint64, address string) *refusal {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return refuse(rsm.CodeMemberUnreachable, "node %d, which leads, gets no connection to node %d "+
			"at %s: is it started with --join, and is that the address others reach it at "+
			"(--advertise-peer)?", self, node, address)
	}
	conn.Close()
	return nil
}
