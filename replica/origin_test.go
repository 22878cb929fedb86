package replica

import (
	"strconv"
	"strings"
	"testing"

	"drystone/raft"
	"drystone/rsm"
)

// quiet is a world with a leader whose settings are in force and in which nothing moves.
func quiet(t *testing.T, o options) (*world, *node) {
	w := newWorld(t, o)
	w.elect()
	w.until(2000, "settings", func() bool {
		for _, n := range w.nodes {
			if _, set := n.state.Settings(); !set {
				return false
			}
		}
		return w.leader() != nil && w.leader().replica.lead.flightIndex == 0
	})
	return w, w.leader()
}

// submit pushes at a node and lets it act.
func (w *world) submit(n *node, timeout uint64) *op {
	o := w.push(n, timeout)
	n.pump()
	return o
}

func (o *op) done() bool { return o.outcome != 0 }

func (w *world) expect(o *op, outcome rsm.Outcome, code rsm.Code) {
	w.t.Helper()
	if o.outcome != outcome || o.code != code {
		w.failf("ticket %d: outcome %d %q, want %d %q", o.ticket, o.outcome, o.code, outcome, code)
	}
}

// drop lets the network lose what matches.
func (w *world) drop(lost func(from, to raft.NodeID, m any) bool) {
	w.keep = func(from, to raft.NodeID, m any) bool { return !lost(from, to, m) }
}

func isForward(m any) bool { _, ok := m.(rsm.Forward); return ok }

// TestOneBatch: what waits together leaves together, at the leader and elsewhere.
func TestOneBatch(t *testing.T) {
	for _, leads := range []bool{true, false} {
		o := defaults(3, 1)
		o.config.MaxEntryBytes, o.config.MaxInflightBytes = 4<<20, 4<<20
		w, n := quiet(t, o)
		if !leads {
			n = w.follower()
		}
		index, last := w.leader().core.Status().LastIndex, n.replica.origin.last
		for range 5000 {
			w.push(n, 1000)
		}
		n.pump()
		w.until(1000, "the last answer", w.ops[4999].done)
		if got := w.leader().core.Status().LastIndex - index; got != 1 {
			t.Errorf("5000 requests took %d entries", got)
		}
		if got := n.replica.origin.last - last; got != 1 {
			t.Errorf("5000 requests took %d batches", got)
		}
		w.settle()
	}
}

// TestIdle: a cluster without requests appends nothing after its settings, and waits for nothing.
func TestIdle(t *testing.T) {
	w, l := quiet(t, defaults(5, 14))
	index, proposals := l.core.Status().LastIndex, w.proposals()
	w.run(120_000)
	now := l.core.Status()
	if now.LastIndex != index || now.Role != raft.Leader || w.proposals() != 1 {
		t.Errorf("index %d → %d, %d → %d proposals", index, now.LastIndex, proposals, w.proposals())
	}
	w.settle()
}

// TestBatchBounds: entries keep to MaxEntryBytes, but for one request that exceeds it alone; and
// order is kept where a queue is cut in pieces.
func TestBatchBounds(t *testing.T) {
	o := defaults(3, 2)
	o.config.MaxEntryBytes = 2048
	w, _ := quiet(t, o)
	keyed := func(n *node, bytes int) *op {
		o := w.newOp(n, 20_000)
		request := pushRequest(o.ticket)
		request.Identity.Key = strings.Repeat("k", bytes) + strconv.Itoa(int(o.ticket))
		o.serial = n.replica.Submit(w.now, o.ticket, request, 20_000)
		return o
	}
	for range 100 {
		for _, n := range w.nodes {
			keyed(n, 300)
		}
	}
	big := keyed(w.nodes[0], 3000)
	for _, n := range w.nodes {
		n.pump()
	}
	w.settle()
	w.expect(big, rsm.Applied, "")
	over := 0
	for _, n := range w.nodes {
		for i := range n.disk.entries {
			if len(n.disk.entries[i].Data) > o.config.MaxEntryBytes+64 { // and what frames batches
				over++
			}
		}
	}
	if over != len(w.nodes) {
		t.Errorf("%d entries are over the bound", over)
	}
}

