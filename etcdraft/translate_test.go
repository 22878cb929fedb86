package etcdraft

import (
	"testing"

	"drystone/raft"

	"github.com/google/go-cmp/cmp"
)

// TestTranslation: no message loses anything on the way into etcd's words and back.
func TestTranslation(t *testing.T) {
	meta := raft.SnapshotMeta{LastIncludedIndex: 7, LastIncludedTerm: 3, Members: raft.Members{
		Voters: []raft.NodeID{1, 2, 3}, Next: []raft.NodeID{2, 4}, Learners: []raft.NodeID{3, 5},
		Directory: []byte("who was here"),
	}}
	for _, b := range []raft.Body{
		raft.RequestVote{LastLogIndex: 3, LastLogTerm: 2},
		raft.RequestVote{LastLogIndex: 3, LastLogTerm: 2, PreVote: true},
		raft.RequestVote{LastLogIndex: 3, LastLogTerm: 2, Transfer: true},
		raft.VoteReply{}, raft.VoteReply{Granted: true}, raft.VoteReply{PreVote: true},
		raft.VoteReply{Granted: true, PreVote: true},
		raft.AppendEntries{PrevLogIndex: 4, PrevLogTerm: 2, LeaderCommit: 3},
		raft.AppendEntries{PrevLogIndex: 4, PrevLogTerm: 2, LeaderCommit: 3, Entries: []raft.Entry{
			{Index: 5, Term: 2, Kind: raft.EntryCommand, Data: []byte("x")},
			{Index: 6, Term: 3, Kind: raft.EntryNoop},
			{Index: 7, Term: 3, Kind: raft.EntryConfig, Data: raft.EncodeMembers(nil, meta.Members)},
			{Index: 8, Term: 3, Kind: raft.EntryCommand},
		}},
		raft.AppendReply{Success: true, MatchIndex: 8},
		raft.AppendReply{PrevLogIndex: 8, HintIndex: 3, HintTerm: 1},
		raft.Heartbeat{Commit: 3}, raft.Heartbeat{Commit: 3, Read: 1<<40 + 1},
		raft.HeartbeatReply{}, raft.HeartbeatReply{Read: 1<<40 + 1},
		raft.InstallSnapshot{Meta: meta}, raft.TimeoutNow{},
	} {
		m := raft.Message{From: 1, To: 2, Term: 3, Body: b}
		if diff := cmp.Diff(m, fromMessage(toMessage(m))); diff != "" {
			t.Errorf("%v:\n%s", m, diff)
		}
	}
	// etcd has one answer for both.
	got := fromMessage(toMessage(raft.Message{From: 1, To: 2, Term: 3,
		Body: raft.SnapshotReply{MatchIndex: 7}}))
	if got.Body != (raft.AppendReply{Success: true, MatchIndex: 7}) {
		t.Errorf("a SnapshotReply comes as %v", got)
	}
	if toMessage(raft.Message{From: 1, To: 2, Term: 3}) != nil {
		t.Error("nothing is said, and a message comes of it")
	}
}

// TestGoBy: the RawNode can be led from any configuration to any other.
func TestGoBy(t *testing.T) {
	all := []raft.Members{
		{Voters: []raft.NodeID{1}}, {Voters: []raft.NodeID{1, 2, 3}},
		{Voters: []raft.NodeID{2, 3}, Learners: []raft.NodeID{1, 4}},
		{Voters: []raft.NodeID{4}, Learners: []raft.NodeID{5}},
		{Voters: []raft.NodeID{1, 2, 3}, Next: []raft.NodeID{3, 4, 5}},
		{Voters: []raft.NodeID{1, 2, 3}, Next: []raft.NodeID{4}, Learners: []raft.NodeID{1, 5}},
		{Voters: []raft.NodeID{4, 5}, Next: []raft.NodeID{1, 2}, Learners: []raft.NodeID{3, 4}},
	}
	from := append([]raft.Members{{}}, all...)
	for _, a := range from {
		for _, b := range all {
			e := New(raft.Config{ID: 1}, raft.Restored{Snapshot: raft.SnapshotMeta{Members: a}})
			e.goBy(b)
			got := e.node.Status().Config
			want := toConfState(b)
			if len(got.Learners) != len(want.Learners) || len(got.LearnersNext) != len(want.LearnersNext) {
				t.Errorf("%v to %v: %v", a, b, got)
			}
			for i, ids := range [][]uint64{want.Voters, want.VotersOutgoing} {
				if len(got.Voters[i]) != len(ids) {
					t.Errorf("%v to %v: %v", a, b, got)
				}
				for _, id := range ids {
					if _, ok := got.Voters[i][id]; !ok {
						t.Errorf("%v to %v: %v", a, b, got)
					}
				}
			}
		}
	}
}
