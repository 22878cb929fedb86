package raft

// Elections: §5.2, the restriction of §5.4.1, the pre-vote of thesis §9.6.

// draw returns a number in [0, n).
func (r *Raft) draw(n int) int { return int(r.jitter.Uint64() % uint64(n)) }

// drawElectionTimeout spreads timeouts over [ElectionTicks, 2·ElectionTicks), so that mostly a
// single node stands (§5.2).
//
// Where a vote takes as long as that, because disks do, all stand before they hear of each other.
// DIFFERS(11): so each candidacy in vain doubles the spread of what this node draws, up to sixteen
// times, until it hears a leader.
func (r *Raft) drawElectionTimeout() int {
	wider := min(max(r.stood-1, 0), 4)
	return r.config.ElectionTicks + r.draw(r.config.ElectionTicks<<wider)
}

// canStand reports whether this node may become a candidate: it votes, and its disk answers.
func (r *Raft) canStand() bool { return r.mayStand() && !r.stalled() }

func (r *Raft) tickFollower(f *follower) {
	f.elapsed++
	if f.elapsed < f.timeout {
		return
	}
	if !r.canStand() {
		f.leader = 0
		f.timeout = f.elapsed + r.config.HeartbeatTicks
		r.rule(F2, MayNotStand, 0, Position{}, Position{})
		return
	}
	// Fig2/F.2: no word from a leader, no vote granted: stand. DIFFERS(2): but ask first, always
	// (thesis §9.6).
	r.becomePreCandidate()
}

func (r *Raft) tickPreCandidate(p *preCandidate) {
	p.elapsed++
	if p.elapsed < r.config.HeartbeatTicks {
		return
	}
	if !r.canStand() {
		r.becomeFollower(r.currentTerm)
		return
	}
	// Asking costs nobody anything, and answers may have been lost: ask again each heartbeat.
	p.elapsed, p.votes = 0, nil
	r.askPreVotes(p)
}

func (r *Raft) tickCandidate(c *candidate) {
	c.elapsed++
	switch {
	case c.elapsed >= c.timeout && r.canStand():
		// Fig2/C.4: a split vote. Start again, from the pre-vote (thesis §9.6).
		r.rule(C4, NobodyWon, 0, Position{}, Position{})
		r.becomePreCandidate()
	case c.elapsed >= c.timeout:
		r.becomeFollower(r.currentTerm)
	case c.elapsed%r.config.HeartbeatTicks == 0 && r.disk.hard == r.hard():
		r.askVotes(c) // §5.5: retry until they answer
	}
}

// forgetLeader makes a follower stand soon, and grant pre-votes at once, because the connection
// to its leader broke. If the leader lives, the others still hear it and refuse.
// DIFFERS(5): the paper waits for the election timeout.
func (r *Raft) forgetLeader(f *follower) {
	r.rule(ConnectionLost, LeaderForgotten, f.leader, Position{}, Position{})
	f.leader = 0
	r.askSoon(f)
}

// askSoon waits a seeded part of a heartbeat before asking for pre-votes.
func (r *Raft) askSoon(f *follower) {
	f.timeout = f.elapsed + 1 + r.draw(r.config.HeartbeatTicks)
}

// standSoon shortens the first wait of a node that starts: it knows no leader to be loyal to, and
// asking for pre-votes disturbs nobody. Up to two heartbeats leave a living leader the time to
// speak first. A sole voter has nobody to wait for.
// DIFFERS(7): the paper waits for an election timeout at the start, too.
func (r *Raft) standSoon(f *follower) {
	beat := r.config.HeartbeatTicks
	f.timeout = min(f.timeout, beat+1+r.draw(2*beat))
	if m := r.members(); len(m.Voters) == 1 && !m.Joint() && m.IsVoter(r.id) {
		f.timeout = 1
	}
}

