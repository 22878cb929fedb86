package members

import (
	"errors"

	"drystone/raft"
	"drystone/roster"
	"drystone/rsm"
)

// Engine is consensus as a change of the membership needs it.
type Engine interface {
	Status() raft.Status
	Reconfigure(raft.Members) error
	Transfer(raft.NodeID) error
}

// Change is one change of the membership on the leader that was asked for it.
type Change struct {
	Next  Plan
	Where Addresses
	begun *raft.Members // what it leads to, once it is proposed
	waits *Refusal      // for what it waits before that; nil: for its turn
}

// Step looks whether it is this change's turn, and later whether it is complete: then the index is
// that of C-new, which is committed (§6), or of the configuration that stands if there is nothing
// to change. Neither an index nor a refusal: look again.
func (c *Change) Step(e Engine) (raft.Index, *Refusal) {
	s := e.Status()
	if c.begun == nil {
		return c.propose(e, s)
	}
	switch whole := !s.Members.Joint() && s.MembersIndex <= s.Commit; {
	case whole && s.Members.Equal(*c.begun):
		return s.MembersIndex, nil
	case s.Role != raft.Leader || whole:
		// It may be complete yet, under the next leader.
		return 0, refusal(rsm.CodeNoLeader, rsm.Unknown, "the leader changed during the change")
	}
	return 0, nil
}

// propose begins the change, if it is its turn.
func (c *Change) propose(e Engine, s raft.Status) (raft.Index, *Refusal) {
	if s.Role != raft.Leader {
		return 0, NotLeader
	}
	if s.Members.Joint() || s.MembersIndex > s.Commit || !s.CommittedTerm {
		return 0, nil
	}
	to, verdict := Target(s, c.Next, c.Where)
	if verdict != nil && verdict.Passing {
		c.waits = verdict
		return 0, nil
	}
	if verdict != nil {
		return 0, verdict
	}
	if len(to.Voters) == 0 {
		return max(s.MembersIndex, 1), nil
	}
	switch err := e.Reconfigure(to); {
	case err == nil:
		c.begun = &to
	case errors.Is(err, raft.ErrBadMembers):
		return 0, Refuse(rsm.CodeUnsafeChange, "the change leads to no valid membership")
	case errors.As(err, new(raft.NotLeaderError)):
		return 0, NotLeader
	}
	return 0, nil // its turn comes
}

// Addresses are what a leader knows of where directories are, "" if nothing.
type Addresses struct {
	Told  func(roster.Entry) string // by the directory itself
	Given func(node uint64) string  // by people, once, of its number
}

// Of is the best address known for a directory. What the holder of the number before it told, or
// people once said of the number, is no word about the one that holds it now.
func (a Addresses) Of(e roster.Entry) string {
	if told := a.Told(e); told != "" {
		return told
	}
	if e.Peer == "" && e.Incarnation != "" {
		return a.Given(e.Node)
	}
	return e.Peer
}

// Target is the configuration that a plan leads to, with the addresses known by now.
func Target(s raft.Status, next Plan, where Addresses) (raft.Members, *Refusal) {
	to, verdict := next(s, RosterOf(s.Members))
	if verdict != nil || len(to.Voters) == 0 {
		return raft.Members{}, verdict
	}
	to.Directory = RosterOf(to).Located(where.Of).Encode(nil)
	if len(to.Directory) > raft.MaxDirectoryBytes {
		return raft.Members{}, Refuse(rsm.CodeUnsafeChange,
			"the list of all members that ever were is full")
	}
	return to, nil
}

// Overdue is the answer to who waits no longer.
func (c *Change) Overdue() *Refusal {
	switch {
	case c.begun == nil && c.waits != nil:
		return c.waits
	case c.begun == nil:
		return Refuse(rsm.CodeNoLeader, "an earlier change of the membership is not complete, or "+
			"this leader is not established yet")
	}
	return refusal(rsm.CodeOutcomeUnknown, rsm.Unknown,
		"the change was begun, and a majority has not confirmed it yet")
}

// Begun says that the change was proposed: it may take place whatever becomes of who asked.
func (c *Change) Begun() bool { return c.begun != nil }
