package replica

import (
	"testing"

	"drystone/raft"
	"drystone/rsm"
)

// TestReadsEverywhere: every node serves reads that see every write acknowledged before.
func TestReadsEverywhere(t *testing.T) {
	for _, nodes := range []int{1, 3, 5} {
		o := defaults(nodes, 30)
		o.netMax, o.execMax = 9, 5
		w, _ := quiet(t, o)
		for range 20 {
			for _, n := range w.nodes {
				write := w.submit(n, 2000)
				w.until(2000, "the write", write.done)
				for _, n := range w.nodes {
					read := w.read(n, rsm.ReadOptions{}, 2000)
					n.pump()
					w.until(2000, "the read", read.done)
					if read.size != write.size {
						t.Fatalf("n%d reads %d after %d was written", n.id, read.size, write.size)
					}
				}
			}
		}
		index := w.leader().core.Status().LastIndex
		for _, n := range w.nodes {
			w.read(n, rsm.ReadOptions{}, 2000)
			n.pump()
		}
		w.run(100)
		if w.leader().core.Status().LastIndex != index {
			t.Error("reads entered the log")
		}
		w.settle()
	}
}

// TestReadRounds: one question serves all that wait, and none that comes later.
func TestReadRounds(t *testing.T) {
	w, _ := quiet(t, defaults(3, 31))
	n, asks := w.follower(), 0
	w.drop(func(_, _ raft.NodeID, m any) bool {
		if _, ok := m.(rsm.ReadAsk); ok {
			asks++
		}
		return false
	})
	for range 1000 {
		w.read(n, rsm.ReadOptions{}, 1000)
	}
	n.pump()
	late := w.read(n, rsm.ReadOptions{}, 1000)
	n.pump()
	if asks != 1 || len(n.replica.reads.waiting) != 1 {
		t.Fatalf("%d questions for reads that wait together", asks)
	}
	w.until(100, "the first round", w.ops[999].done)
	if late.done() {
		t.Error("a read was served by a round that began before it")
	}
	w.until(100, "the second round", late.done)
	if asks != 2 {
		t.Errorf("%d questions", asks)
	}
	w.settle()
}

// TestReadAnswers: only the answer to the last question counts; a no is not asked again at once.
func TestReadAnswers(t *testing.T) {
	w, l := quiet(t, defaults(3, 32))
	n := w.follower()
	asks := 0
	w.drop(func(_, _ raft.NodeID, m any) bool {
		_, ask := m.(rsm.ReadAsk)
		if ask {
			asks++
		}
		return ask
	})
	o := w.read(n, rsm.ReadOptions{}, 5000)
	n.pump()
	round := &n.replica.reads.round
	first := round.id
	n.receive(l.id, rsm.ReadAnswer{ID: first - 1, Index: 1, OK: true})
	n.receive(l.id, rsm.ReadAnswer{ID: 0, Index: 1, OK: true})
	if o.done() || round.id != first {
		t.Fatal("an answer to something else was taken")
	}
	n.receive(l.id, rsm.ReadAnswer{ID: first})
	if asks != 1 || round.id != 0 {
		t.Fatal("asked again at once after a no")
	}
	w.run(250)
	if asks != 2 || round.id == first {
		t.Fatalf("%d questions after RetryMs", asks)
	}
	// The first answer is too old for whoever asks again.
	n.receive(l.id, rsm.ReadAnswer{ID: first, Index: 1, OK: true})
	if o.done() {
		t.Fatal("an old answer was taken")
	}
	w.keep = nil
	w.until(1000, "the read", o.done)
	// Who does not lead says so.
	n.replica.Receive(w.now, l.id, rsm.ReadAsk{ID: 77})
	if m := n.replica.forward[0]; m.To != l.id || m.Body != rsm.PeerMessage(rsm.ReadAnswer{ID: 77}) {
		t.Errorf("%+v", m)
	}
	n.pump()
	w.settle()
}

