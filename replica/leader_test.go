package replica

import (
	"testing"

	"drystone/raft"
	"drystone/rsm"
)

// copiesInLog counts a batch in a node's log.
func (n *node) copiesInLog(node raft.NodeID, boot, number uint64) (copies int) {
	for i := range n.disk.entries {
		e := &n.disk.entries[i]
		if e.Kind != raft.EntryCommand {
			continue
		}
		entry, err := rsm.DecodeEntry(e.Data)
		n.check(err)
		for _, encoded := range entry.Batches {
			a, b, c, err := rsm.BatchHead(encoded)
			n.check(err)
			if a == uint64(node) && b == boot && c == number {
				copies++
			}
		}
	}
	return copies
}

// TestLeaderChangeAtEveryStep: whatever the moment at which the leader dies, hands over, or is
// cut off for a while, every request takes effect once or not at all, as its caller was told.
func TestLeaderChangeAtEveryStep(t *testing.T) {
	faults := []struct {
		name  string
		fault func(w *world, l *node)
	}{
		{"crash", func(w *world, l *node) { l.crash() }},
		{"crash and restart", func(w *world, l *node) {
			l.crash()
			l.start()
		}},
		{"transfer", func(w *world, l *node) {
			if err := l.replica.Transfer(w.follower().id); err != nil {
				w.failf("transfer: %v", err)
			}
			l.pump()
		}},
		{"isolate", func(w *world, l *node) {
			w.isolate(l.id, true)
			w.at(1500, func() { w.isolate(l.id, false) })
		}},
		{"deaf", func(w *world, l *node) {
			for i := range w.nodes {
				w.cut[i+1][l.id] = true
			}
			w.at(1500, func() { w.isolate(l.id, false) })
		}},
	}
	for _, nodes := range []int{3, 5} {
		for _, f := range faults {
			for step := 0; step < 90; step += nodes * nodes / 8 {
				o := defaults(nodes, 20)
				o.diskMin, o.diskMax, o.execMin, o.execMax = 1, 3, 1, 2
				o.snapshotEvery = uint64(step % 3 * 2)
				w, l := quiet(t, o)
				for range 3 {
					for _, n := range w.nodes {
						w.submit(n, 30_000)
						w.read(n, rsm.ReadOptions{}, 30_000)
					}
					w.run(1)
				}
				for range step {
					w.step()
				}
				if !l.replica.leads() {
					break
				}
				f.fault(w, l)
				w.until(5000, f.name+": the others' answers", func() bool {
					for _, o := range w.ops {
						if o.node != l.id && !o.done() {
							return false
						}
					}
					return true
				})
				w.settle()
				for _, o := range w.ops {
					if !o.lost {
						w.expect(o, rsm.Applied, "")
					}
				}
			}
		}
	}
}

// TestTwoLeaders: a batch in the log of a leader that dies, and sent again to the next one, who
// has it already: two copies in one log, one execution.
func TestTwoLeaders(t *testing.T) {
	w, old := quiet(t, defaults(3, 21))
	n := w.follower()
	// Entries spread, but nobody learns that they are committed.
	w.drop(func(from, _ raft.NodeID, m any) bool {
		message, ok := m.(raft.Message)
		if ok && from != old.id {
			_, reply := message.Body.(raft.AppendReply)
			return reply
		}
		return false
	})
	o := w.submit(n, 5000)
	number := n.replica.origin.last
	w.run(10)
	old.crash()
	w.keep = nil
	w.until(3000, "the answer", o.done)
	w.expect(o, rsm.Applied, "")
	w.settle()
	if got := n.copiesInLog(n.id, n.boot, number); got != 2 {
		t.Errorf("%d copies of the batch in the log", got)
	}
}