// TestNeverSent: without a leader a request waits, and at its deadline it certainly did nothing.
func TestNeverSent(t *testing.T) {
	w, _ := quiet(t, defaults(3, 3))
	n := w.follower()
	late := w.push(n, 3)
	w.now += 3 // a host that was busy, and no tick
	n.pump()
	w.expect(late, rsm.NotApplied, rsm.CodeNoLeader)
	w.isolate(n.id, true)
	w.until(2000, "the leader is missed", func() bool { return n.replica.Status().Leader == 0 })
	o := w.submit(n, 100)
	w.run(85)
	if o.done() {
		t.Fatal("answered early")
	}
	w.run(15)
	w.expect(o, rsm.NotApplied, rsm.CodeNoLeader)
	w.settle()
}

// TestSent: what may be on its way is unknown at its deadline. It stays in the stream; a leader
// that gets it later refuses it, because its time has passed.
func TestSent(t *testing.T) {
	w, _ := quiet(t, defaults(3, 4))
	n := w.follower()
	w.drop(func(_, _ raft.NodeID, m any) bool { return isForward(m) })
	late, lasting := w.submit(n, 300), w.submit(n, 0)
	w.run(299)
	w.expect(late, rsm.Unknown, rsm.CodeOutcomeUnknown)
	if lasting.done() || len(n.replica.origin.ring) == 0 {
		t.Fatal("the stream lost a batch")
	}
	w.keep = nil
	w.until(2000, "the second copy", lasting.done)
	w.expect(lasting, rsm.Applied, "")
	w.settle()
	if _, present := w.items()[late.ticket]; present {
		t.Error("applied after its time")
	}
}

// TestOverload: too much is refused at once, and what is refused costs nothing.
func TestOverload(t *testing.T) {
	request := pushRequest(1)
	o := defaults(3, 5)
	o.config.MaxInflightBytes = 7*requestBytes(&request) - 1
	w, _ := quiet(t, o)
	n := w.follower()
	w.isolate(n.id, true)
	var refused int
	for range 20 {
		o := w.submit(n, 1000)
		if o.done() {
			w.expect(o, rsm.NotApplied, rsm.CodeOverload)
			refused++
		}
	}
	if refused != 14 {
		t.Errorf("%d of 20 refused", refused)
	}
	r := w.read(n, rsm.ReadOptions{}, 1000)
	if n.pump(); r.code != "" {
		t.Errorf("a read does not fit behind %d bytes: %s", n.replica.InflightBytes(), r.code)
	}
	r = w.read(n, rsm.ReadOptions{}, 1000)
	n.pump()
	w.expect(r, rsm.NotApplied, rsm.CodeOverload)
	w.settle()
}

// TestDrain: new requests are refused, old ones are answered, and then there is nothing.
func TestDrain(t *testing.T) {
	w, n := quiet(t, defaults(3, 6))
	before := w.submit(n, 1000)
	n.replica.Drain()
	if n.replica.Idle() {
		t.Error("idle with a request under way")
	}
	after, read := w.submit(n, 1000), w.read(n, rsm.ReadOptions{}, 1000)
	n.pump()
	w.expect(after, rsm.NotApplied, rsm.CodeDraining)
	w.expect(read, rsm.NotApplied, rsm.CodeDraining)
	// A leader that drains still serves the others.
	other := w.submit(w.follower(), 1000)
	w.until(1000, "both answers", func() bool { return before.done() && other.done() })
	w.expect(before, rsm.Applied, "")
	w.expect(other, rsm.Applied, "")
	w.until(1000, "idle", n.replica.Idle)
	w.settle()
}

// TestAbandon: a host that stops answers everybody truthfully.
func TestAbandon(t *testing.T) {
	w, _ := quiet(t, defaults(3, 7))
	n := w.follower()
	w.drop(func(_, _ raft.NodeID, m any) bool { return isForward(m) })
	sent := w.submit(n, 1000)
	read := w.read(n, rsm.ReadOptions{}, 1000)
	waits := w.push(n, 1000)
	n.replica.Abandon()
	n.pump()
	w.expect(sent, rsm.Unknown, rsm.CodeOutcomeUnknown)
	w.expect(waits, rsm.NotApplied, rsm.CodeDraining)
	w.expect(read, rsm.NotApplied, rsm.CodeDraining)
	w.settle()
}

