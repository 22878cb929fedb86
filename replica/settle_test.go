package replica

import (
	"testing"

	"drystone/raft"
	"drystone/rsm"
)

// named is the id that o's caller was told.
func (o *op) named() rsm.RequestID {
	return rsm.RequestID{Node: uint64(o.node), Boot: o.boot, Serial: o.serial}
}

func (w *world) expectFate(n *node, o *op, want rsm.FateState) {
	w.t.Helper()
	query := rsm.EncodeRequestID(nil, o.named())
	f, err := rsm.DecodeFate(n.state.Answer(rsm.RequestQuery, query))
	if err != nil || f.State != want {
		w.failf("n%d says that %v is %v, %v, not %v", n.id, o.named(), f.State, err, want)
	}
}

// lostSight submits at a node that is cut off as soon as its batch has left, with that time to
// answer.
func (w *world) lostSight(n *node, timeout uint64) *op {
	o := w.submit(n, timeout)
	w.run(2)
	w.isolate(n.id, true)
	return o
}

// TestAnUnknownOutcomeIsKept: who was told that it is not known gets it later, by the id, from any
// node, also when the node goes on with other requests; what a caller was told need not be kept.
func TestAnUnknownOutcomeIsKept(t *testing.T) {
	w, l := quiet(t, defaults(3, 21))
	n := w.follower()
	told := w.submit(n, 1000)
	w.until(1000, "an answer", told.done)
	orphan := w.lostSight(n, 50)
	w.until(1000, "the deadline", orphan.done)
	w.expect(orphan, rsm.Unknown, rsm.CodeOutcomeUnknown)
	if !n.replica.Waits(orphan.named()) || n.replica.Waits(told.named()) {
		t.Error("what waits here is not known")
	}
	w.expectFate(l, orphan, rsm.FateApplied)
	w.isolate(n.id, false)
	for range 3 { // their batches carry an acknowledgement each
		o := w.submit(n, 5000)
		w.until(5000, "an answer", o.done)
		w.expect(o, rsm.Applied, "")
	}
	w.settle()
	if n.replica.Waits(orphan.named()) || len(n.replica.origin.orphans) > 0 {
		t.Error("it waits after its result came out, or its node goes on to speak of it")
	}
	for _, other := range w.nodes {
		w.expectFate(other, orphan, rsm.FateApplied)
		w.expectFate(other, told, rsm.FateForgotten)
	}
}

// TestAFenceReachesTheWaiter: a request that is fenced on its way never applies, and who waits for
// it is told so.
func TestAFenceReachesTheWaiter(t *testing.T) {
	w, l := quiet(t, defaults(3, 22))
	n := w.follower()
	w.isolate(n.id, true)
	o := w.submit(n, 0)
	w.run(20)
	if !n.replica.Waits(o.named()) {
		t.Error("it does not wait")
	}
	w.expectFate(l, o, rsm.FateAbsent)
	fence := w.newOp(l, 0)
	fence.serial = l.replica.Submit(w.now, fence.ticket, rsm.Request{
		Kind: rsm.FenceRequest, Command: rsm.EncodeRequestID(nil, o.named()),
	}, 0)
	l.pump()
	w.cancel(l, fence)
	w.until(1000, "the fence", func() bool { return l.state.Requests() == 1 })
	w.expectFate(l, o, rsm.FateFenced)
	w.isolate(n.id, false)
	w.until(5000, "an answer", o.done)
	w.expect(o, rsm.NotApplied, rsm.CodeFenced)
	w.settle()
	for _, other := range w.nodes {
		w.expectFate(other, o, rsm.FateFenced)
	}
}

// TestSerialsAscend: not even the settings, which go before what waited for them, have a higher
// one than what follows.
func TestSerialsAscend(t *testing.T) {
	w := newWorld(t, defaults(3, 23))
	for _, n := range w.nodes {
		for range 40 {
			w.push(n, 20_000)
		}
		n.pump()
	}
	w.settle()
	last := map[[2]uint64]uint64{}
	for _, e := range w.nodes[0].disk.entries {
		if e.Kind != raft.EntryCommand {
			continue
		}
		entry, err := rsm.DecodeEntry(e.Data)
		w.nodes[0].check(err)
		for _, encoded := range entry.Batches {
			b, err := rsm.DecodeBatch(encoded)
			w.nodes[0].check(err)
			stream := [2]uint64{b.Node, b.Number}
			if _, repeated := last[stream]; repeated {
				continue
			}
			last[stream] = 1
			for _, r := range b.Requests {
				if r.Kind != rsm.SettingsCommand && r.Serial <= last[[2]uint64{b.Node, 0}] ||
					r.Kind == rsm.SettingsCommand && r.Serial != 0 {
					t.Fatalf("serial %d after %d", r.Serial, last[[2]uint64{b.Node, 0}])
				}
				last[[2]uint64{b.Node, 0}] = r.Serial
			}
		}
	}
}
