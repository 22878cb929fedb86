package etcdraft

import (
	"encoding/binary"

	"drystone/raft"

	pb "go.etcd.io/raft/v3/raftpb"
)

// Messages and entries, both ways and without loss: what a peer of either engine sends, a peer of
// either engine takes.

// ownTypes is where our kinds of entries begin among etcd's types of entries. etcd looks into the
// entries it knows to be changes of members, and takes all others for data. A configuration of
// ours is none of its changes: it is a value, in force when appended (members.go).
const ownTypes pb.EntryType = 16

func toType(k raft.EntryKind) pb.EntryType {
	if k == raft.EntryNoop {
		return pb.EntryNormal // what a leader of etcd's begins with, and nothing else
	}
	return ownTypes + pb.EntryType(k)
}

func kindOf(e *pb.Entry) raft.EntryKind {
	if t := e.GetType(); t != pb.EntryNormal {
		return raft.EntryKind(t - ownTypes)
	}
	return raft.EntryNoop
}

func positionOf(e *pb.Entry) raft.Position {
	return raft.Position{Index: raft.Index(e.GetIndex()), Term: raft.Term(e.GetTerm())}
}

func fromEntry(e *pb.Entry) raft.Entry {
	at := positionOf(e)
	return raft.Entry{Index: at.Index, Term: at.Term, Kind: kindOf(e), Data: e.Data}
}

func fromEntries(entries []*pb.Entry) []raft.Entry {
	if len(entries) == 0 {
		return nil
	}
	out := make([]raft.Entry, len(entries))
	for i, e := range entries {
		out[i] = fromEntry(e)
	}
	return out
}

func toEntries(entries []raft.Entry) []*pb.Entry {
	out := make([]*pb.Entry, len(entries))
	room := make([]struct { // one allocation for all
		pb.Entry
		term, index uint64
		kind        pb.EntryType
	}, len(entries))
	for i := range entries {
		e, r := &entries[i], &room[i]
		r.term, r.index, r.kind = uint64(e.Term), uint64(e.Index), toType(e.Kind)
		r.Term, r.Index, r.Type, r.Data = &r.term, &r.index, &r.kind, e.Data
		out[i] = &r.Entry
	}
	return out
}

func toIDs(ids []raft.NodeID) []uint64 {
	var out []uint64
	for _, id := range ids {
		out = append(out, uint64(id))
	}
	return out
}

// toConfState says in etcd's words what a configuration is. While joint, an old voter that is to
// be a learner waits in LearnersNext.
func toConfState(m raft.Members) *pb.ConfState {
	c := &pb.ConfState{Voters: toIDs(m.Voters)}
	if m.Joint() {
		c.Voters, c.VotersOutgoing = toIDs(m.Next), toIDs(m.Voters)
	}
	for _, id := range m.Learners {
		if m.IsVoter(id) {
			c.LearnersNext = append(c.LearnersNext, uint64(id))
		} else {
			c.Learners = append(c.Learners, uint64(id))
		}
	}
	return c
}

// toSnapshot keeps the configuration as it is, directory and all, where etcd keeps the state.
func toSnapshot(m raft.SnapshotMeta) *pb.Snapshot {
	return &pb.Snapshot{
		Data: raft.EncodeMembers(nil, m.Members),
		Metadata: &pb.SnapshotMetadata{
			Index: new(uint64(m.LastIncludedIndex)), Term: new(uint64(m.LastIncludedTerm)),
			ConfState: toConfState(m.Members),
		},
	}
}

func fromSnapshot(s *pb.Snapshot) raft.SnapshotMeta {
	m, err := raft.DecodeMembers(s.GetData())
	assert(err == nil, "the configuration of a snapshot cannot be read")
	return raft.SnapshotMeta{
		LastIncludedIndex: raft.Index(s.GetMetadata().GetIndex()),
		LastIncludedTerm:  raft.Term(s.GetMetadata().GetTerm()),
		Members:           m,
	}
}

// transferContext is what etcd puts into the RequestVote of a transfer.
const transferContext = "CampaignTransfer"

// Which round of reads a heartbeat asks to confirm; nothing stands for none.
func toContext(read uint64) []byte {
	if read == 0 {
		return nil
	}
	return binary.LittleEndian.AppendUint64(nil, read)
}

func fromContext(c []byte) uint64 {
	if len(c) != 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(c)
}

