package raft

import (
	"errors"
	"testing"
)

// leaderOf makes n1 the leader of the next term over the given log and members, by hand.
func leaderOf(t *testing.T, voters int, term Term, entries ...Entry) *Raft {
	t.Helper()
	r := New(Config{ID: 1}, Restored{
		Hard:     HardState{CurrentTerm: term},
		Snapshot: SnapshotMeta{Members: Members{Voters: firstIDs(voters)}},
		Entries:  entries,
	})
	for r.role.kind() == Follower {
		r.Tick()
	}
	for _, pre := range []bool{true, false} {
		for i := 2; i <= voters; i++ {
			r.Step(Message{From: NodeID(i), To: 1, Term: term + 1, Body: VoteReply{true, pre}})
		}
		if pre {
			rd, _ := r.Ready()
			r.Persisted(rd.Append.Seq)
		}
	}
	if r.role.kind() != Leader {
		t.Fatalf("does not lead: %v", r)
	}
	return r
}

func ack(from NodeID, term Term, match Index) Message {
	return Message{From: from, To: 1, Term: term, Body: AppendReply{Success: true, MatchIndex: match}}
}

// §5.4.2, Figure 8: an entry of an earlier term is not committed by counting, but by what follows.
func TestFigure8(t *testing.T) {
	r := leaderOf(t, 5, 3, Entry{Index: 1, Term: 1}, Entry{Index: 2, Term: 2})
	rd, _ := r.Ready()
	r.Persisted(rd.Append.Seq)
	r.Step(ack(2, 4, 2))
	r.Step(ack(3, 4, 2))
	if r.commitIndex != 0 {
		t.Fatalf("2@2 is on a majority, and committed: %v", r)
	}
	r.Step(ack(2, 4, 3))
	r.Step(ack(3, 4, 3))
	if r.commitIndex != 3 {
		t.Fatalf("3@4 is on a majority, and not committed: %v", r)
	}
}

// A leader may commit on others' disks before its own, and counts its own when it is done.
func TestLeaderCountsItsOwnDiskWhenItIsDone(t *testing.T) {
	r := leaderOf(t, 3, 0)
	rd, _ := r.Ready()
	if len(rd.Send) != 2 || len(rd.Append.Entries) != 1 {
		t.Fatalf("sends while it writes: %+v", rd)
	}
	r.Step(ack(2, 1, 1))
	if r.commitIndex != 0 {
		t.Fatal("counts its own disk too early")
	}
	r.Step(ack(3, 1, 1))
	if r.commitIndex != 1 {
		t.Fatal("two of three is a majority without it")
	}
	if rd, _ := r.Ready(); len(rd.Apply) != 0 {
		t.Fatal("applies what its own disk does not hold")
	}
	r.Persisted(rd.Append.Seq)
	if rd, _ := r.Ready(); len(rd.Apply) != 1 {
		t.Fatal("does not apply")
	}
}

// Fig2/AE.5: what lies behind the entries of a message has been checked by nobody.
func TestCommitStopsAtTheLastNewEntry(t *testing.T) {
	r := New(Config{ID: 1}, Restored{
		Hard:     HardState{CurrentTerm: 1},
		Snapshot: SnapshotMeta{Members: Members{Voters: firstIDs(3)}},
		Entries:  []Entry{{Index: 1, Term: 1}, {Index: 2, Term: 1}, {Index: 3, Term: 1}},
	})
	r.Step(Message{From: 2, To: 1, Term: 2, Body: AppendEntries{
		PrevLogIndex: 1, PrevLogTerm: 1, LeaderCommit: 3,
	}})
	if r.commitIndex != 1 {
		t.Fatalf("commits up to %d", r.commitIndex)
	}
	rd, _ := r.Ready()
	want := Body(AppendReply{Success: true, MatchIndex: 1})
	if len(rd.Append.After) != 1 || rd.Append.After[0].Body != want {
		t.Fatalf("%+v", rd.Append.After) // B3: it acknowledges what was covered, not its own end
	}
}

// B2: a delayed AppendEntries deletes nothing that came after it.
func TestLateAppendDeletesNothing(t *testing.T) {
	r := newFollower(1)
	ae := func(prev Index, entries ...Entry) {
		r.Step(Message{From: 2, To: 1, Term: 1, Body: AppendEntries{
			PrevLogIndex: prev, PrevLogTerm: min(1, Term(prev)), Entries: entries,
		}})
	}
	ae(0, Entry{Index: 1, Term: 1}, Entry{Index: 2, Term: 1}, Entry{Index: 3, Term: 1})
	ae(0, Entry{Index: 1, Term: 1})
	ae(1)
	if r.log.lastIndex() != 3 {
		t.Fatalf("the log ends at %d", r.log.lastIndex())
	}
}

// B4: late refusals and acknowledgements move nothing back.
func TestLateRepliesMoveNothingBack(t *testing.T) {
	r := leaderOf(t, 3, 1, Entry{Index: 1, Term: 1})
	_, _ = r.Ready()
	l := r.role.(*leader)
	p := l.peer(2)
	r.Step(ack(2, 2, 2))
	before := *p
	for _, body := range []Body{
		AppendReply{PrevLogIndex: 1}, AppendReply{PrevLogIndex: 2, HintIndex: 1, HintTerm: 1},
		AppendReply{Success: true, MatchIndex: 1}, SnapshotReply{MatchIndex: 1},
		AppendReply{Success: true, MatchIndex: 99}, AppendReply{PrevLogIndex: 99},
	} {
		r.Step(Message{From: 2, To: 1, Term: 2, Body: body})
		if p.matchIndex != before.matchIndex || p.nextIndex != before.nextIndex ||
			p.state != ProgressReplicate {
			t.Fatalf("%+v after %s, before %+v", *p, bodyString(body), before)
		}
	}
}