// TestLostLeaderLog: a batch in the log of a leader who is cut off, and then overwritten: the
// next leader gets it from its node, not from that log.
func TestLostLeaderLog(t *testing.T) {
	w, old := quiet(t, defaults(3, 22))
	n := w.follower()
	w.drop(func(from, to raft.NodeID, m any) bool { return from == old.id && !isForward(m) })
	mine, others := w.submit(old, 5000), w.submit(n, 5000)
	w.until(5000, "both answers", func() bool {
		if x := w.leader(); x != nil && x != old {
			w.keep = nil
		}
		return mine.done() && others.done()
	})
	w.expect(mine, rsm.Applied, "")
	w.expect(others, rsm.Applied, "")
	w.settle()
}

// TestRegainedLeadership: the same node leads again in a later term. What it had under way and
// what it holds for others belongs to the leadership it lost.
func TestRegainedLeadership(t *testing.T) {
	w, l := quiet(t, defaults(3, 23))
	term := l.replica.lead.term
	w.drop(func(from, to raft.NodeID, m any) bool { _, ok := m.(raft.Message); return ok })
	for _, n := range w.nodes {
		w.submit(n, 10_000)
		w.submit(n, 10_000)
	}
	w.until(3000, "the leader gives up", func() bool {
		l.replica.observe()
		return l.replica.lead == nil
	})
	w.drop(func(from, to raft.NodeID, m any) bool { // only l can be elected
		message, ok := m.(raft.Message)
		if !ok {
			return false
		}
		_, vote := message.Body.(raft.RequestVote)
		return vote && from != l.id
	})
	w.until(10_000, "leadership again", func() bool { return l.replica.lead != nil })
	if l.replica.lead.term == term || l.replica.lead.flightIndex != 0 || l.replica.leads() {
		t.Error("a new term is a new leadership, and its first entry is not applied yet")
	}
	w.settle()
	for _, o := range w.ops {
		w.expect(o, rsm.Applied, "")
	}
}

// TestForwards: who a batch is from is checked, a repeat is skipped while the first copy waits or
// is under way, later batches wait behind earlier ones, and too much is refused.
func TestForwards(t *testing.T) {
	o := defaults(3, 24)
	w, l := quiet(t, o)
	n, r := w.follower(), l.replica
	batch := func(number uint64, bytes int) rsm.Forward {
		request := pushRequest(1)
		request.Identity.Key = string(make([]byte, bytes))
		return rsm.Forward{Batch: rsm.EncodeBatch(nil, rsm.Batch{Node: uint64(n.id),
			Boot: n.boot, Number: number, Requests: []rsm.Request{request}})}
	}
	w.submit(l, 1000) // an entry under way holds the rest back
	r.Receive(w.now, n.id, rsm.Forward{})
	r.Receive(w.now, n.id, rsm.Forward{Batch: []byte{99}})
	r.Receive(w.now, 6-l.id-n.id, batch(8, 0)) // not its own
	if len(r.lead.queue) != 0 {
		t.Fatal("took what is damaged or not the sender's")
	}
	for _, number := range []uint64{9, 8, 9, 8} {
		r.Receive(w.now, n.id, batch(number, 0))
	}
	if q := r.lead.queue; len(q) != 2 || q[0].number != 8 || q[1].number != 9 {
		t.Fatalf("queue of %d", len(q))
	}
	r.Receive(w.now, n.id, batch(10, o.config.MaxInflightBytes))
	if len(r.lead.queue) != 2 || len(r.forward) != 1 || r.forward[0].To != n.id {
		t.Fatal("too much was taken, or not refused")
	}
	if m, ok := r.forward[0].Body.(rsm.Refusal); !ok || m.Number != 10 || m.Code != rsm.CodeOverload {
		t.Fatalf("%+v", m)
	}
	// n never made these batches, so it must not see them.
	r.lead.queue, r.lead.queueBytes, r.forward = nil, 0, nil
	// A node that does not lead says so at once.
	n.replica.Receive(w.now, l.id, rsm.Forward{Batch: rsm.EncodeBatch(nil, rsm.Batch{
		Node: uint64(l.id), Boot: 7, Number: 3})})
	m, ok := n.replica.forward[0].Body.(rsm.Refusal)
	if want := (rsm.Refusal{Boot: 7, Number: 3, Code: rsm.CodeNoLeader, Leader: uint64(l.id)}); !ok ||
		m != want {
		t.Fatalf("%+v", m)
	}
	n.pump()
	w.settle()
}