// toMessage is what a peer says, in etcd's words; nil if they have none for it.
func toMessage(m raft.Message) *pb.Message {
	p := &pb.Message{
		From: new(uint64(m.From)), To: new(uint64(m.To)), Term: new(uint64(m.Term)),
	}
	switch b := m.Body.(type) {
	case raft.RequestVote:
		p.Type = pb.MsgVote.Enum()
		if b.PreVote {
			p.Type = pb.MsgPreVote.Enum()
		}
		if b.Transfer {
			p.Context = []byte(transferContext)
		}
		p.Index, p.LogTerm = new(uint64(b.LastLogIndex)), new(uint64(b.LastLogTerm))
	case raft.VoteReply:
		p.Type = pb.MsgVoteResp.Enum()
		if b.PreVote {
			p.Type = pb.MsgPreVoteResp.Enum()
		}
		p.Reject = new(!b.Granted)
	case raft.AppendEntries:
		p.Type = pb.MsgApp.Enum()
		p.Index, p.LogTerm = new(uint64(b.PrevLogIndex)), new(uint64(b.PrevLogTerm))
		p.Entries, p.Commit = toEntries(b.Entries), new(uint64(b.LeaderCommit))
	case raft.AppendReply:
		p.Type = pb.MsgAppResp.Enum()
		p.Index = new(uint64(b.MatchIndex))
		if !b.Success {
			p.Index, p.Reject = new(uint64(b.PrevLogIndex)), new(true)
			p.RejectHint, p.LogTerm = new(uint64(b.HintIndex)), new(uint64(b.HintTerm))
		}
	case raft.Heartbeat:
		p.Type = pb.MsgHeartbeat.Enum()
		p.Commit, p.Context = new(uint64(b.Commit)), toContext(b.Read)
		p.LogTerm = new(uint64(b.CommitTerm)) // etcd looks at it in other messages only
	case raft.HeartbeatReply:
		p.Type = pb.MsgHeartbeatResp.Enum()
		p.Context = toContext(b.Read)
	case raft.InstallSnapshot:
		p.Type = pb.MsgSnap.Enum()
		p.Snapshot = toSnapshot(b.Meta)
	case raft.SnapshotReply:
		p.Type = pb.MsgAppResp.Enum()
		p.Index = new(uint64(b.MatchIndex))
	case raft.TimeoutNow:
		p.Type = pb.MsgTimeoutNow.Enum()
	default:
		return nil
	}
	return p
}

// fromMessage is what etcd wants to say to a peer. Of its snapshots the host takes care.
func fromMessage(p *pb.Message) raft.Message {
	m := raft.Message{
		From: raft.NodeID(p.GetFrom()), To: raft.NodeID(p.GetTo()), Term: raft.Term(p.GetTerm()),
	}
	index, term := raft.Index(p.GetIndex()), raft.Term(p.GetLogTerm())
	switch t := p.GetType(); t {
	case pb.MsgVote, pb.MsgPreVote:
		m.Body = raft.RequestVote{
			LastLogIndex: index, LastLogTerm: term,
			PreVote: t == pb.MsgPreVote, Transfer: string(p.GetContext()) == transferContext,
		}
	case pb.MsgVoteResp, pb.MsgPreVoteResp:
		m.Body = raft.VoteReply{Granted: !p.GetReject(), PreVote: t == pb.MsgPreVoteResp}
	case pb.MsgApp:
		m.Body = raft.AppendEntries{
			PrevLogIndex: index, PrevLogTerm: term,
			Entries: fromEntries(p.GetEntries()), LeaderCommit: raft.Index(p.GetCommit()),
		}
	case pb.MsgAppResp:
		if p.GetReject() {
			m.Body = raft.AppendReply{
				PrevLogIndex: index, HintIndex: raft.Index(p.GetRejectHint()), HintTerm: term,
			}
		} else {
			m.Body = raft.AppendReply{Success: true, MatchIndex: index}
		}
	case pb.MsgHeartbeat:
		m.Body = raft.Heartbeat{
			Commit: raft.Index(p.GetCommit()), Read: fromContext(p.GetContext()), CommitTerm: term,
		}
	case pb.MsgHeartbeatResp:
		m.Body = raft.HeartbeatReply{Read: fromContext(p.GetContext())}
	case pb.MsgSnap:
		m.Body = raft.InstallSnapshot{Meta: fromSnapshot(p.GetSnapshot())}
	case pb.MsgTimeoutNow:
		m.Body = raft.TimeoutNow{}
	default:
		assert(false, "etcd says what no peer understands: "+t.String())
	}
	return m
}