// D1, D3, thesis §6.4: a leader that was replaced grants nothing, whatever old answers arrive; one
// that has committed nothing in its term waits.
func TestReadsAreConfirmedByAMajority(t *testing.T) {
	r := leaderOf(t, 3, 1, Entry{Index: 1, Term: 1})
	rd, _ := r.Ready()
	r.Persisted(rd.Append.Seq)
	if err := r.Read(7); err != nil {
		t.Fatal(err)
	}
	reply := func(from NodeID, id uint64) []ReadGrant {
		r.Step(Message{From: from, To: 1, Term: 2, Body: HeartbeatReply{Read: id}})
		rd, _ := r.Ready()
		return rd.Reads
	}
	if got := reply(2, 7); got != nil {
		t.Fatal("granted before the first commit of the term")
	}
	r.Step(ack(2, 2, 2))
	rd, _ = r.Ready()
	if len(rd.Reads) != 0 {
		t.Fatal("granted without asking anybody")
	}
	if got := reply(2, 6); got != nil {
		t.Fatal("granted by an answer to something else")
	}
	if err := r.Read(8); err != nil {
		t.Fatal(err)
	}
	_, _ = r.Ready()
	got := reply(2, 8)
	if len(got) != 2 || got[0] != (ReadGrant{7, 2}) || got[1] != (ReadGrant{8, 2}) {
		t.Fatalf("the answer to a younger round confirms both: %v", got)
	}
	if got := reply(3, 8); got != nil {
		t.Fatal("granted twice")
	}
}

// A single node commits and reads by itself, once its disk has it (B7).
func TestSingleNode(t *testing.T) {
	r := leaderOf(t, 1, 0)
	rd, _ := r.Ready()
	if len(rd.Apply) != 0 || r.commitIndex != 0 {
		t.Fatal("commits before the disk")
	}
	r.Persisted(rd.Append.Seq)
	_ = r.Read(1)
	rd, _ = r.Ready()
	if len(rd.Apply) != 1 || len(rd.Reads) != 1 || rd.Reads[0] != (ReadGrant{1, 1}) {
		t.Fatalf("%+v", rd)
	}
}

// Inputs that only a leader takes say who it is.
func TestNotLeader(t *testing.T) {
	r := newFollower(1)
	r.Step(Message{From: 3, To: 1, Term: 1, Body: Heartbeat{}})
	for name, err := range map[string]error{
		"Propose": r.Propose(nil), "Read": r.Read(1), "Transfer": r.Transfer(2),
		"Reconfigure": r.Reconfigure(Members{Voters: firstIDs(2)}),
	} {
		var not NotLeaderError
		if !errors.As(err, &not) || not.Leader != 3 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// C1: no change of members before the leader has committed in its own term, nor two at once.
func TestReconfigureRefusals(t *testing.T) {
	r := leaderOf(t, 3, 1)
	four := Members{Voters: firstIDs(4)}
	if err := r.Reconfigure(four); err != ErrTermNotCommitted {
		t.Fatalf("before the first commit: %v", err)
	}
	rd, _ := r.Ready()
	r.Persisted(rd.Append.Seq)
	r.Step(ack(2, 2, 1))
	for _, m := range []Members{
		{}, {Voters: []NodeID{2, 1}}, {Voters: firstIDs(2), Next: firstIDs(3)},
	} {
		if err := r.Reconfigure(m); err != ErrBadMembers {
			t.Fatalf("%v: %v", m, err)
		}
	}
	if err := r.Reconfigure(four); err != nil {
		t.Fatal(err)
	}
	if err := r.Reconfigure(Members{Voters: firstIDs(2)}); err != ErrChangePending {
		t.Fatalf("a second change: %v", err)
	}
	if m := r.members(); !m.Joint() || len(m.Next) != 4 {
		t.Fatalf("in force: %v", m)
	}
}

// §6: a configuration is in force as long as the log has it, and no longer.
func TestConfigurationComesAndGoesWithTheLog(t *testing.T) {
	r := newFollower(1)
	joint := Members{Voters: firstIDs(3), Next: firstIDs(4)}
	r.Step(Message{From: 2, To: 1, Term: 1, Body: AppendEntries{Entries: []Entry{
		{Index: 1, Term: 1}, {2, 1, EntryConfig, EncodeMembers(nil, joint)}, {Index: 3, Term: 1},
	}}})
	if !r.members().Equal(joint) {
		t.Fatalf("in force: %v", r.members())
	}
	r.Step(Message{From: 3, To: 1, Term: 2, Body: AppendEntries{
		PrevLogIndex: 1, PrevLogTerm: 1, Entries: []Entry{{Index: 2, Term: 2}},
	}})
	if want := (Members{Voters: firstIDs(3)}); !r.members().Equal(want) {
		t.Fatalf("in force: %v", r.members())
	}
}