// TestRepeatedForward: a copy of what is in the entry under way is skipped; once that is committed
// a copy is let through, because its sender may have seen it come out as a gap.
func TestRepeatedForward(t *testing.T) {
	w, l := quiet(t, defaults(3, 27))
	n := w.follower()
	var sent rsm.Forward
	w.drop(func(_, _ raft.NodeID, m any) bool {
		if f, ok := m.(rsm.Forward); ok {
			sent = f
		}
		return false
	})
	o := w.submit(n, 1000)
	number := n.replica.origin.last
	w.until(100, "the entry", func() bool { return l.replica.lead.flightIndex != 0 })
	for range 3 {
		l.receive(n.id, sent)
	}
	if len(l.replica.lead.queue) != 0 {
		t.Error("a copy was taken")
	}
	w.until(100, "the answer", o.done)
	l.receive(n.id, sent)
	w.run(100)
	if got := l.copiesInLog(n.id, n.boot, number); got != 2 {
		t.Errorf("%d copies in the log", got)
	}
	w.settle()
}

// TestStopAndWait: while an entry is under way everything gathers for the next one. A leader's own
// callers get their share of that, whatever the others send, and who ran out of time is not in it.
func TestStopAndWait(t *testing.T) {
	o := defaults(3, 28)
	o.config.MaxEntryBytes = 4096
	w, l := quiet(t, o)
	first := w.submit(l, 1000)
	index := l.core.Status().LastIndex
	for i := range 12 {
		for _, n := range w.nodes {
			if n != l {
				w.push(n, 1000)
				l.replica.Receive(w.now, n.id, rsm.Forward{Batch: rsm.EncodeBatch(nil, rsm.Batch{
					Node: uint64(n.id), Boot: n.boot + 1, Number: uint64(i + 1),
					Requests: []rsm.Request{{Command: make([]byte, 500)}},
				})})
			}
		}
	}
	mine, short := w.push(l, 1000), w.push(l, 1)
	l.pump()
	if l.core.Status().LastIndex != index || len(l.replica.lead.queue) != 24 {
		t.Fatal("two entries at a time")
	}
	w.until(100, "the first", first.done)
	w.until(100, "the next", mine.done)
	if l.state.Point().Index != uint64(index)+1 || len(l.replica.lead.queue) == 0 {
		t.Error("a leader's own requests waited for all of the others'")
	}
	w.expect(short, rsm.NotApplied, rsm.CodeNoLeader)
	for _, n := range w.nodes {
		if n != l {
			n.replica.Drain() // their next boot has begun without them
		}
	}
	w.run(100)
	for i := range l.disk.entries {
		if len(l.disk.entries[i].Data) > 4096+64 {
			t.Errorf("an entry of %d bytes", len(l.disk.entries[i].Data))
		}
	}
}

// TestTransferring: while leadership is being handed over nothing is proposed and nothing lost;
// what runs out of time meanwhile was never sent.
func TestTransferring(t *testing.T) {
	w, l := quiet(t, defaults(3, 29))
	to := w.follower()
	w.isolate(to.id, true)
	if err := l.replica.Transfer(to.id); err != nil {
		t.Fatal(err)
	}
	attempts := l.core.attempts
	short, long := w.submit(l, 100), w.submit(l, 5000)
	for range 100 {
		l.pump()
		w.run(1)
	}
	w.expect(short, rsm.NotApplied, rsm.CodeNoLeader)
	if got := l.core.attempts - attempts; got > 12 {
		t.Errorf("%d attempts in ten ticks", got)
	}
	w.until(2000, "the answer", long.done)
	w.expect(long, rsm.Applied, "")
	w.settle()
}

