package sim

import (
	"slices"
	"testing"
)

// TestAgendaOrder: events come out by time, and those of one instant in the order planned.
func TestAgendaOrder(t *testing.T) {
	r := random{7}
	var g agenda
	var all []event
	for i := range 2000 {
		e := event{at: int64(r.below(300)), seq: uint64(i)}
		g.push(e)
		all = append(all, e)
		if r.below(3) == 0 {
			least := slices.MinFunc(all, compareEvents)
			if got := g.pop(); got != least {
				t.Fatalf("popped %+v, want %+v", got, least)
			}
			all = slices.DeleteFunc(all, func(e event) bool { return e == least })
		}
	}
	slices.SortFunc(all, compareEvents)
	for _, want := range all {
		if got := g.pop(); got != want {
			t.Fatalf("popped %+v, want %+v", got, want)
		}
	}
	if len(g.heap) != 0 {
		t.Errorf("%d events are left", len(g.heap))
	}
}

func compareEvents(a, b event) int {
	switch {
	case a.before(&b):
		return -1
	case b.before(&a):
		return 1
	}
	return 0
}

func TestRandom(t *testing.T) {
	r := random{1}
	if got := r.next(); got != 0x910a2dec89025cc1 {
		t.Errorf("the first draw of seed 1 is %#x: every seed means another run now", got)
	}
	var counts [10]int
	sum, most := int64(0), int64(0)
	for range 10_000 {
		counts[r.below(10)]++
		d := r.spread(1000)
		sum, most = sum+d, max(most, d)
		if n := r.between(-3, 3); n < -3 || n > 3 {
			t.Fatalf("%d is not between -3 and 3", n)
		}
	}
	if least := slices.Min(counts[:]); least < 800 {
		t.Errorf("draws below 10 came %v times", counts)
	}
	if mean := sum / 10_000; mean < 900 || mean > 1100 || most < 4000 {
		t.Errorf("spread around 1000 has mean %d and reaches %d", mean, most)
	}
	if r.chance(0) || !r.chance(1_000_000) {
		t.Error("a chance of none or of all is missed")
	}
	if r.spread(0) != 0 || r.between(5, 5) != 5 {
		t.Error("no room to draw from")
	}
}

// TestPartitions: what was cut is cut as drawn, and a mended network is whole.
func TestPartitions(t *testing.T) {
	w := scripted(1, 5)
	oneWay, bridged := 0, 0
	for range 200 {
		w.partition()
		open := 0
		for i := range 5 {
			all := true
			for k := range 5 {
				if w.net.cut[i][i] {
					t.Fatal("a node is cut off from itself")
				}
				if w.net.cut[i][k] != w.net.cut[k][i] {
					oneWay++
				}
				all = all && !w.net.cut[i][k] && !w.net.cut[k][i]
			}
			if all {
				open++
			}
		}
		if open == 1 {
			bridged++
		}
	}
	if oneWay == 0 || bridged == 0 {
		t.Errorf("%d links were cut one way, %d partitions had a bridge", oneWay, bridged)
	}
	w.net.mend()
	w.isolate(w.hosts[2])
	for i := range 5 {
		for k := range 5 {
			if w.net.cut[i][k] && i != 2 && k != 2 {
				t.Errorf("isolating n3 cuts n%d from n%d", i+1, k+1)
			}
		}
	}
	w.net.mend()
	if w.net.cut != [hostsMax][hostsMax]bool{} {
		t.Error("a mended network is cut")
	}
}

// TestPlans: seeds draw every size and every fault, and the calm as well.
func TestPlans(t *testing.T) {
	var sizes [nodesMax + 1]int
	var on [faultCount]int
	calm := 0
	for seed := range uint64(1000) {
		r := random{seed}
		p := draw(&r, 0)
		sizes[p.nodes]++
		faults := 0
		for f, mean := range p.every {
			if mean > 0 {
				on[f]++
				faults++
			}
		}
		if faults == 0 && p.moment == 0 {
			calm++
		}
		if p.raft.HeartbeatTicks >= p.raft.ElectionTicks || p.raft.DiskTicks == 0 {
			t.Errorf("seed %d: %+v", seed, p.raft)
		}
	}
	for n, count := range sizes {
		if (count > 0) != (n >= 1 && n != 6) {
			t.Errorf("%d nodes were drawn %d times", n, count)
		}
	}
	if slices.Min(on[:]) < 200 || calm < 20 {
		t.Errorf("faults on %v times, %d calm", on, calm)
	}
}

// TestTrialsWaitForHeldLinks: where a link still keeps what was sent long ago, and all behind it,
// not all is well, and no disk is tried. Votes came by no other way than that link.
func TestTrialsWaitForHeldLinks(t *testing.T) {
	w := scripted(3, 3)
	mustHold(t, w, "the run")
	w.plan.trials = true
	if w.triable() == nil {
		t.Fatal("all is well, and no leader can be tried")
	}
	w.net.clogged[2][1] = w.now + second
	w.carry(packet{from: 2, to: 1}, ms)
	w.net.unclog()
	if l := w.triable(); l != nil {
		t.Errorf("n%d is tried, and n2 hears nothing of n3 for a second", l.id)
	}
}
