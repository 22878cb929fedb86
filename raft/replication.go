package raft

// Log replication (§5.3): both ends of AppendEntries and of Heartbeat.

func (r *Raft) tickLeader(l *leader) {
	for i := range l.progress {
		l.progress[i].quiet++
	}
	if r.stalled() {
		// DIFFERS(4): a leader whose disk hangs can commit little and serve nobody, yet its heartbeats
		// would keep everybody from electing one who can.
		r.rule(LeaderDisk, DiskHangs, 0, Position{Index: r.disk.durable}, r.log.last())
		r.stepDown()
		return
	}
	if !r.members().quorum(func(id NodeID) bool { return r.heard(l, id) }) {
		// thesis §6.2: a leader cut off from a majority gives up, so that its clients look elsewhere
		// and those who still hear it are free to vote.
		r.rule(CheckQuorum, QuorumSilent, 0, Position{}, Position{})
		r.stepDown()
		return
	}
	r.tickTransfer(l)
	l.elapsed++
	if l.elapsed >= r.config.HeartbeatTicks {
		// Fig2/L.1: heartbeats during idle periods. They never wait for disk or machine.
		l.elapsed = 0
		for i := range l.progress {
			r.sendHeartbeat(l, &l.progress[i])
		}
	}
}

func (r *Raft) heard(l *leader, id NodeID) bool {
	if id == r.id {
		return true
	}
	p := l.peer(id)
	return p != nil && p.quiet <= r.config.ElectionTicks
}

// stepDown gives up leadership within the term.
func (r *Raft) stepDown() {
	r.becomeFollower(r.currentTerm)
	r.quiet = r.config.ElectionTicks
}

// sendHeartbeat tells a peer that the leader lives, what is committed of what it is known to
// hold, and asks it to confirm the newest reads (thesis §6.4).
// DIFFERS(1): Figure 2 makes do with an empty AppendEntries, which would have to wait for the
// disk like any other.
func (r *Raft) sendHeartbeat(l *leader, p *progress) {
	commit := min(p.matchIndex, r.commitIndex)
	p.told = max(p.told, commit)
	term, _ := r.log.term(commit)
	r.send(p.id, r.currentTerm, Heartbeat{Commit: commit, Read: l.reads.newest(), CommitTerm: term})
}

// replicate sends every peer what it lacks (Fig2/L.3), as far as it may be sent ahead, and the
// commit index if nothing else told it. It runs once a Ready, so that a burst makes one message.
func (r *Raft) replicate(l *leader) {
	for i := range l.progress {
		p := &l.progress[i]
		for r.maySend(p) && r.sendAppend(p, r.appendBytes(p)) {
		}
		if p.told < min(p.matchIndex, r.commitIndex) {
			r.sendHeartbeat(l, p)
		}
	}
}

func (r *Raft) maySend(p *progress) bool {
	if p.nextIndex > r.log.lastIndex() {
		return false
	}
	switch p.state {
	case ProgressProbe:
		return !p.asked
	case ProgressReplicate:
		if len(p.inflight.messages) == 0 {
			return true
		}
		next, ok := r.log.at(p.nextIndex)
		return len(p.inflight.messages) < r.config.MaxInflight &&
			(!ok || p.inflight.bytes+next.bytes() <= r.config.InflightBytes)
	}
	return false
}

// appendBytes is how much the next AppendEntries to a peer may carry.
func (r *Raft) appendBytes(p *progress) int {
	return min(r.config.MaxAppendBytes, max(1, r.config.InflightBytes-p.inflight.bytes))
}

