package raft

import "testing"

// calm returns a cluster in which nothing is lost and everything is done at once by settle.
func calm(t *testing.T, seed uint64, n int) *sim {
	s := newSim(t, seed, n, Members{Voters: firstIDs(n)})
	s.lossy = false
	s.config = Config{Seed: seed, DiskTicks: 40}
	for _, n := range s.nodes {
		s.start(n)
	}
	return s
}

func (s *sim) tickAll(ticks int) {
	for range ticks {
		for _, n := range s.up() {
			s.do(n, n.raft.Tick)
		}
		s.settle()
	}
}

// elected runs a calm cluster until it has a leader that can commit.
func (s *sim) elected() *simNode {
	s.t.Helper()
	for range 40 {
		s.tickAll(10)
		if l := s.leader(); l != nil {
			return l
		}
	}
	s.fail("no leader:%s", s.describe())
	return nil
}

func (s *sim) others(n *simNode) (others []*simNode) {
	for _, m := range s.nodes {
		if m != n {
			others = append(others, m)
		}
	}
	return others
}

// A killed leader is replaced within a few heartbeats, if connections tell of its death; a split
// vote is rare, though all who remain notice at the same tick.
func TestBrokenConnectionsReplaceALeaderSoon(t *testing.T) {
	for _, n := range []int{3, 5} {
		const runs = 200
		late, most := 0, 0
		for seed := range uint64(runs) {
			s := calm(t, seed, n)
			old := s.elected()
			term := old.raft.currentTerm
			old.raft, old.writes, old.acks = nil, nil, nil
			for _, m := range s.others(old) {
				s.do(m, func() { m.raft.Unreachable(old.id) })
			}
			ticks := 0
			for ; s.leader() == nil && ticks < 200; ticks++ {
				s.tickAll(1)
			}
			most = max(most, ticks)
			if ticks > 15 { // three heartbeats
				late++
			}
			if l := s.leader(); l == nil || l.raft.currentTerm > term+3 {
				s.fail("killing a leader took %d ticks:%s", ticks, s.describe())
			}
		}
		t.Logf("%d nodes: %d of %d late, the worst after %d ticks", n, late, runs, most)
		if late > runs/50 {
			t.Errorf("%d nodes: %d of %d took more than three heartbeats", n, late, runs)
		}
	}
}

// Connections that break while the leader lives change nothing, as the others still hear it.
func TestBrokenConnectionAloneChangesNothing(t *testing.T) {
	s := calm(t, 1, 3)
	l := s.elected()
	term := l.raft.currentTerm
	for range 20 {
		m := s.others(l)[0]
		s.cut[[2]NodeID{l.id, m.id}] = true
		s.do(m, func() { m.raft.Unreachable(l.id) })
		s.tickAll(12)
		clear(s.cut)
		s.tickAll(10)
	}
	if s.leader() != l || l.raft.currentTerm != term {
		s.fail("the leader changed:%s", s.describe())
	}
}

// A9: whoever comes back from a partition deposes nobody.
func TestPartitionedNodeComesBackQuietly(t *testing.T) {
	s := calm(t, 2, 3)
	l := s.elected()
	term := l.raft.currentTerm
	s.isolate(s.others(l)[0])
	s.tickAll(1000)
	clear(s.cut)
	s.tickAll(100)
	if s.leader() != l || l.raft.currentTerm != term {
		s.fail("the leader changed:%s", s.describe())
	}
}

// A8, thesis §6.2: a leader without a majority gives up, also if it hears one bridge, and the
// bridge's majority elects another.
func TestLeaderWithoutMajorityGivesUp(t *testing.T) {
	s := calm(t, 3, 5)
	l := s.elected()
	others := s.others(l)
	others[3].raft = nil           // so that a majority needs the bridge, others[0]
	for _, m := range others[1:] { // whom alone the leader still reaches
		s.cut[[2]NodeID{l.id, m.id}], s.cut[[2]NodeID{m.id, l.id}] = true, true
	}
	s.tickAll(200)
	if l.raft.role.kind() == Leader || s.leader() == nil {
		s.fail("no other leader:%s", s.describe())
	}
}

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

// A6: one group has the longer log, the other the higher term. Each refuses the other's pre-vote,
// and must teach it the term.
func TestLongerLogLearnsHigherTerm(t *testing.T) {
	for seed := range uint64(50) {
		s := calm(t, seed, 4)
		entries := []Entry{{Index: 1, Term: 1}, {Index: 2, Term: 1}, {Index: 3, Term: 1}}
		for i, n := range s.nodes {
			n.hard, n.entries = HardState{CurrentTerm: 1}, entries
			if i >= 2 {
				n.hard, n.entries = HardState{CurrentTerm: 9}, entries[:1]
			}
			s.start(n)
		}
		s.elected()
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

// A12: a leader whose disk hangs is replaced, and stands again only after a write has finished.
func TestLeaderWithHangingDiskGivesUp(t *testing.T) {
	s := calm(t, 4, 3)
	l := s.elected()
	s.propose(l)
	s.drain(l)
	hung := l.writes
	for range 300 {
		l.writes = nil // whatever is handed out never ends
		for _, n := range s.nodes {
			s.do(n, n.raft.Tick)
		}
		for _, m := range s.others(l) {
			for range 3 {
				s.drain(m)
				for len(m.writes) > 0 {
					s.write(m, true)
				}
				for len(m.acks) > 0 {
					s.persisted(m)
				}
				for len(s.net) > 0 {
					s.deliver(0)
				}
			}
		}
		hung = append(hung, l.writes...)
	}
	next := s.leader()
	if next == nil || next == l {
		s.fail("the leader stays:%s", s.describe())
	}
	if n := len(l.raft.disk.writes); n > 50 {
		s.fail("%d writes wait for a disk that hangs", n)
	}
	// The disk comes back: the node catches up, and may lead again.
	l.writes = hung
	s.tickAll(50)
	s.do(next, func() { _ = next.raft.Transfer(l.id) })
	s.tickAll(20)
	if s.leader() != l {
		s.fail("does not lead again:%s", s.describe())
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

// thesis §3.10.
func TestTransfer(t *testing.T) {
	for seed := range uint64(20) {
		s := calm(t, seed, 3)
		l := s.elected()
		to := s.others(l)[0]
		s.propose(l)
		s.do(l, func() {
			if err := l.raft.Transfer(to.id); err != nil {
				t.Fatal(err)
			}
		})
		if err := l.raft.Propose(nil); err != ErrTransferring {
			t.Fatalf("Propose while handing over: %v", err)
		}
		s.settle()
		s.tickAll(5)
		if s.leader() != to {
			s.fail("n%d does not lead:%s", to.id, s.describe())
		}
	}
}

// A10: a target that is dead takes nothing with it.
func TestTransferToTheDeadFails(t *testing.T) {
	s := calm(t, 5, 3)
	l := s.elected()
	to := s.others(l)[0]
	to.raft = nil
	s.propose(l) // which the target lacks
	s.do(l, func() { _ = l.raft.Transfer(to.id) })
	s.tickAll(40)
	if err := l.raft.Propose([]byte("x")); err != nil {
		s.fail("still handing over: %v", err)
	}
	if err := l.raft.Transfer(l.id); err != ErrNotVoter {
		t.Errorf("to itself: %v", err)
	}
	if err := l.raft.Transfer(99); err != ErrNotVoter {
		t.Errorf("to nobody: %v", err)
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