// TestCancel: nobody is answered. What was not sent is dropped, what was sent is not changed.
func TestCancel(t *testing.T) {
	w, _ := quiet(t, defaults(3, 8))
	n := w.follower()
	sent, stays := w.push(n, 1000), w.push(n, 1000)
	n.pump()
	w.cancel(n, sent)
	waits, goes := w.push(n, 1000), w.push(n, 1000)
	w.cancel(n, waits)
	read := w.read(n, rsm.ReadOptions{}, 1000)
	w.cancel(n, read)
	n.pump()
	w.settle()
	w.expect(stays, rsm.Applied, "")
	w.expect(goes, rsm.Applied, "")
	position := w.items()
	if position[sent.ticket] == 0 || position[waits.ticket] != 0 || sent.done() || waits.done() {
		t.Error("what was sent must go its way, what was not must not, and nobody is answered")
	}
}

// TestGap: one lost batch is missed when the next one is applied, and sent again at once.
func TestGap(t *testing.T) {
	for lost := range 3 {
		o := defaults(3, 9)
		o.config.RetryMs = 1 << 40
		w, _ := quiet(t, o)
		n, forwards := w.follower(), 0
		w.drop(func(_, _ raft.NodeID, m any) bool {
			if isForward(m) {
				forwards++
			}
			return isForward(m) && forwards == lost+1
		})
		for range 4 {
			w.submit(n, 1000)
		}
		w.until(40, "all answers", func() bool { return w.ops[3].done() })
		for _, o := range w.ops {
			w.expect(o, rsm.Applied, "")
		}
		w.settle()
	}
}

// TestRetry: a single lost batch has none behind it to be missed by: time tells.
func TestRetry(t *testing.T) {
	w, _ := quiet(t, defaults(3, 10))
	forwards := 0
	w.drop(func(_, _ raft.NodeID, m any) bool {
		if isForward(m) {
			forwards++
		}
		return isForward(m)
	})
	o := w.submit(w.follower(), 0)
	w.run(10_000)
	// 0 and, doubling to a bound: 0.2 0.6 1.4 3.0 6.2 9.4 s.
	if forwards != 7 {
		t.Errorf("%d attempts in 10 s", forwards)
	}
	w.keep = nil
	w.until(5000, "the answer", o.done)
	w.settle()
}

// TestRefusal: a leader's refusal holds the stream back, so that what was never sent can still be
// refused with certainty. A stale refusal does nothing.
func TestRefusal(t *testing.T) {
	w, l := quiet(t, defaults(3, 11))
	n := w.follower()
	w.drop(func(_, _ raft.NodeID, m any) bool { return isForward(m) })
	first := w.submit(n, 0)
	r := n.replica
	number := r.origin.ring[0].number
	for _, stale := range []struct {
		from raft.NodeID
		m    rsm.Refusal
	}{
		{l.id, rsm.Refusal{Boot: n.boot - 1, Number: number}},
		{l.id, rsm.Refusal{Boot: n.boot, Number: number - 1}},
		{l.id, rsm.Refusal{Boot: n.boot, Number: number + 1}},
		{6 - l.id - n.id, rsm.Refusal{Boot: n.boot, Number: number}},
		{n.id, rsm.Refusal{Boot: n.boot, Number: number}},
	} {
		if r.Receive(w.now, stale.from, stale.m); r.origin.blocked {
			t.Fatalf("%+v is stale", stale)
		}
	}
	n.receive(l.id, rsm.Refusal{Boot: n.boot, Number: number, Code: rsm.CodeOverload})
	waits := w.submit(n, 150)
	if r.origin.last != number || len(r.origin.ring) != 1 {
		t.Fatal("a batch was sent to a leader that refuses")
	}
	w.keep = nil
	w.run(149)
	w.expect(waits, rsm.NotApplied, rsm.CodeNoLeader)
	w.until(200, "the second attempt", first.done)

	// A refusal of one copy while another is on its way: when that is applied, the stream goes on.
	copied := w.submit(n, 1000)
	n.receive(l.id, rsm.Refusal{Boot: n.boot, Number: r.origin.last, Code: rsm.CodeNoLeader})
	next := w.submit(n, 1000)
	if w.until(100, "the copy", copied.done); !r.origin.blocked && next.done() {
		t.Error("the refusal did nothing")
	}
	w.until(100, "the next", next.done)
	w.expect(next, rsm.Applied, "")
	w.settle()
}