// sendAppend sends entries from nextIndex on, of at most maxBytes, or none as a probe if that is
// 0. It fails when the entry before them is compacted: then only a snapshot helps (§7).
func (r *Raft) sendAppend(p *progress, maxBytes int) bool {
	prevLogIndex := p.nextIndex - 1
	prevLogTerm, ok := r.log.term(prevLogIndex)
	if !ok {
		r.shipTo(p)
		return false
	}
	var entries []Entry
	if maxBytes > 0 {
		entries = r.log.limited(p.nextIndex, maxBytes)
	}
	lastNew := prevLogIndex + Index(len(entries))
	p.told = max(p.told, min(r.commitIndex, lastNew))
	switch p.state {
	case ProgressProbe:
		p.asked = true
	case ProgressReplicate:
		if len(entries) > 0 {
			p.inflight.add(lastNew, weigh(entries))
			p.nextIndex = lastNew + 1
		}
	}
	r.send(p.id, r.currentTerm, AppendEntries{
		PrevLogIndex: prevLogIndex,
		PrevLogTerm:  prevLogTerm,
		Entries:      entries,
		LeaderCommit: r.commitIndex,
	})
	return true
}

// onAppendEntries is the receiver's side of AppendEntries (§5.3).
func (r *Raft) onAppendEntries(_ *follower, m Message, a AppendEntries) {
	prev, entries := Position{a.PrevLogIndex, a.PrevLogTerm}, a.Entries
	if !wellFormed(m.Term, prev, entries) {
		r.rule(Protocol, Malformed, m.From, prev, Position{})
		return
	}
	lastNew := prev.Index + Index(len(entries))

	// What lies at or before the log's base is committed, hence equal: look at the rest alone.
	if base := r.log.base; prev.Index < base.Index {
		entries = entries[min(Index(len(entries)), base.Index-prev.Index):]
		prev = base
	}

	// Fig2/AE.2: no entry at prevLogIndex with prevLogTerm: refuse, and hint where to look.
	if !r.log.matches(prev) {
		hint := r.log.lastAtMost(prev.Index, prev.Term) // §5.3, last paragraph
		r.rule(AE2, NoSuchEntry, m.From, prev, hint)
		r.sendDurable(m.From, 0, AppendReply{
			PrevLogIndex: prev.Index, HintIndex: hint.Index, HintTerm: hint.Term,
		})
		return
	}

	r.merge(m.From, entries)

	// Fig2/AE.5: commitIndex = min(leaderCommit, index of last new entry). The log may go on after
	// that with entries of an earlier leader, which nobody has checked.
	if commit := min(a.LeaderCommit, lastNew); commit > r.commitIndex {
		r.rule(AE5, LeaderCommitted, m.From, r.log.position(commit), Position{})
		r.commitTo(commit)
	}

	// Acknowledge what this message covers, not what the log holds, and once it is durable.
	r.sendDurable(m.From, lastNew, AppendReply{Success: true, MatchIndex: lastNew})
}

// wellFormed reports whether entries follow prev without a gap, in terms that never decrease and
// never pass the sender's.
func wellFormed(term Term, prev Position, entries []Entry) bool {
	for i := range entries {
		e := &entries[i]
		if e.Index != prev.Index+1 || e.Term < prev.Term {
			return false
		}
		prev = e.position()
	}
	return prev.Term <= term
}

// merge takes over entries that follow an entry both logs have. What agrees is never touched: a
// late duplicate must not drop entries that the leader has counted since.
func (r *Raft) merge(from NodeID, entries []Entry) {
	for i := range entries {
		e := &entries[i]
		mine, ok := r.log.term(e.Index)
		if ok && mine == e.Term {
			continue
		}
		if ok {
			// Fig2/AE.3: an existing entry conflicts: delete it and all that follow.
			r.rule(AE3, Conflicts, from, Position{e.Index, mine}, e.position())
			r.truncate(e.Index)
		}
		// Fig2/AE.4: append any new entries not already in the log.
		r.rule(AE4, Appended, 0, e.position(), entries[len(entries)-1].position())
		r.log.append(entries[i:]...)
		for j := range entries[i:] {
			r.noteConfig(&entries[i+j])
		}
		return
	}
}

// truncate drops everything from first on, and what was concluded from it.
func (r *Raft) truncate(first Index) {
	r.assert(r.role.kind() != Leader, "a leader deletes from its log")
	r.assert(first > r.commitIndex, "deletes a committed entry")
	r.log.truncate(first)
	r.disk.clamp(first - 1)
	r.dropConfigs(first)
}