// TestAnswerToAnEarlierBoot: what a node asked before it started again, and the network answers
// now, confirms nothing that it asks now.
func TestAnswerToAnEarlierBoot(t *testing.T) {
	w, l := quiet(t, defaults(3, 41))
	n := w.follower()
	w.drop(func(_, _ raft.NodeID, m any) bool { _, ask := m.(rsm.ReadAsk); return ask })
	asked := func() uint64 {
		w.read(n, rsm.ReadOptions{}, 5000)
		n.pump()
		return n.replica.reads.round.id
	}
	before := asked()
	n.crash()
	n.start()
	w.until(1000, "the leader is known", func() bool { return n.replica.Status().Leader == l.id })
	now := asked()
	n.receive(l.id, rsm.ReadAnswer{ID: before, Index: 1, OK: true})
	if before == 0 || now == 0 || n.replica.reads.round.id != now {
		t.Fatalf("the answer to %d, of the boot before, was taken for one to %d", before, now)
	}
	w.keep = nil
	w.settle()
}

// TestReadAsks: a leader's round serves all peers, a later question of one replaces its earlier.
func TestReadAsks(t *testing.T) {
	w, l := quiet(t, defaults(5, 33))
	w.drop(func(_, _ raft.NodeID, m any) bool { _, ok := m.(raft.Message); return ok })
	l.receive(l.id%5+1, rsm.ReadAsk{ID: 1}) // under way in the engine
	for id := range uint64(5) {
		for _, n := range w.nodes {
			if n != l {
				l.replica.Receive(w.now, n.id, rsm.ReadAsk{ID: 10 + id})
				l.replica.Receive(w.now, n.id, rsm.ReadAsk{ID: 5})
			}
		}
	}
	l.pump()
	if asks := l.replica.lead.asks; len(asks) != 4 || asks[0].id != 14 || asks[3].id != 14 {
		t.Fatalf("%+v", asks)
	}
	if len(l.replica.lead.round.asks) != 1 {
		t.Fatal("two rounds at a time")
	}
	// A grant to an earlier question says nothing to who asked since.
	l.replica.onReadGrants([]raft.ReadGrant{{ID: l.replica.lead.round.id - 1, Index: 1}})
	if len(l.replica.lead.round.asks) != 1 || len(l.replica.forward) != 0 {
		t.Fatal("a round was ended by another's grant")
	}
	w.keep = nil
	w.until(1000, "the rounds", l.replica.Idle)
	w.settle()
}

// TestNoQuorum: no read is served and none hangs when there is no majority, also on a node that
// still believes to lead; afterwards reads see what the majority did meanwhile.
func TestNoQuorum(t *testing.T) {
	w, l := quiet(t, defaults(3, 34))
	w.isolate(l.id, true)
	begin := w.now
	var reads []*op
	for w.now < begin+2000 {
		reads = append(reads, w.read(l, rsm.ReadOptions{}, 400))
		l.pump()
		if n := w.leader(); n != nil && n != l {
			w.submit(n, 1000)
		}
		w.run(20)
	}
	for _, o := range reads {
		if o.inv+400 < w.now {
			w.expect(o, rsm.NotApplied, rsm.CodeNoLeader)
		}
	}
	w.settle() // the others' writes and these reads are linearizable, or it says so
}

// TestReadsFollowTheLeader: a question that an old leader did not answer is put to the next one
// at once; a leader that gives up answers no.
func TestReadsFollowTheLeader(t *testing.T) {
	o := defaults(3, 38)
	o.config.RetryMs = 1 << 40
	w, l := quiet(t, o)
	n, refusals := w.follower(), 0
	w.drop(func(_, to raft.NodeID, m any) bool {
		if answer, ok := m.(rsm.ReadAnswer); ok && !answer.OK {
			refusals++
		}
		_, core := m.(raft.Message)
		return core && to == l.id // it hears nobody, and cannot be sure to lead
	})
	read := w.read(n, rsm.ReadOptions{}, 10_000)
	n.pump()
	w.until(3000, "the leader gives up", func() bool { return l.replica.lead == nil })
	w.run(1)
	if refusals != 1 {
		t.Errorf("%d refusals", refusals)
	}
	w.until(3000, "the read", read.done)
	w.expect(read, rsm.Applied, "")
	w.settle()
}