// TestHeldAndRefused: a leader whose first entry is not applied keeps what arrives; when it loses
// leadership before, it says so to everybody.
func TestHeldAndRefused(t *testing.T) {
	w, old := quiet(t, defaults(3, 25))
	old.crash()
	var l *node
	w.drop(func(_, _ raft.NodeID, m any) bool { // nobody can commit
		message, ok := m.(raft.Message)
		if !ok {
			return false
		}
		_, reply := message.Body.(raft.AppendReply)
		return reply
	})
	w.until(3000, "an election", func() bool {
		for _, n := range w.nodes {
			if n.up && n.replica.lead != nil {
				l = n
			}
		}
		return l != nil
	})
	n := w.follower()
	if n == l {
		n = w.nodes[6-l.id-old.id-1]
	}
	w.until(1000, "the leader is known", func() bool { return n.replica.Status().Leader == l.id })
	o, read := w.submit(n, 10_000), w.read(n, rsm.ReadOptions{}, 10_000)
	n.pump()
	w.run(5)
	if len(l.replica.lead.queue) != 1 || len(l.replica.lead.asks) != 1 || l.core.proposals != 0 {
		t.Fatal("a leader proposed, or refused, before it knew the log time")
	}
	refusals := 0
	w.drop(func(from, _ raft.NodeID, m any) bool {
		switch m := m.(type) {
		case raft.Message:
			return true
		case rsm.Refusal:
			refusals++
		case rsm.ReadAnswer:
			if !m.OK {
				refusals++
			}
		}
		return false
	})
	w.until(3000, "the leader gives up", func() bool { return l.replica.lead == nil })
	if refusals != 2 {
		t.Errorf("%d refusals", refusals)
	}
	w.settle()
	w.expect(o, rsm.Applied, "")
	w.expect(read, rsm.Applied, "")
}

// TestSettingsFirst: requests that wait for the first leader come after the cluster's settings.
// The oracle looks at the log of every test; here there is something that could come before.
func TestSettingsFirst(t *testing.T) {
	for seed := range uint64(10) {
		w := newWorld(t, defaults(3, 100+seed))
		for _, n := range w.nodes {
			w.submit(n, 10_000)
			w.submit(n, 10_000)
		}
		if seed%2 == 1 { // the first leader dies at some time early on
			w.until(3000, "a leader", func() bool { return w.leader() != nil })
			for range seed {
				w.step()
			}
			if l := w.leader(); l != nil {
				l.crash()
			}
		}
		w.settle()
	}
}

// TestLogTime runs with real time, however fast entries follow each other, and stands still when
// no node runs.
func TestLogTime(t *testing.T) {
	o := defaults(3, 26)
	o.netMin, o.netMax, o.diskMin, o.diskMax = 2, 4, 1, 3
	w, l := quiet(t, o)
	begin, logBegin := w.now, l.replica.LogTime(w.now)
	for w.now < begin+5000 {
		w.submit(l, 1000)
		w.run(1)
	}
	w.run(100)
	passed := w.now - begin
	if got := l.state.Point().LogTime - logBegin; got+200 < passed || got > passed {
		t.Errorf("log time ran %d ms in %d", got, passed)
	}
	for _, n := range w.nodes {
		if d := l.replica.LogTime(w.now) - n.replica.LogTime(w.now); n != l && d > 20 {
			t.Errorf("n%d is %d ms behind", n.id, d)
		}
	}
	before := l.replica.LogTime(w.now)
	for _, n := range w.nodes {
		n.crash()
	}
	w.run(60_000)
	for _, n := range w.nodes {
		n.start()
	}
	l = w.elect()
	w.submit(l, 1000)
	w.run(1000)
	if now := l.replica.LogTime(w.now); now < before || now > before+5000 {
		t.Errorf("log time went from %d to %d while no node ran", before, now)
	}
	w.settle()
}