// leaderAlive reports whether this node has heard a leader, other than the one who asks, within
// the shortest election timeout (thesis §4.2.3). If the leader itself asks, it is none any more.
func (r *Raft) leaderAlive(asker NodeID) bool {
	switch role := r.role.(type) {
	case *leader:
		return true // or it would have stepped down (thesis §6.2)
	case *follower:
		return role.leader != 0 && role.leader != asker && r.quiet < r.config.ElectionTicks
	}
	return false
}

// upToDate is the election restriction (§5.4.1): only a log that is at least as complete as the
// voter's may win, so that a leader holds every committed entry.
func (r *Raft) upToDate(p Position) bool {
	mine := r.log.last()
	return p.Term > mine.Term || p.Term == mine.Term && p.Index >= mine.Index
}

func (v RequestVote) last() Position { return Position{v.LastLogIndex, v.LastLogTerm} }

func (r *Raft) askPreVotes(p *preCandidate) {
	p.votes.record(r.id, true)
	last := r.log.last()
	ask := RequestVote{LastLogIndex: last.Index, LastLogTerm: last.Term, PreVote: true}
	for _, id := range r.members().All() {
		if id != r.id && r.members().IsVoter(id) {
			r.send(id, r.currentTerm+1, ask)
		}
	}
	if r.members().quorum(p.votes.granted) {
		r.becomeCandidate(false)
	}
}

// askVotes asks everybody who has not answered. Nothing leaves before this node's own vote for
// itself is durable: or it could stand, crash, and vote for another in the same term.
func (r *Raft) askVotes(c *candidate) {
	last := r.log.last()
	ask := RequestVote{LastLogIndex: last.Index, LastLogTerm: last.Term, Transfer: c.transfer}
	for _, id := range r.members().All() {
		if id != r.id && r.members().IsVoter(id) && !c.votes.answered(id) {
			r.sendDurable(id, 0, ask)
		}
	}
}

// onPreVote says whether a vote would be given. It changes nothing: no term, no vote, no timer.
func (r *Raft) onPreVote(m Message, ask RequestVote) {
	mine := Position{r.log.last().Index, r.log.last().Term}
	free := m.Term > r.currentTerm ||
		m.Term == r.currentTerm && (r.votedFor == 0 || r.votedFor == m.From)
	switch {
	case m.Term < r.currentTerm:
		r.rule(PreVote, OldTerm, m.From, Position{Term: m.Term}, Position{Term: r.currentTerm})
	case r.leaderAlive(m.From):
		r.rule(PreVote, LeaderHeard, m.From, Position{Index: Index(r.quiet)}, Position{})
	case !free:
		r.rule(PreVote, VoteGiven, m.From, Position{Index: Index(r.votedFor)}, Position{})
	case !r.upToDate(ask.last()):
		r.rule(PreVote, LogBehind, m.From, ask.last(), mine)
	default:
		r.rule(PreVote, WouldVote, m.From, ask.last(), mine)
		// The term asked for, as nobody is in it yet.
		r.send(m.From, m.Term, VoteReply{Granted: true, PreVote: true})
		r.yield(m.From, ask.last())
		return
	}
	// The refusal carries the term of this node, so that one who is behind catches up with it.
	r.send(m.From, r.currentTerm, VoteReply{PreVote: true})
}

// yield stands back, once, for another that asks at the same moment: nodes that lose a leader
// lose it together, and two candidates of equal right would split the vote. Of two who ask with
// equal logs the lower ID goes on. Once only: the other may be unable to win.
// DIFFERS(3): the paper leaves it to the timeouts.
func (r *Raft) yield(to NodeID, theirs Position) {
	if r.yielded {
		return
	}
	var f *follower
	switch role := r.role.(type) {
	case *follower:
		if role.leader != 0 || role.timeout-role.elapsed > r.config.HeartbeatTicks {
			return
		}
		f = role
	case *preCandidate:
		if to > r.id && theirs == r.log.last() {
			return
		}
		f = r.becomeFollower(r.currentTerm)
	default:
		return
	}
	r.yielded = true
	f.timeout = f.elapsed + r.config.HeartbeatTicks + 1 + r.draw(r.config.HeartbeatTicks)
	r.rule(PreVote, StandsBack, to, Position{}, Position{})
}

