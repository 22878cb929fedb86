package e2e

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"drystone/internal/proc"
	"drystone/torture/history"
)

var freezes = flag.Int("freezes", 5, "SIGSTOPs of the leader in TestFreeze")

// TestFreeze: the leader is stopped again and again, for half an election timeout or for twenty or
// for anything between, and goes on where it was. Reads of all nodes are linearizable, and no
// client that goes from node to node ever sees less than before.
func TestFreeze(t *testing.T) {
	const election = 150 * time.Millisecond
	c := proc.Start(t, proc.Options{Nodes: 3, Flags: append([]string{
		"--election", election.String(), "--heartbeat", "30ms",
	}, small...)})
	b := newBook(t, c)
	b.patience = 4 * election // whoever waits for a stopped node sees little
	const readers, writers, pause = 6, 3, 15 * time.Millisecond
	for i := range readers {
		b.reader(i, from1(3), pause)
	}
	for i := range writers {
		b.writer(t, readers+i, from1(3), pause)
	}
	terms := map[uint64]bool{}
	frozen := time.Duration(0)
	for range *freezes {
		leader := c.WaitLeader()
		if s, ok := statusOf(leader.URL()); ok {
			terms[s.Term] = true
		}
		// As often below as above the middle, which is about three timeouts.
		d := time.Duration(float64(election) * 0.5 * math.Pow(40, rand.Float64()))
		leader.Pause()
		<-time.After(d)
		leader.Resume()
		frozen += d
	}
	c.WaitReady()
	b.stop.Store(true)
	b.wait.Wait()
	waitEqual(t, c.URLs())
	r := b.judge(t)
	reads := map[int]int{} // of a node
	for _, op := range b.ops {
		if op.Outcome == history.Applied && op.Op != history.Push && op.Op != history.Pop {
			reads[op.Node]++
		}
	}
	for node := range 3 {
		if reads[node+1] == 0 {
			t.Errorf("node %d answered no read", node+1)
		}
	}
	t.Logf("%d stops of %v in all, %d terms led; %d requests, %v reads by node, %d stacks, the "+
		"longest of %d operations, %d open; judged in %v", *freezes, frozen.Round(time.Millisecond),
		len(terms), r.Ops, reads, r.Stacks, r.Longest, r.Open, r.Took.Round(time.Millisecond))
}
