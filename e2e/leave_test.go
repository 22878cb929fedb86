package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"drystone/internal/proc"
)

// TestLeaderLeaves: the leader is told to stop under a write every 5 ms through the other nodes.
// It hands leadership over first, so none of them fails; the gap is reported, not judged.
func TestLeaderLeaves(t *testing.T) {
	c := proc.Start(t, proc.Options{Nodes: 3})
	var gaps []time.Duration
	for round := range *departures {
		leader := c.WaitLeader()
		var others []string
		for _, n := range c.Nodes {
			if n != leader {
				others = append(others, n.URL())
			}
		}
		before, _ := statusOf(leader.URL())
		status := 0
		gaps = append(gaps, writeGap(t, others, fmt.Sprintf("stop-%d", round), func() {
			status = leader.Stop()
		}))
		if status != 0 {
			t.Errorf("the node that was stopped ended with status %d", status)
		}
		// One election, on the leader's word: nobody had to find out by its silence.
		if after, ok := statusOf(others[0]); !ok || after.Term != before.Term+1 {
			t.Errorf("the term went from %d to %d", before.Term, after.Term)
		}
		leader.Start()
		c.WaitReady()
	}
	slices.Sort(gaps)
	t.Logf("gap between acknowledged writes: median %v, max %v of %d", gaps[len(gaps)/2],
		gaps[len(gaps)-1], len(gaps))
}
