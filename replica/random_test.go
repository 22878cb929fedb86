package replica

import (
	"fmt"
	"testing"

	"drystone/rsm"
)

// storm runs clients and faults against a cluster for a while, as its seed decides.
func storm(w *world, ms uint64) {
	for end := w.now + ms; w.now < end; {
		n := w.nodes[w.rng.IntN(len(w.nodes))]
		if n.up {
			stormClients(w, n)
		}
		if w.rng.IntN(12) == 0 {
			stormFault(w)
		}
		w.run(w.rng.Uint64N(20))
	}
}

func stormClients(w *world, n *node) {
	for range w.rng.IntN(6) {
		timeout := w.between(1, 2000)
		switch w.rng.IntN(8) {
		case 0, 1:
			w.read(n, rsm.ReadOptions{}, timeout)
		case 2:
			opts := rsm.ReadOptions{Consistency: rsm.Stale, MaxStaleMs: w.rng.Uint64N(500)}
			w.read(n, opts, timeout)
		case 3:
			if o := w.push(n, timeout); w.rng.IntN(3) == 0 {
				w.cancel(n, o)
			}
		default:
			w.push(n, timeout)
		}
	}
	n.pump()
}

func stormFault(w *world) {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	switch w.rng.IntN(8) {
	case 0, 1:
		if n.up {
			n.crash()
		} else {
			n.start()
		}
	case 2:
		w.isolate(n.id, true)
	case 3, 4:
		w.isolate(n.id, false)
	case 5: // one direction of one link
		to := w.nodes[w.rng.IntN(len(w.nodes))]
		w.cut[n.id][to.id] = !w.cut[n.id][to.id]
	case 6:
		if l := w.leader(); l != nil {
			// Refused when it goes on already.
			_ = l.replica.Transfer(n.id)
			l.pump()
		}
	case 7:
		if n.up {
			n.replica.Lost(w.now, w.nodes[w.rng.IntN(len(w.nodes))].id)
			n.pump()
		}
	}
}

// TestStorms runs short histories under loss, repetition, reordering, partitions, crashes, slow
// disks and appliers, leader changes and snapshots, and judges every one of them.
func TestStorms(t *testing.T) {
	histories := 160
	if testing.Short() {
		histories = 50
	}
	var applied, unknown, refused, reads, snapshots, restores int
	for seed := range histories {
		o := defaults(1+2*(seed%3), uint64(seed))
		o.netMax = 1 + uint64(seed%4)*7
		o.diskMax = uint64(seed % 5 * 6)
		o.execMax = uint64(seed % 7 * 5)
		o.lose, o.repeat = float64(seed%3)*0.05, float64(seed%4)*0.05
		o.config.MaxEntryBytes = 512 << (seed % 6)
		o.config.MaxInflightBytes = 2048 << (seed % 5)
		if seed%2 == 0 {
			o.snapshotEvery = 5 + uint64(seed%20)
		}
		w := newWorld(t, o)
		storm(w, 3000)
		w.settle()
		for _, op := range w.ops {
			switch {
			case op.read && op.outcome == rsm.Applied:
				reads++
			case op.outcome == rsm.Applied:
				applied++
			case op.outcome == rsm.Unknown:
				unknown++
			case op.outcome == rsm.NotApplied:
				refused++
			}
		}
		restores += w.restores
		for _, n := range w.nodes {
			snapshots += n.disk.snapshots
		}
	}
	t.Logf("%d applied, %d unknown, %d refused, %d reads, %d snapshots, %d restored",
		applied, unknown, refused, reads, snapshots, restores)
	for what, n := range map[string]int{"applied": applied, "unknown": unknown, "refused": refused,
		"reads": reads, "snapshots": snapshots,
		"restores": restores} {
		if n < histories/4 {
			t.Errorf("only %d %s in %d histories: the storms are too tame or too wild",
				n, what, histories)
		}
	}
}

// TestEqualRuns: a replica is a function of its inputs.
func TestEqualRuns(t *testing.T) {
	run := func() string {
		o := defaults(3, 99)
		o.netMax, o.diskMax, o.execMax, o.lose = 20, 9, 9, 0.05
		w := newWorld(t, o)
		storm(w, 5000)
		w.settle()
		s := fmt.Sprint(w.steps, w.now, w.nodes[0].state.Hash())
		for _, op := range w.ops {
			s += fmt.Sprint(*op)
		}
		return s
	}
	if first, second := run(), run(); first != second {
		t.Fatal("two runs of one seed differ")
	}
}