// onAppendReply moves a peer's matchIndex and nextIndex (Fig2/L.3).
func (r *Raft) onAppendReply(l *leader, p *progress, a AppendReply) {
	if !a.Success {
		r.onRefusal(p, a)
		return
	}
	if a.MatchIndex > r.log.lastIndex() {
		r.rule(L3, AckBeyondEnd, p.id, Position{Index: a.MatchIndex}, r.log.last())
		return
	}
	// Fig2/L.3: if successful, update nextIndex and matchIndex.
	if !p.advanceMatch(a.MatchIndex) && p.state == ProgressReplicate {
		return // late
	}
	switch {
	case p.state == ProgressProbe && p.matchIndex+1 >= p.nextIndex,
		p.state == ProgressSnapshot && p.matchIndex >= r.log.base.Index:
		r.rule(L3, LogsAgree, p.id, Position{Index: p.matchIndex}, Position{})
		p.becomeReplicate()
	}
	r.advanceCommit(l)
	if r.role == role(l) {
		r.continueTransfer(l, p)
	}
}

// onRefusal steps back to where the logs may agree. A late one is told by the prevLogIndex it
// names: nothing that was acknowledged is ever sent anew because of it.
func (r *Raft) onRefusal(p *progress, a AppendReply) {
	refused := a.PrevLogIndex
	switch {
	case p.state == ProgressSnapshot || refused <= p.matchIndex ||
		p.state == ProgressProbe && refused != p.nextIndex-1 ||
		p.state == ProgressReplicate && refused >= p.nextIndex:
		r.rule(L3, LateRefusal, p.id, Position{Index: refused}, Position{Index: p.matchIndex})
		return
	case p.state == ProgressReplicate:
		// Something before was lost or overtaken: go on behind what is known to be there.
		p.becomeProbe(p.matchIndex + 1)
	default:
		// Fig2/L.3: decrement nextIndex and retry; by a whole term where the hint allows.
		agree := a.HintIndex
		if agree >= r.log.base.Index {
			agree = r.log.lastAtMost(agree, a.HintTerm).Index
		}
		p.becomeProbe(max(p.matchIndex+1, min(agree+1, refused)))
	}
	p.told = min(p.told, p.matchIndex) // what the refused one said of commitment was not heard
	r.rule(L3, StepsBack, p.id, Position{Index: refused}, Position{Index: p.nextIndex})
}

// onHeartbeat answers a leader at once, and learns what is committed.
func (r *Raft) onHeartbeat(_ *follower, m Message, h Heartbeat) {
	if h.Commit > r.commitIndex {
		// The leader names no more than this node has acknowledged. A disk that lost the newest group
		// it wrote shows what that replaced, if anything.
		term, known := r.log.term(h.Commit)
		r.assert(known && (h.CommitTerm == 0 || h.CommitTerm == term),
			"the leader counts entries that this disk has lost")
		r.rule(AE5, LeaderCommitted, m.From, r.log.position(h.Commit), Position{})
		r.commitTo(h.Commit)
	}
	r.sendDurable(m.From, 0, HeartbeatReply{Read: h.Read})
}

// onHeartbeatReply finds what was lost on the way: the peer lives, so if what was sent to it has
// not arrived since its last reply, it never will.
func (r *Raft) onHeartbeatReply(l *leader, p *progress, h HeartbeatReply) {
	r.confirmReads(l, p.id, h.Read)
	switch p.state {
	case ProgressProbe:
		p.asked = false
	case ProgressReplicate:
		if p.matchIndex+1 < p.nextIndex && p.matchIndex == p.matched {
			// An empty one tells: it is refused if anything before it is missing.
			r.rule(L3, NoProgress, p.id, Position{Index: p.matchIndex}, Position{Index: p.nextIndex})
			r.sendAppend(p, 0)
		}
		p.matched = p.matchIndex
	case ProgressSnapshot:
		r.retryShip(p)
	}
}
