package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"drystone/internal/proc"
)

// TestHandOver: the leader is told to stop under a write every 5 ms through the other nodes. It
// hands leadership over first, so none of them fails.
func TestHandOver(t *testing.T) {
	c := proc.Start(t, proc.Options{})
	leaderless(t, c, "SIGTERM", func(leader *proc.Node) {
		before, _ := statusOf(leader.URL())
		if status := leader.Stop(); status != 0 {
			t.Errorf("the node that was stopped ended with status %d", status)
		}
		// One election, on the leader's word: nobody had to find out by its silence.
		if next, _ := statusOf(c.WaitLeader().URL()); next.Term != before.Term+1 {
			t.Errorf("the term went from %d to %d", before.Term, next.Term)
		}
	})
}

// TestFailover: the leader is killed instead. The others find out by its connections, and carry
// what they had sent it to the next one: a write is delayed, and none fails.
func TestFailover(t *testing.T) {
	c := proc.Start(t, proc.Options{})
	leaderless(t, c, "SIGKILL", (*proc.Node).Kill)
}

// leaderless ends the leader again and again under writes through the other nodes. The gaps are
// reported, not judged: timings of a shared machine are no assertion.
func leaderless(t *testing.T, c *proc.Cluster, how string,
	end func(leader *proc.Node),
) {
	t.Helper()
	var gaps []time.Duration
	failed, writes := 0, 0
	for round := range *failovers {
		leader := c.WaitLeader()
		var others []string
		for _, n := range c.Nodes {
			if n != leader {
				others = append(others, n.URL())
			}
		}
		gap, lost := writeGap(t, others, fmt.Sprintf("%s-%d", how, round), func() {
			end(leader)
		})
		gaps, failed, writes = append(gaps, gap), failed+lost, writes+gapWrites
		leader.Start()
		c.WaitReady()
	}
	if failed > 0 {
		t.Errorf("%d of %d writes through the other nodes failed", failed, writes)
	}
	waitEqual(t, c.URLs())
	if got := len(items(t, c.URLs()[0], "gap")); got != writes-failed {
		t.Errorf("%d writes were acknowledged, and %d are there", writes-failed, got)
	}
	slices.Sort(gaps)
	t.Logf("%s of the leader: gap between acknowledged writes: median %v, max %v of %d; "+
		"failed writes: %d of %d", how, gaps[len(gaps)/2].Round(100*time.Microsecond),
		gaps[len(gaps)-1].Round(100*time.Microsecond), len(gaps), failed, writes)
}

const gapWrites = 400

// writeGap is the longest time between two acknowledged writes, of one every 5 ms, around what act
// does in the middle, and how many failed.
func writeGap(t *testing.T, urls []string, name string, act func()) (
	gap time.Duration, failed int,
) {
	t.Helper()
	var mu sync.Mutex
	last := time.Now()
	var wait sync.WaitGroup
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for i := range gapWrites {
		<-pace.C
		if i == gapWrites/4 {
			wait.Go(act)
		}
		wait.Go(func() {
			code, body, _ := post(urls[i%len(urls)]+"/v1/stacks/gap/push",
				fmt.Sprintf("gap-%s-%d", name, i), fmt.Sprintf("%s-%d", name, i))
			mu.Lock()
			defer mu.Unlock()
			if code != http.StatusOK {
				failed++
				t.Logf("write %d: %d %s", i, code, body)
				return
			}
			now := time.Now()
			gap = max(gap, now.Sub(last))
			last = now
		})
	}
	wait.Wait()
	return gap, failed
}
