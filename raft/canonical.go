package raft

import (
	"encoding/binary"
	"slices"
)

// A canonical form of states and messages, for telling them apart. Nodes go by other names in it,
// so that states that differ only in who is who can be told to be the same.

// AppendState appends the state in its canonical form, every node under the name that as gives
// it. What is left out are timers, what is drawn from the seed, and the numbers of writes: two
// cores with the same form behave alike, whatever they are told, but for when their timers fire,
// and for whether they take part in elections while they hear a leader.
func (r *Raft) AppendState(dst []byte, as func(NodeID) NodeID) []byte {
	c := canonical{dst, as}
	d, a := &r.disk, &r.applying
	c.nodes(r.id, r.votedFor, r.termLeader)
	c.numbers(Index(r.currentTerm), r.commitIndex, r.lastApplied, r.log.base.Index,
		Index(r.log.base.Term))
	c.meta(r.snapshot)
	c.number(len(r.configs))
	for i := range r.configs {
		c.number(int(r.configs[i].index))
		c.members(r.configs[i].members)
	}
	c.entries(r.log.entries)
	c.hard(d.hard)
	c.hard(d.handed)
	c.numbers(d.durable, d.unwritten, d.restoring)
	c.number(len(d.writes))
	for _, w := range d.writes {
		c.numbers(Index(d.seq-w.seq), w.upto)
		c.hard(w.hard)
	}
	c.flags(d.received != nil, r.yielded)
	if d.received != nil {
		c.meta(*d.received)
	}
	c.numbers(a.applied, Index(len(a.chunks)))
	for _, k := range a.chunks {
		c.numbers(k.last, Index(k.bytes))
	}
	c.role(r.role)
	for _, list := range [][]Message{r.out, r.after} {
		c.number(len(list))
		for _, m := range list {
			c.message(m)
		}
	}
	c.number(len(r.reads))
	for _, g := range r.reads {
		c.numbers(Index(g.ID), g.Index)
	}
	c.number(len(r.ship))
	for _, s := range r.ship {
		c.nodes(s.To)
		c.numbers(Index(s.Term), s.AtLeast)
	}
	return c.dst
}

// AppendCanonical appends the message in its canonical form, like Raft.AppendState.
func (m Message) AppendCanonical(dst []byte, as func(NodeID) NodeID) []byte {
	c := canonical{dst, as}
	c.message(m)
	return c.dst
}

// AppendCanonical appends the write in its canonical form, without its number.
func (a Append) AppendCanonical(dst []byte, as func(NodeID) NodeID) []byte {
	c := canonical{dst, as}
	c.hard(a.Hard)
	c.flags(a.Snapshot != nil, a.KeepLog)
	if a.Snapshot != nil {
		c.meta(*a.Snapshot)
	}
	c.entries(a.Entries)
	c.number(len(a.After))
	for _, m := range a.After {
		c.message(m)
	}
	return c.dst
}

// canonical writes. Whatever has a variable length is preceded by it.
type canonical struct {
	dst []byte
	as  func(NodeID) NodeID
}

func (c *canonical) number(n int) { c.dst = binary.AppendUvarint(c.dst, uint64(n)) }

func (c *canonical) numbers(all ...Index) {
	for _, n := range all {
		c.number(int(n))
	}
}

func (c *canonical) flags(all ...bool) {
	b := byte(0)
	for i, set := range all {
		if set {
			b |= 1 << i
		}
	}
	c.dst = append(c.dst, b)
}

func (c *canonical) name(id NodeID) NodeID {
	if id == 0 {
		return 0
	}
	return c.as(id)
}

func (c *canonical) nodes(ids ...NodeID) {
	for _, id := range ids {
		c.number(int(c.name(id)))
	}
}

// list writes nodes in the order of their names.
func (c *canonical) list(ids []NodeID) {
	var room [9]NodeID
	names := room[:0]
	for _, id := range ids {
		names = append(names, c.name(id))
	}
	slices.Sort(names)
	c.number(len(names))
	for _, name := range names {
		c.number(int(name))
	}
}

func (c *canonical) bytes(b []byte) {
	c.number(len(b))
	c.dst = append(c.dst, b...)
}

