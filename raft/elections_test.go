package raft

import "testing"

// §5.4.1: the later term wins, then the longer log.
func TestUpToDate(t *testing.T) {
	r := New(Config{ID: 1}, Restored{
		Hard: HardState{CurrentTerm: 5}, Entries: []Entry{{Index: 1, Term: 2}, {Index: 2, Term: 3}},
	})
	for p, want := range map[Position]bool{
		{2, 3}: true, {3, 3}: true, {1, 4}: true, {1, 3}: false, {9, 2}: false, {0, 0}: false,
	} {
		if r.upToDate(p) != want {
			t.Errorf("%v is up to date with %v: %v", p, r.log.last(), !want)
		}
	}
}

// Fig2/AE.1, RV.1, Fig13/1: whoever is behind is told the term; old replies are not answered.
func TestOldTermsAreAnsweredWithTheNewer(t *testing.T) {
	r := newFollower(7)
	for _, body := range []Body{
		AppendEntries{}, Heartbeat{Read: 3}, InstallSnapshot{}, RequestVote{}, RequestVote{PreVote: true},
	} {
		r.Step(Message{From: 2, To: 1, Term: 6, Body: body})
		rd := drainOne(t, r)
		if len(rd.Send) != 1 || rd.Send[0].Term != 7 || rd.Append.Seq != 0 {
			t.Errorf("%s is answered by %+v", bodyString(body), rd)
		}
	}
	for _, body := range []Body{
		AppendReply{}, HeartbeatReply{}, VoteReply{}, SnapshotReply{}, TimeoutNow{},
	} {
		r.Step(Message{From: 2, To: 1, Term: 6, Body: body})
		if rd, ok := r.Ready(); ok {
			t.Errorf("%s is answered by %+v", bodyString(body), rd)
		}
	}
}

// A11: equal seeds on all nodes do not make equal timeouts.
func TestTimeoutsDifferAmongNodes(t *testing.T) {
	seen := map[int]int{}
	for id := range NodeID(60) {
		r := New(Config{ID: id + 1, Seed: 1}, Restored{})
		timeout := r.drawElectionTimeout()
		if timeout < 30 || timeout >= 60 {
			t.Fatalf("timeout of %d ticks", timeout)
		}
		seen[timeout]++
	}
	if len(seen) < 15 {
		t.Errorf("60 nodes have only %d timeouts: %v", len(seen), seen)
	}
}

func TestNodeWithHangingDiskDoesNotStand(t *testing.T) {
	r := newFollower(1)
	r.config.DiskTicks = 10
	r.Step(Message{From: 2, To: 1, Term: 2, Body: RequestVote{}})
	rd := drainOne(t, r)
	for range 500 {
		r.Tick()
	}
	if rd, ok := r.Ready(); ok {
		t.Fatalf("%+v", rd)
	}
	r.Persisted(rd.Append.Seq)
	for range 100 {
		r.Tick()
	}
	if r.role.kind() != PreCandidate {
		t.Errorf("does not ask for pre-votes again: %v", r)
	}
}

// Votes of one voter count once, however often they arrive (A5).
func TestDuplicateVotesCountOnce(t *testing.T) {
	members := Members{Voters: firstIDs(4)}
	r := New(Config{ID: 1}, Restored{Snapshot: SnapshotMeta{Members: members}})
	for r.role.kind() != PreCandidate {
		r.Tick()
	}
	reply := func(from NodeID, term Term, pre bool) {
		r.Step(Message{From: from, To: 1, Term: term, Body: VoteReply{Granted: true, PreVote: pre}})
	}
	for range 5 {
		reply(2, 1, true)
	}
	if r.role.kind() != PreCandidate {
		t.Fatal("two of four would be a majority")
	}
	reply(3, 1, true)
	rd, _ := r.Ready()
	for range 5 {
		reply(2, 1, false)
	}
	reply(3, 1, false)
	if r.role.kind() != Candidate {
		t.Fatal("leads before its own vote is durable")
	}
	r.Persisted(rd.Append.Seq)
	if r.role.kind() != Leader {
		t.Fatalf("three of four are a majority: %v", r)
	}
}

// A learner never stands, and neither does a node without any configuration.
func TestOnlyVotersStand(t *testing.T) {
	for _, m := range []Members{{}, {Voters: firstIDs(1), Learners: []NodeID{2}}} {
		r := New(Config{ID: 2}, Restored{Snapshot: SnapshotMeta{Members: m}})
		for range 1000 {
			r.Tick()
		}
		if rd, ok := r.Ready(); ok || r.role.kind() != Follower {
			t.Errorf("%v: %+v", m, rd)
		}
	}
}