// TestLostConnection: what was sent over a connection that broke is sent again at once, also when
// the leader is heard again before anybody could notice that it was forgotten.
func TestLostConnection(t *testing.T) {
	o := defaults(3, 15)
	o.config.RetryMs = 1 << 40
	w, l := quiet(t, o)
	n := w.follower()
	w.drop(func(_, _ raft.NodeID, m any) bool { return isForward(m) })
	request := w.submit(n, 1000)
	w.run(5)
	w.keep = nil
	n.replica.Lost(w.now, 6-l.id-n.id)
	n.pump()
	w.run(50)
	if request.done() {
		t.Fatal("another's connection broke")
	}
	n.replica.Lost(w.now, l.id)
	n.receive(l.id, raft.Message{From: l.id, To: n.id, Term: l.replica.lead.term,
		Body: raft.Heartbeat{}})
	w.until(50, "the answer", request.done)
	w.settle()
}

// TestFromSnapshot: a node whose log begins with a snapshot knows that there are settings.
func TestFromSnapshot(t *testing.T) {
	o := defaults(3, 16)
	o.snapshotEvery = 1
	w := newWorld(t, o)
	late := w.nodes[2]
	late.crash()
	l := w.elect()
	w.submit(l, 1000)
	w.run(100)
	late.start()
	w.until(3000, "a restore", func() bool { return w.restores == 1 })
	request := w.submit(late, 1000)
	w.until(1000, "the answer", request.done)
	w.expect(request, rsm.Applied, "")
	w.run(100)
	for _, n := range w.nodes {
		n.crash()
		n.start()
	}
	w.elect()
	w.run(1000)
	if w.proposals() != 0 {
		t.Error("settings were proposed again")
	}
	w.settle()
}

// TestReboot: a node that starts again has a new stream; what an earlier boot sent and the
// network kept is still applied in its place, and nothing of it twice.
func TestReboot(t *testing.T) {
	w, l := quiet(t, defaults(3, 12))
	n := w.follower()
	first := w.submit(n, 1000)
	w.until(1000, "the first answer", first.done)
	var kept []rsm.Forward
	w.drop(func(_, _ raft.NodeID, m any) bool {
		if f, ok := m.(rsm.Forward); ok {
			kept = append(kept, f)
		}
		return isForward(m)
	})
	old := []*op{w.submit(n, 60_000), w.submit(n, 60_000)}
	w.run(20)
	n.crash()
	w.keep = nil
	n.start()
	w.until(1000, "the leader is known", func() bool { return n.replica.Status().Leader == l.id })
	fresh := w.submit(n, 1000)
	w.until(1000, "the new boot's answer", fresh.done)
	if n.replica.origin.last != 1 {
		t.Error("a boot's first batch is not number 1")
	}
	for range 2 {
		for _, f := range kept {
			l.receive(n.id, f)
		}
	}
	w.settle()
	position := w.items()
	if position[old[0].ticket] != position[fresh.ticket]+1 || position[old[1].ticket] != 4 {
		t.Errorf("an earlier boot's batches are lost: %v", position)
	}
}

// TestGhost: a newer boot of the node is in the log and its retention has passed. The old process
// can do nothing any more, says so, and hangs nobody.
func TestGhost(t *testing.T) {
	o := defaults(3, 13)
	o.config.Settings.RequestRetentionMs = 500
	w, l := quiet(t, o)
	n := w.follower()
	before := w.submit(n, 1000)
	w.until(1000, "an answer", before.done)
	batch := rsm.EncodeBatch(nil, rsm.Batch{Node: uint64(n.id), Boot: n.boot + 1, Number: 1,
		Requests: []rsm.Request{{Kind: rsm.SettingsCommand,
			Command: rsm.EncodeSettings(nil, rsm.SettingsChange{IfUnset: true})}}})
	l.receive(n.id, rsm.Forward{Batch: batch})
	w.run(700)
	sent := w.submit(n, 1000)
	waits := []*op{w.submit(n, 1000), w.submit(n, 1000), w.submit(n, 1000), w.submit(n, 1000)}
	w.until(100, "the end", n.replica.Fenced)
	n.pump()
	w.expect(sent, rsm.Unknown, rsm.CodeOutcomeUnknown)
	w.expect(waits[3], rsm.NotApplied, rsm.CodeQuarantined)
	after := w.submit(n, 1000)
	w.expect(after, rsm.NotApplied, rsm.CodeQuarantined)
	if !n.replica.Idle() {
		t.Error("something is left")
	}
	// It may even lead, for the others.
	w.until(2000, "leadership of the ghost", func() bool {
		if x := w.leader(); x != nil && x != n {
			_ = x.replica.Transfer(n.id)
			x.pump()
		}
		return w.leader() == n
	})
	other := w.submit(l, 1000)
	w.until(1000, "another's answer", other.done)
	w.expect(other, rsm.Applied, "")
	w.settle()
}
