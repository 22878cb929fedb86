package replica

import (
	"testing"

	"drystone/raft"
	"drystone/rsm"
)

// A process that was stopped had no ticks meanwhile. What it read last is as old as its clock
// says, not as its ticks do.
func TestStaleAfterPause(t *testing.T) {
	w, _ := quiet(t, defaults(3, 40))
	n := w.follower()
	w.now += 10_000
	for id := raft.NodeID(1); id <= 3; id++ { // an input before the next tick, and from no leader
		if id != n.id && id != n.replica.Status().Leader {
			n.replica.Lost(w.now, id)
		}
	}
	old := w.read(n, rsm.ReadOptions{Consistency: rsm.Stale}, 1000)
	bound := w.read(n, rsm.ReadOptions{Consistency: rsm.Stale, MaxStaleMs: 500}, 1000)
	n.pump()
	for len(n.jobs) > 0 {
		w.step()
	}
	if !old.done() || old.staleMs < 10_000 {
		t.Errorf("a read after a pause of 10 s claims to be %d ms old", old.staleMs)
	}
	if bound.outcome == rsm.Applied {
		t.Error("a read that may be 500 ms old is served after a pause of 10 s")
	}
}
