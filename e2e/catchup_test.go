package e2e

import (
	"flag"
	"strings"
	"testing"
	"time"

	"drystone/internal/proc"
	"drystone/rsm"
)

var (
	catchUpMB    = flag.Int("catchup.mb", 24, "log that TestLogCatchUp feeds a follower, in MB")
	catchUpValue = flag.Int("catchup.kb", 64, "size of the values in it, in KiB")
	catchUpRuns  = flag.Int("catchup.runs", 1, "times that TestLogCatchUp does so")
)

// TestLogCatchUp: a follower that was away comes back by the log, much of it at once, while writes
// go on, and nobody takes the leader for dead meanwhile.
func TestLogCatchUp(t *testing.T) {
	c := proc.Start(t, proc.Options{Flags: []string{
		"--trailing-bytes", "8GiB", "--snapshot-bytes", "8GiB", "--snapshot-entries", "1000000000",
		"--election", electionTimeout(),
	}})
	for run := range *catchUpRuns {
		leader := c.WaitLeader()
		away := c.Followers()[run%2]
		away.Kill()
		fill(t, leader.URL(), "bulk", *catchUpMB<<20, *catchUpValue<<10)
		w := startWriters("paced", 5*time.Millisecond, leader.URL(), leader.URL(), leader.URL())
		w.await(t, 300)
		before, at := w.lap(), now(t, leader)
		began := time.Now()
		away.Start()
		away.WaitStatus("the log", func(s rsm.Status) bool { return s.Applied >= at.Commit })
		took := time.Since(began)
		meanwhile, after := w.lap(), now(t, c.WaitLeader())
		w.end()
		t.Logf("run %d: %d MB of log in %v; term %d before, %d after", run, *catchUpMB,
			took.Round(time.Millisecond), at.Term, after.Term)
		t.Logf("writes before: %v", before)
		t.Logf("meanwhile:     %v; p99 is %.1f times", meanwhile,
			ratio(meanwhile.at(990), before.at(990)))
		if after.Term != at.Term {
			t.Errorf("an election fell into the catch-up: term %d, then %d", at.Term, after.Term)
		}
		if meanwhile.bad > 0 {
			t.Errorf("%d writes failed", meanwhile.bad)
		}
		waitEqual(t, c.URLs())
		if strings.Contains(away.Log(), "restored a snapshot") {
			t.Errorf("it came back by a snapshot, not by the log:\n%s", away.Log())
		}
	}
}

// now is what a node says of itself.
func now(t *testing.T, n *proc.Node) rsm.Status {
	t.Helper()
	return n.WaitStatus("its status", func(rsm.Status) bool { return true })
}
