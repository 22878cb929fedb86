package wire

import (
	"bytes"
	"fmt"

	"drystone/raft"
	"drystone/rsm"
)

// EncodeMessage appends m's body, without a frame.
func EncodeMessage(dst []byte, m Message) []byte {
	assert((m.Raft == nil) != (m.Peer == nil), "a message is one of its fields")
	if m.Raft != nil {
		return encodeRaft(dst, m.Raft)
	}
	return encodePeer(dst, m.Peer)
}

// DecodeMessage reads a body; b is that and no more. Entries' Data and a Forward's Batch alias b,
// which must then live, unchanged, as long as they do (see Aliases); nothing else does.
func DecodeMessage(b []byte) (Message, error) {
	c := cursor{rest: b}
	kind, err := c.head()
	if err != nil {
		return Message{}, err
	}
	if kind < kindForward {
		return c.raft(kind)
	}
	return c.peer(kind)
}

// Aliases says whether the message in this body, of which the first two bytes will do, would
// alias it once decoded.
func Aliases(body []byte) bool {
	return len(body) >= 2 && (body[1] == kindAppendEntries || body[1] == kindForward)
}

func encodeRaft(dst []byte, m *raft.Message) []byte {
	head := func(kind uint8) {
		dst = append(dst, Version, kind)
		dst = appendU64(dst, uint64(m.From))
		dst = appendU64(dst, uint64(m.To))
		dst = appendU64(dst, uint64(m.Term))
	}
	switch body := m.Body.(type) {
	case raft.RequestVote:
		head(kindRequestVote)
		dst = appendU64(dst, uint64(body.LastLogIndex))
		dst = appendU64(dst, uint64(body.LastLogTerm))
		dst = append(dst, bit(body.PreVote, flagPreVote)|bit(body.Transfer, flagTransfer))
	case raft.VoteReply:
		head(kindVoteReply)
		dst = append(dst, bit(body.PreVote, flagPreVote)|bit(body.Granted, flagGranted))
	case raft.AppendEntries:
		head(kindAppendEntries)
		dst = appendU64(dst, uint64(body.PrevLogIndex))
		dst = appendU64(dst, uint64(body.PrevLogTerm))
		dst = appendU64(dst, uint64(body.LeaderCommit))
		dst = appendSlots(dst, body.PrevLogIndex, body.Entries)
	case raft.AppendReply:
		head(kindAppendReply)
		dst = append(dst, bit(body.Success, flagSuccess))
		dst = appendU64(dst, uint64(body.MatchIndex))
		dst = appendU64(dst, uint64(body.PrevLogIndex))
		dst = appendU64(dst, uint64(body.HintIndex))
		dst = appendU64(dst, uint64(body.HintTerm))
	case raft.Heartbeat:
		head(kindHeartbeat)
		dst = appendU64(dst, uint64(body.Commit))
		dst = appendU64(dst, body.Read)
		dst = appendU64(dst, uint64(body.CommitTerm))
	case raft.HeartbeatReply:
		head(kindHeartbeatReply)
		dst = appendU64(dst, body.Read)
	case raft.InstallSnapshot:
		head(kindInstallSnapshot)
		dst = appendMeta(dst, body.Meta)
	case raft.SnapshotReply:
		head(kindSnapshotReply)
		dst = appendU64(dst, uint64(body.MatchIndex))
	case raft.TimeoutNow:
		head(kindTimeoutNow)
	default:
		assert(false, "a raft message without a body")
	}
	return dst
}

func (c *cursor) raft(kind uint8) (Message, error) {
	m := &raft.Message{
		From: raft.NodeID(c.u64()), To: raft.NodeID(c.u64()), Term: raft.Term(c.u64()),
	}
	switch kind {
	case kindRequestVote:
		body := raft.RequestVote{
			LastLogIndex: raft.Index(c.u64()), LastLogTerm: raft.Term(c.u64()),
		}
		flags := c.flags(flagPreVote | flagTransfer)
		body.PreVote, body.Transfer = flags&flagPreVote != 0, flags&flagTransfer != 0
		m.Body = body
	case kindVoteReply:
		flags := c.flags(flagPreVote | flagGranted)
		m.Body = raft.VoteReply{
			PreVote: flags&flagPreVote != 0, Granted: flags&flagGranted != 0,
		}
	case kindAppendEntries:
		body := raft.AppendEntries{
			PrevLogIndex: raft.Index(c.u64()), PrevLogTerm: raft.Term(c.u64()),
			LeaderCommit: raft.Index(c.u64()),
		}
		body.Entries = c.slots(body.PrevLogIndex)
		m.Body = body
	case kindAppendReply:
		m.Body = raft.AppendReply{
			Success:    c.flags(flagSuccess) != 0,
			MatchIndex: raft.Index(c.u64()), PrevLogIndex: raft.Index(c.u64()),
			HintIndex: raft.Index(c.u64()), HintTerm: raft.Term(c.u64()),
		}
	case kindHeartbeat:
		m.Body = raft.Heartbeat{
			Commit: raft.Index(c.u64()), Read: c.u64(), CommitTerm: raft.Term(c.u64()),
		}
	case kindHeartbeatReply:
		m.Body = raft.HeartbeatReply{Read: c.u64()}
	case kindInstallSnapshot:
		m.Body = raft.InstallSnapshot{Meta: c.meta()}
	case kindSnapshotReply:
		m.Body = raft.SnapshotReply{MatchIndex: raft.Index(c.u64())}
	case kindTimeoutNow:
		m.Body = raft.TimeoutNow{}
	default:
		return Message{}, fmt.Errorf("%w: unknown kind %d", ErrMalformed, kind)
	}
	c.skipTagged()
	if err := c.err("raft message"); err != nil {
		return Message{}, err
	}
	return Message{Raft: m}, nil
}

