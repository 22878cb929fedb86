package raft

// Step takes a message from a peer. Peers are known to be who they say, and to follow the
// protocol; messages may be lost, delayed, repeated and reordered at will.
func (r *Raft) Step(m Message) {
	if m.To != r.id || m.From == r.id || m.From == 0 || m.Body == nil {
		r.rule(Protocol, Misaddressed, m.From, Position{}, Position{})
		return
	}
	if r.settleTerm(m) {
		r.dispatch(m)
	}
	r.check()
}

// dispatch is the role × message table. Terms are equal here. A cell without a call is either
// late, and means nothing to a node that has changed its role since, or impossible, and asserted.
func (r *Raft) dispatch(m Message) {
	assert(m.Term == r.currentTerm, "the term is settled before a message is looked at")
	switch b := m.Body.(type) { //     follower       pre-candidate  candidate      leader
	case RequestVote: //               vote           vote           refuse         refuse
		r.onRequestVote(m, b)
	case VoteReply: //                 late           count          count          late
		switch role := r.role.(type) {
		case *preCandidate:
			r.onPreVoteReply(role, m, b)
		case *candidate:
			r.onVoteReply(role, m, b)
		}
	case AppendEntries: //             append         yield, append  yield, append  impossible
		r.onAppendEntries(r.follow(m.From), m, b)
	case Heartbeat: //                 answer         yield, answer  yield, answer  impossible
		r.onHeartbeat(r.follow(m.From), m, b)
	case InstallSnapshot: //           install        yield, install yield, install impossible
		r.onInstallSnapshot(r.follow(m.From), m, b)
	case AppendReply: //               late           late           late           progress
		if l, p := r.leadingPeer(m.From); p != nil {
			r.onAppendReply(l, p, b)
		}
	case HeartbeatReply: //            late           late           late           progress, reads
		if l, p := r.leadingPeer(m.From); p != nil {
			r.onHeartbeatReply(l, p, b)
		}
	case SnapshotReply: //             late           late           late           progress
		if l, p := r.leadingPeer(m.From); p != nil {
			r.onSnapshotReply(l, p, b)
		}
	case TimeoutNow: //                stand          stand          stands already impossible
		r.onTimeoutNow(m)
	}
}

// settleTerm applies §5.1 and reports whether the message is to be looked at.
func (r *Raft) settleTerm(m Message) bool {
	switch b := m.Body.(type) {
	case RequestVote:
		if b.PreVote {
			r.onPreVote(m, b) // thesis §9.6: it changes nobody's term
			return false
		}
		// thesis §4.2.3: who hears a leader takes no part in deposing it, unless the leader asked
		// for that. Without this, whoever was cut off or removed could disturb for ever.
		if m.Term > r.currentTerm && !b.Transfer && r.leaderAlive(m.From) {
			r.rule(Disruption, LeaderHeard, m.From, Position{Index: Index(r.quiet)}, Position{})
			return false
		}
	case VoteReply:
		if b.PreVote && b.Granted {
			// It carries the term that would be stood in, not one that anybody has reached.
			if p, ok := r.role.(*preCandidate); ok && m.Term == r.currentTerm+1 {
				r.onPreVoteReply(p, m, b)
			}
			return false
		}
	}
	switch {
	case m.Term < r.currentTerm:
		r.onOldTerm(m)
		return false
	case m.Term > r.currentTerm:
		r.onNewerTerm(m)
	}
	return true
}

// onOldTerm answers a sender that missed an election, so that it learns of it; old replies need
// no answer.
func (r *Raft) onOldTerm(m Message) {
	theirs, mine := Position{Term: m.Term}, Position{Term: r.currentTerm}
	switch b := m.Body.(type) {
	case RequestVote:
		// Fig2/RV.1: reply false if term < currentTerm.
		r.rule(RV1, OldTerm, m.From, theirs, mine)
		r.sendDurable(m.From, 0, VoteReply{})
	case AppendEntries:
		// Fig2/AE.1: reply false if term < currentTerm.
		r.rule(AE1, OldTerm, m.From, theirs, mine)
		r.sendDurable(m.From, 0, AppendReply{PrevLogIndex: b.PrevLogIndex})
	case Heartbeat:
		r.rule(AE1, OldTerm, m.From, theirs, mine)
		r.sendDurable(m.From, 0, HeartbeatReply{})
	case InstallSnapshot:
		// Fig13/1: reply immediately if term < currentTerm.
		r.rule(IS1, OldTerm, m.From, theirs, mine)
		r.sendDurable(m.From, 0, SnapshotReply{})
	}
}

// onNewerTerm follows Fig2/A.2: a higher term in any RPC or reply makes a follower of everybody.
func (r *Raft) onNewerTerm(m Message) {
	r.rule(A2, NewerTerm, m.From, Position{Term: m.Term}, Position{Term: r.currentTerm})
	_, asking := r.role.(*preCandidate)
	f := r.becomeFollower(m.Term)
	if v, ok := m.Body.(VoteReply); ok && v.PreVote && asking {
		// It was behind, not beaten: let it ask again soon, in the term it has learnt. Two groups,
		// one with the longer log and one with the higher term, would refuse each other for ever.
		r.askSoon(f)
	}
}