func (c *canonical) hard(h HardState) {
	c.number(int(h.CurrentTerm))
	c.nodes(h.VotedFor)
}

func (c *canonical) members(m Members) {
	c.list(m.Voters)
	c.list(m.Next)
	c.list(m.Learners)
	c.bytes(m.Directory)
}

func (c *canonical) meta(m SnapshotMeta) {
	c.numbers(m.LastIncludedIndex, Index(m.LastIncludedTerm))
	c.members(m.Members)
}

func (c *canonical) entries(entries []Entry) {
	c.number(len(entries))
	for i := range entries {
		e := &entries[i]
		c.numbers(e.Index, Index(e.Term), Index(e.Kind))
		if e.Kind == EntryConfig {
			m, err := DecodeMembers(e.Data)
			assert(err == nil, "a configuration entry cannot be read")
			c.members(m)
			continue
		}
		c.bytes(e.Data)
	}
}

func (c *canonical) role(role role) {
	c.number(int(role.kind()))
	switch role := role.(type) {
	case *follower:
		c.nodes(role.leader)
	case *preCandidate:
		c.votes(role.votes)
	case *candidate:
		c.votes(role.votes)
		c.flags(role.transfer)
	case *leader:
		c.leader(role)
	}
}

func (c *canonical) votes(v votes) {
	sorted := slices.Clone(v)
	slices.SortFunc(sorted, func(a, b vote) int { return int(c.name(a.from)) - int(c.name(b.from)) })
	c.number(len(sorted))
	for _, vote := range sorted {
		c.nodes(vote.from)
		c.flags(vote.granted)
	}
}

func (c *canonical) leader(l *leader) {
	c.numbers(l.termStart)
	peers := slices.Clone(l.progress)
	slices.SortFunc(peers, func(a, b progress) int { return int(c.name(a.id)) - int(c.name(b.id)) })
	c.number(len(peers))
	for i := range peers {
		p := &peers[i]
		c.nodes(p.id)
		c.numbers(p.nextIndex, p.matchIndex, Index(p.state), p.told, p.matched, Index(p.installs))
		c.flags(p.asked, p.shipping)
		c.meta(p.shipped)
		c.number(len(p.inflight.messages))
		for _, m := range p.inflight.messages {
			c.numbers(m.last, Index(m.bytes))
		}
	}
	c.number(len(l.reads.waiting))
	for _, id := range l.reads.waiting {
		c.number(int(id))
	}
	c.number(len(l.reads.rounds))
	for i := range l.reads.rounds {
		round := &l.reads.rounds[i]
		c.number(len(round.ids))
		for _, id := range round.ids {
			c.number(int(id))
		}
		c.numbers(round.index)
		c.list(round.acks)
	}
	c.nodes(l.transfer.to)
	c.flags(l.transfer.sent)
}

func (c *canonical) message(m Message) {
	c.nodes(m.From, m.To)
	c.number(int(m.Term))
	switch b := m.Body.(type) {
	case RequestVote:
		c.dst = append(c.dst, 1)
		c.numbers(b.LastLogIndex, Index(b.LastLogTerm))
		c.flags(b.PreVote, b.Transfer)
	case VoteReply:
		c.dst = append(c.dst, 2)
		c.flags(b.Granted, b.PreVote)
	case AppendEntries:
		c.dst = append(c.dst, 3)
		c.numbers(b.PrevLogIndex, Index(b.PrevLogTerm), b.LeaderCommit)
		c.entries(b.Entries)
	case AppendReply:
		c.dst = append(c.dst, 4)
		c.flags(b.Success)
		c.numbers(b.MatchIndex, b.PrevLogIndex, b.HintIndex, Index(b.HintTerm))
	case Heartbeat:
		c.dst = append(c.dst, 5)
		c.numbers(b.Commit, Index(b.Read), Index(b.CommitTerm))
	case HeartbeatReply:
		c.dst = append(c.dst, 6)
		c.number(int(b.Read))
	case InstallSnapshot:
		c.dst = append(c.dst, 7)
		c.meta(b.Meta)
	case SnapshotReply:
		c.dst = append(c.dst, 8)
		c.numbers(b.MatchIndex)
	case TimeoutNow:
		c.dst = append(c.dst, 9)
	}
}