func encodePeer(dst []byte, m rsm.PeerMessage) []byte {
	switch m := m.(type) {
	case rsm.Forward:
		dst = append(dst, Version, kindForward)
		dst = appendU64(dst, m.ElapsedMs)
		dst = appendBytes(dst, m.Batch)
	case rsm.Refusal:
		dst = append(dst, Version, kindRefusal)
		dst = appendU64(dst, m.Boot)
		dst = appendU64(dst, m.Number)
		dst = appendU64(dst, m.Leader)
		dst = appendBytes(dst, []byte(m.Code))
	case rsm.ReadAsk:
		dst = append(dst, Version, kindReadAsk)
		dst = appendU64(dst, m.ID)
	case rsm.ReadAnswer:
		dst = append(dst, Version, kindReadAnswer)
		dst = appendU64(dst, m.ID)
		dst = appendU64(dst, m.Index)
		dst = append(dst, bit(m.OK, flagOK))
	case rsm.AdminAsk:
		dst = append(dst, Version, kindAdminAsk)
		dst = appendU64(dst, m.ID)
		dst = appendBytes(dst, m.Body)
	case rsm.AdminAnswer:
		dst = append(dst, Version, kindAdminReply)
		dst = appendU64(dst, m.ID)
		dst = appendBytes(dst, m.Body)
	default:
		assert(false, "a peer message of no known type")
	}
	return dst
}

func (c *cursor) peer(kind uint8) (Message, error) {
	var m rsm.PeerMessage
	switch kind {
	case kindForward:
		m = rsm.Forward{ElapsedMs: c.u64(), Batch: c.bytes()}
	case kindRefusal:
		m = rsm.Refusal{
			Boot: c.u64(), Number: c.u64(), Leader: c.u64(), Code: rsm.Code(c.bytes()),
		}
	case kindReadAsk:
		m = rsm.ReadAsk{ID: c.u64()}
	case kindReadAnswer:
		m = rsm.ReadAnswer{ID: c.u64(), Index: c.u64(), OK: c.flags(flagOK) != 0}
	case kindAdminAsk:
		m = rsm.AdminAsk{ID: c.u64(), Body: bytes.Clone(c.bytes())}
	case kindAdminReply:
		m = rsm.AdminAnswer{ID: c.u64(), Body: bytes.Clone(c.bytes())}
	default:
		return Message{}, fmt.Errorf("%w: unknown kind %d", ErrMalformed, kind)
	}
	c.skipTagged()
	if err := c.err("peer message"); err != nil {
		return Message{}, err
	}
	return Message{Peer: m}, nil
}

// FrameBound is a little above the length of m's frame: what the message weighs before it is
// encoded.
func FrameBound(m Message) int {
	const small = HeaderBytes + 96
	if m.Raft != nil {
		switch body := m.Raft.Body.(type) {
		case raft.AppendEntries:
			n := small + slotBytes*len(body.Entries)
			for i := range body.Entries {
				n += len(body.Entries[i].Data)
			}
			return n
		case raft.InstallSnapshot:
			members := &body.Meta.Members
			return small + len(members.Directory) +
				8*(len(members.Voters)+len(members.Next)+len(members.Learners))
		}
		return small
	}
	switch body := m.Peer.(type) {
	case rsm.Forward:
		return small + len(body.Batch)
	case rsm.Refusal:
		return small + len(body.Code)
	case rsm.AdminAsk:
		return small + len(body.Body)
	case rsm.AdminAnswer:
		return small + len(body.Body)
	}
	return small
}