// TestStaleReads: at once, from wherever this node stands, with the truth about how old that is.
func TestStaleReads(t *testing.T) {
	stale := func(max uint64) rsm.ReadOptions {
		return rsm.ReadOptions{Consistency: rsm.Stale, MaxStaleMs: max}
	}
	w := newWorld(t, defaults(3, 35))
	never, bounded := w.read(w.nodes[0], stale(0), 1000), w.read(w.nodes[0], stale(1<<50), 1000)
	w.nodes[0].pump()
	if !never.done() || never.staleMs != NeverHeardMs {
		t.Errorf("without a leader ever: done %v, %d ms old", never.done(), never.staleMs)
	}
	w.expect(bounded, rsm.NotApplied, rsm.CodeNoLeader)

	w.elect()
	w.run(500)
	n := w.follower()
	o := w.read(n, stale(100), 1000)
	n.pump()
	if !o.done() || o.staleMs > 60 {
		t.Errorf("with a leader: %d ms old", o.staleMs)
	}
	w.isolate(n.id, true)
	w.run(3000)
	o, refused := w.read(n, stale(0), 1000), w.read(n, stale(2000), 1000)
	n.pump()
	if !o.done() || o.staleMs < 2900 || o.staleMs > 3100 {
		t.Errorf("after 3 s alone: %d ms old", o.staleMs)
	}
	w.expect(refused, rsm.NotApplied, rsm.CodeNoLeader)
	w.settle()
}

// TestMinIndex: a read waits for an index it names, or fails in time.
func TestMinIndex(t *testing.T) {
	w, l := quiet(t, defaults(3, 36))
	n := w.follower()
	w.isolate(n.id, true)
	write := w.submit(l, 1000)
	w.until(1000, "the write", write.done)
	at := l.state.Point().Index
	stale := rsm.ReadOptions{Consistency: rsm.Stale, MinIndex: at}
	fails, waits := w.read(n, stale, 100), w.read(n, stale, 5000)
	n.pump()
	w.run(100)
	w.expect(fails, rsm.NotApplied, rsm.CodeNoLeader)
	w.isolate(n.id, false)
	w.until(5000, "the read", waits.done)
	if waits.size != write.size {
		t.Errorf("read %d at index %d, where %d was written", waits.size, at, write.size)
	}
	far := w.read(n, rsm.ReadOptions{MinIndex: at + 1000}, 100)
	n.pump()
	w.run(100)
	w.expect(far, rsm.NotApplied, rsm.CodeNoLeader)
	w.settle()
}

// TestRestored: a node that missed its own requests' entries finds their results in a snapshot.
func TestRestored(t *testing.T) {
	o := defaults(3, 37)
	o.snapshotEvery = 1
	w, l := quiet(t, o)
	n := w.follower()
	w.drop(func(_, to raft.NodeID, m any) bool {
		message, ok := m.(raft.Message)
		if !ok || to != n.id {
			return false
		}
		_, heartbeat := message.Body.(raft.Heartbeat) // it must go on believing in the leader
		return !heartbeat
	})
	var mine []*op
	for range 6 {
		mine = append(mine, w.submit(n, 20_000))
		w.run(20)
	}
	expires := w.submit(n, 200)
	for range 3 {
		w.submit(l, 1000)
		w.run(100)
	}
	w.expect(expires, rsm.NotApplied, rsm.CodeNoLeader) // four batches were under way
	if mine[0].done() || l.state.Point().Op < 8 {
		t.Fatalf("op %d", l.state.Point().Op)
	}
	w.keep = nil
	w.until(3000, "the answers", func() bool { return mine[5].done() })
	if w.restores == 0 {
		t.Error("no snapshot was restored")
	}
	for _, o := range mine {
		w.expect(o, rsm.Applied, "")
	}
	w.settle()
}
