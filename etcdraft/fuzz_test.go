package etcdraft

import (
	"testing"

	"drystone/raft"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// numbers takes a message's fields from the fuzzer's bytes; what is not there is 0.
type numbers struct{ rest []byte }

func (n *numbers) next() (v uint64) {
	if len(n.rest) == 0 {
		return 0
	}
	size := min(int(n.rest[0])%9, len(n.rest)-1)
	for _, b := range n.rest[1 : 1+size] {
		v = v<<8 | uint64(b)
	}
	n.rest = n.rest[1+size:]
	return v
}

func (n *numbers) bytes() []byte {
	size := min(int(n.next()%64), len(n.rest))
	b := n.rest[:size:size]
	n.rest = n.rest[size:]
	return b
}

func (n *numbers) index() raft.Index { return raft.Index(n.next()) }
func (n *numbers) term() raft.Term   { return raft.Term(n.next()) }
func (n *numbers) bit() bool         { return n.next()&1 != 0 }

// body is one of those that lose nothing in etcd's words.
func (n *numbers) body(members raft.Members) raft.Body {
	switch n.next() % 9 {
	case 0:
		return raft.RequestVote{LastLogIndex: n.index(), LastLogTerm: n.term(), PreVote: n.bit(),
			Transfer: n.bit()}
	case 1:
		return raft.VoteReply{Granted: n.bit(), PreVote: n.bit()}
	case 2:
		b := raft.AppendEntries{PrevLogIndex: n.index(), PrevLogTerm: n.term(),
			LeaderCommit: n.index()}
		for len(n.rest) > 0 && len(b.Entries) < 20 {
			b.Entries = append(b.Entries, raft.Entry{Index: n.index(), Term: n.term(),
				Kind: raft.EntryKind(n.next()), Data: n.bytes()})
		}
		return b
	case 3:
		return raft.AppendReply{Success: true, MatchIndex: n.index()}
	case 4:
		return raft.AppendReply{PrevLogIndex: n.index(), HintIndex: n.index(), HintTerm: n.term()}
	case 5:
		return raft.Heartbeat{Commit: n.index(), Read: n.next()}
	case 6:
		return raft.HeartbeatReply{Read: n.next()}
	case 7:
		return raft.InstallSnapshot{Meta: raft.SnapshotMeta{LastIncludedIndex: n.index(),
			LastIncludedTerm: n.term(), Members: members}}
	}
	return raft.TimeoutNow{}
}

// FuzzTranslation: no message and no membership loses anything on the way into etcd's words and
// back, whatever is in it.
func FuzzTranslation(f *testing.F) {
	meta := raft.EncodeMembers(nil, raft.Members{Voters: []raft.NodeID{1, 2}, Next: []raft.NodeID{2},
		Learners: []raft.NodeID{1, 3}, Directory: []byte("who")})
	for kind := range byte(9) {
		f.Add([]byte{1, kind, 1, 7, 1, 3, 8, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1, 1, 2, 1, 4},
			meta)
	}
	f.Fuzz(func(t *testing.T, b, encoded []byte) {
		members, err := raft.DecodeMembers(encoded)
		if err != nil {
			members = raft.Members{}
		}
		n := numbers{b}
		m := raft.Message{Body: n.body(members), From: raft.NodeID(n.next()),
			To: raft.NodeID(n.next()), Term: n.term()}
		got := fromMessage(toMessage(m))
		if diff := cmp.Diff(m, got, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}

// FuzzGoBy leads the RawNode from any membership to any other: it then goes by that one.
func FuzzGoBy(f *testing.F) {
	encoded := func(m raft.Members) []byte { return raft.EncodeMembers(nil, m) }
	all := []raft.Members{
		{Voters: []raft.NodeID{1}}, {Voters: []raft.NodeID{2, 3}, Learners: []raft.NodeID{1, 4}},
		{Voters: []raft.NodeID{1, 2, 3}, Next: []raft.NodeID{4}, Learners: []raft.NodeID{1, 5}},
	}
	for i, m := range all {
		f.Add(encoded(m), encoded(all[(i+1)%len(all)]))
		f.Add(encoded(raft.Members{}), encoded(m))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		from, err := raft.DecodeMembers(a)
		to, err2 := raft.DecodeMembers(b)
		if err != nil || err2 != nil || len(to.Voters) == 0 || len(a)+len(b) > 400 {
			return
		}
		e := New(raft.Config{ID: 1}, raft.Restored{Snapshot: raft.SnapshotMeta{Members: from}})
		e.goBy(to)
		got, want := e.node.Status().Config, toConfState(to)
		for i, ids := range [][]uint64{want.Voters, want.VotersOutgoing} {
			if len(got.Voters[i]) != len(ids) {
				t.Errorf("%v to %v: %v", from, to, got)
			}
			for _, id := range ids {
				if _, ok := got.Voters[i][id]; !ok {
					t.Errorf("%v to %v: %v", from, to, got)
				}
			}
		}
		for _, learners := range []struct {
			got  map[uint64]struct{}
			want []uint64
		}{{got.Learners, want.Learners}, {got.LearnersNext, want.LearnersNext}} {
			for _, id := range learners.want {
				if _, ok := learners.got[id]; !ok || len(learners.got) != len(learners.want) {
					t.Errorf("%v to %v: %v", from, to, got)
				}
			}
		}
	})
}
