package etcdraft

import (
	"slices"

	"drystone/raft"

	etcd "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// Step takes a message from a peer. Peers are known to be who they say, and to follow the
// protocol; messages may be lost, delayed, repeated and reordered at will.
func (e *Engine) Step(m raft.Message) {
	if m.To != e.id || m.From == e.id || m.From == 0 || m.Term == 0 || !e.welcome(m) {
		return
	}
	p := toMessage(m)
	if p == nil {
		return
	}
	switch b := m.Body.(type) {
	case raft.InstallSnapshot:
		p.Snapshot.Metadata.ConfState = toConfState(e.asMember(b.Meta.Members))
	case raft.RequestVote:
		if e.at.role == raft.Follower && e.at.leader == m.From {
			// The leader asks for votes itself, so it is none any more, and its followers may vote for
			// it. For nobody else yet: thesis §4.2.3 counts from when it was heard.
			p.Context = []byte(transferContext)
		}
	}
	e.prevoted = 0
	_ = e.node.Step(p) // an error says that it is of no use here
	e.settle()
	switch b := m.Body.(type) {
	case raft.RequestVote:
		if b.PreVote && e.prevoted == m.From {
			e.yield(m.From, raft.Position{Index: b.LastLogIndex, Term: b.LastLogTerm})
		}
	case raft.AppendEntries, raft.Heartbeat, raft.InstallSnapshot:
		if e.at.role == raft.Follower && e.at.leader == m.From && e.at.hard.CurrentTerm == m.Term {
			e.hearLeader()
		}
	case raft.VoteReply:
		if !b.PreVote && m.Term == e.at.hard.CurrentTerm {
			e.asked = slices.DeleteFunc(e.asked, func(ask raft.Message) bool { return ask.To == m.From })
		}
	case raft.AppendReply, raft.SnapshotReply:
		e.hearPeer(m)
	case raft.HeartbeatReply:
		if p := e.hearPeer(m); p != nil {
			e.retryShip(p)
		}
	}
}

// hearPeer notes that a peer lives that answers this leader.
func (e *Engine) hearPeer(m raft.Message) *peer {
	p := e.peer(m.From)
	if p == nil || m.Term != e.at.hard.CurrentTerm {
		return nil
	}
	p.quiet = 0
	return p
}

// welcome looks at a message before etcd does, and says whether it may.
func (e *Engine) welcome(m raft.Message) bool {
	switch b := m.Body.(type) {
	case raft.VoteReply:
		return !(b.PreVote && b.Granted && e.standBack)
	case raft.AppendEntries:
		return wellFormed(m.Term, raft.Position{Index: b.PrevLogIndex, Term: b.PrevLogTerm}, b.Entries)
	case raft.Heartbeat:
		// etcd asserts that the entry is there, and not which.
		term, known := e.log.term(b.Commit)
		if known && b.CommitTerm > 0 && m.Term >= e.at.hard.CurrentTerm {
			assert(b.CommitTerm == term, "the leader counts entries that this disk has lost")
		}
	case raft.AppendReply:
		return b.MatchIndex <= e.log.lastIndex() || e.at.hard.CurrentTerm != m.Term
	case raft.SnapshotReply:
		return b.MatchIndex <= e.log.lastIndex() || e.at.hard.CurrentTerm != m.Term
	case raft.TimeoutNow:
		// thesis §3.10: it stands at once, if it stands at all, and by what it goes by in the leader's
		// term. A leader tells nobody who has not answered it in its term.
		return e.at.role != raft.Leader && m.Term == e.at.hard.CurrentTerm && e.prepareToStand()
	}
	return true
}

// withCommitTerm says which entry a heartbeat takes its receiver to have.
func (e *Engine) withCommitTerm(h raft.Heartbeat) raft.Heartbeat {
	h.CommitTerm, _ = e.log.term(h.Commit)
	return h
}

// wellFormed reports whether entries follow prev without a gap, in terms that never decrease and
// never pass the sender's.
func wellFormed(term raft.Term, prev raft.Position, entries []raft.Entry) bool {
	for i := range entries {
		if entries[i].Index != prev.Index+1 || entries[i].Term < prev.Term {
			return false
		}
		prev = raft.Position{Index: entries[i].Index, Term: entries[i].Term}
	}
	return prev.Term <= term
}

// settle takes over what the RawNode wants done, until it wants nothing more.
func (e *Engine) settle() {
	for {
		e.observe()
		switch {
		case e.node.HasReady():
			e.take(e.node.Ready())
		case len(e.local) > 0:
			m := e.local[0]
			e.local = e.local[1:]
			_ = e.node.Step(m)
		case !e.advanceMembers():
			e.check()
			return
		}
	}
}

// observe looks where the RawNode stands now, and draws the consequences.
func (e *Engine) observe() {
	was, s := e.at, e.node.BasicStatus()
	e.at = standing{
		role:   roleOf(s.RaftState),
		leader: raft.NodeID(s.Lead),
		hard: raft.HardState{
			CurrentTerm: raft.Term(s.GetTerm()), VotedFor: raft.NodeID(s.GetVote()),
		},
		commit:   raft.Index(s.GetCommit()),
		transfer: raft.NodeID(s.LeadTransferee),
	}
	assert(e.at.hard.CurrentTerm >= was.hard.CurrentTerm, "the term goes back")
	assert(e.at.commit >= was.commit, "the commit index goes back")
	if e.at.hard.CurrentTerm > was.hard.CurrentTerm {
		// What waits for a write of the old term goes with it. The write that would release it may
		// no longer hold what it says: the log may be truncated before it is written.
		e.after, e.yielded = nil, false
	}
	if e.at.role == raft.Follower && e.at.leader != was.leader && e.at.leader != 0 {
		e.stood = 0
		e.timer = timer{timeout: e.drawElectionTimeout()}
	}
	if e.at.role == was.role {
		return
	}
	e.asked = nil
	if was.role == raft.Leader {
		e.leaveOffice()
	}
	switch e.at.role {
	case raft.Candidate:
		e.stood++
		e.timer = timer{timeout: e.drawElectionTimeout()}
	case raft.Leader:
		e.quiet, e.stood = 0, 0
		e.goBy(e.members())
	}
}

func roleOf(s etcd.StateType) raft.Role {
	switch s {
	case etcd.StateLeader:
		return raft.Leader
	case etcd.StateCandidate:
		return raft.Candidate
	case etcd.StatePreCandidate:
		return raft.PreCandidate
	}
	return raft.Follower
}

// leaveOffice ends what only a leader has.
func (e *Engine) leaveOffice() {
	e.quiet = e.config.ElectionTicks
	e.timer = timer{timeout: e.drawElectionTimeout()}
	e.peers, e.ship = nil, nil
	e.reads.waiting, e.reads.rounds = nil, nil
}

// take takes over one of etcd's Readys: writes first, for messages may have to wait for them.
func (e *Engine) take(rd etcd.Ready) {
	for _, m := range rd.Messages {
		switch m.GetType() {
		case pb.MsgStorageAppend:
			e.takeAppend(m)
		case pb.MsgStorageApply:
			e.takeApply(m)
		}
	}
	for _, m := range rd.Messages {
		switch m.GetType() {
		case pb.MsgStorageAppend, pb.MsgStorageApply:
		case pb.MsgSnap:
			e.shipTo(raft.NodeID(m.GetTo()))
		case pb.MsgVote, pb.MsgHeartbeatResp:
			// etcd lets them leave at once. But who stands in a term that its disk does not know may
			// lead it a second time, after a crash.
			said := fromMessage(m)
			e.sendDurable(said, 0)
			if m.GetType() == pb.MsgVote {
				e.asked = append(e.asked, said)
			}
		case pb.MsgHeartbeat:
			said := fromMessage(m)
			said.Body = e.withCommitTerm(said.Body.(raft.Heartbeat))
			e.send(said)
		default:
			e.send(fromMessage(m))
		}
	}
	for _, r := range rd.ReadStates {
		e.grant(r)
	}
}

// send lets a message leave at once.
func (e *Engine) send(m raft.Message) {
	e.out = append(e.out, m)
	if e.config.Trace != nil {
		e.config.Trace(raft.Event{
			Kind: raft.EventSent, Node: e.id, Term: e.at.hard.CurrentTerm, Peer: m.To, Message: m,
		})
	}
}