// onPreVoteReply counts who would vote. With a majority it is worth to stand.
func (r *Raft) onPreVoteReply(p *preCandidate, m Message, v VoteReply) {
	if !v.PreVote {
		return // of an election this node has given up
	}
	p.votes.record(m.From, v.Granted)
	if r.members().quorum(p.votes.granted) && r.canStand() {
		r.rule(PreVote, WouldWin, 0, Position{}, Position{})
		r.becomeCandidate(false)
	}
}

// onRequestVote is the receiver's side of RequestVote (§5.2, §5.4.1).
func (r *Raft) onRequestVote(m Message, ask RequestVote) {
	// Fig2/RV.2: grant if votedFor is null or candidateId, and the candidate's log is at least as
	// up-to-date as this one.
	granted := false
	switch mine := r.log.last(); {
	case r.votedFor != 0 && r.votedFor != m.From:
		r.rule(RV2, VoteGiven, m.From, Position{Index: Index(r.votedFor)}, Position{})
	case !r.upToDate(ask.last()):
		r.rule(RV2, LogBehind, m.From, ask.last(), mine)
	default:
		granted = true
		r.rule(RV2, Voted, m.From, ask.last(), mine)
		r.votedFor = m.From
		switch role := r.role.(type) {
		case *follower:
			// Fig2/F.2: granting a vote starts the timer again. Refusing does not: a candidate that
			// can't win must not keep others from standing.
			role.elapsed, role.timeout = 0, r.drawElectionTimeout()
		case *preCandidate:
			// It waits for whom it has helped to win, or it would depose that one.
			r.becomeFollower(r.currentTerm)
		}
	}
	r.sendDurable(m.From, 0, VoteReply{Granted: granted})
}

// onVoteReply counts votes, one a voter.
func (r *Raft) onVoteReply(c *candidate, m Message, v VoteReply) {
	if v.PreVote {
		return
	}
	c.votes.record(m.From, v.Granted)
	r.countVotes(c)
}

// countOwnVote counts this node's vote for itself once its disk holds it, like anybody's.
func (r *Raft) countOwnVote(c *candidate) {
	if r.disk.hard == r.hard() {
		c.votes.record(r.id, true)
		r.countVotes(c)
	}
}

func (r *Raft) countVotes(c *candidate) {
	// Fig2/C.2: votes from a majority: leader. Its own must be among them, or it could lead a term
	// that its own disk does not know.
	if c.votes.granted(r.id) && r.members().quorum(c.votes.granted) {
		r.becomeLeader(c)
	}
}

// follow accepts who leads the current term. Every AppendEntries, Heartbeat and InstallSnapshot
// comes by here, also when it is refused: it proves that the leader lives.
func (r *Raft) follow(id NodeID) *follower {
	r.assert(r.termLeader == 0 || r.termLeader == id, "two leaders in one term")
	f, ok := r.role.(*follower)
	if !ok {
		r.assert(r.role.kind() != Leader, "a leader hears another in its own term")
		// Fig2/C.3: a candidate yields to the leader of its term. Its vote stands.
		r.rule(C3, AnotherWon, id, Position{}, Position{})
		f = r.becomeFollower(r.currentTerm)
	}
	if f.leader != id {
		// Fig2/F.1: respond to RPCs from candidates and leaders.
		r.rule(F1, Follows, id, Position{}, Position{})
		r.stood = 0
		f.leader, f.timeout = id, r.drawElectionTimeout()
	}
	r.termLeader, r.yielded = id, false
	f.elapsed, r.quiet = 0, 0
	return f
}
