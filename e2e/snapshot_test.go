package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"drystone/internal/proc"
	"drystone/rsm"
)

// small are flags under which a log forgets soon.
var small = []string{"--snapshot-entries", "200", "--snapshot-bytes", "64KiB",
	"--trailing-bytes", "4KiB", "--segment-bytes", "64KiB"}

// churn pushes and pops until the nodes have forgotten all that a node away has, and took at least
// so many snapshots. What is popped is on a stack of its own, so that the state stays small.
func churn(t *testing.T, leader *proc.Node, last uint64, snapshots int) {
	t.Helper()
	var wait sync.WaitGroup
	defer wait.Wait()
	stop := make(chan struct{})
	defer close(stop)
	for c := range 4 {
		wait.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				call, body := "push", strings.Repeat("x", 100)
				if i%2 == 1 {
					call, body = "pop", ""
				}
				url := fmt.Sprintf("%s/v1/stacks/churn-%d/%s", leader.URL(), c, call)
				if status, body, _ := post(url, "", body); status != http.StatusOK {
					t.Errorf("%s: %d %s", url, status, body)
					return
				}
			}
		})
	}
	taken, at := 0, uint64(0)
	leader.WaitStatus("a log that has forgotten", func(s rsm.Status) bool {
		if s.SnapshotIndex != at {
			at = s.SnapshotIndex
			taken++
		}
		return taken >= snapshots && s.FirstIndex > last+1
	})
}

// TestSnapshotCatchUp: a follower that was away for ten snapshots comes back by one, streamed,
// while the others go on.
func TestSnapshotCatchUp(t *testing.T) {
	c := proc.Start(t, proc.Options{Flags: small})
	before := &load{stack: "kept", urls: c.URLs(), each: 100, clients: 4}
	before.start(t)
	before.wait.Wait()
	waitEqual(t, c.URLs())
	leader, away := c.WaitLeader(), c.Followers()[0]
	s := away.WaitStatus("its log", func(rsm.Status) bool { return true })
	away.Kill()
	churn(t, leader, s.LastIndex, 10)
	// Writes go on while it catches up, through it too.
	l := &load{stack: "meanwhile", urls: c.URLs(), each: 200, clients: 4}
	l.start(t)
	away.Start()
	away.WaitReady()
	l.wait.Wait()
	waitEqual(t, c.URLs())
	for _, n := range c.Nodes {
		l.verify(t, n.URL())
		before.verify(t, n.URL())
	}
	if log := away.Log(); !strings.Contains(log, "restored a snapshot") {
		t.Errorf("it came back without a snapshot:\n%s", log)
	}
	// What it received is what it starts with from now on.
	away.Restart()
	away.WaitReady()
	waitEqual(t, c.URLs())
}

// TestSnapshotLeaderKilled: the leader is killed while it ships; the next one sees to the follower.
func TestSnapshotLeaderKilled(t *testing.T) {
	c := proc.Start(t, proc.Options{Flags: append([]string{"--snapshot-bytes", "1MiB"}, small...)})
	leader, away := c.WaitLeader(), c.Followers()[0]
	s := away.WaitStatus("its log", func(rsm.Status) bool { return true })
	away.Kill()
	value := strings.Repeat("large value ", 80<<10)
	for i := range 24 {
		url := leader.URL() + "/v1/stacks/large/push"
		if status, body, _ := post(url, fmt.Sprint("large-", i), value); status != http.StatusOK {
			t.Fatalf("push %d: %d %s", i, status, body)
		}
	}
	churn(t, leader, s.LastIndex, 1)
	away.Start()
	waitPart(t, away)
	leader.Kill()
	c.WaitLeader()
	away.WaitReady()
	leader.Start()
	c.WaitReady()
	waitEqual(t, c.URLs())
	if log := away.Log(); !strings.Contains(log, "restored a snapshot") {
		t.Errorf("it came back without a snapshot:\n%s", log)
	}
}

// waitPart waits until part of a snapshot is on a node's disk.
func waitPart(t *testing.T, n *proc.Node) {
	t.Helper()
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	limit := time.Now().Add(proc.Patience)
	for {
		parts, err := filepath.Glob(filepath.Join(n.Dir, "snap-*.part"))
		if err != nil {
			t.Fatal(err)
		}
		if len(parts) > 0 {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("no snapshot is on its way to node %d\n%s", n.ID, n.Log())
		}
		<-pace.C
	}
}
