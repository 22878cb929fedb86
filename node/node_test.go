package node

import (
	"context"
	"strings"
	"testing"
	"time"

	"drystone/disk"
	"drystone/rsm"
)

// A cluster of one takes requests at once, and has them after a restart.
func TestSingleNode(t *testing.T) {
	c := newCluster(t, 1)
	c.start(1)
	leads(t, c.nodes[1])
	for _, command := range []string{"a", "b", "c"} {
		do(t, c.nodes[1], command)
	}
	if got := tapeOf(t, c.nodes[1]); got != "a b c" {
		t.Errorf("read %q", got)
	}
	before := c.nodes[1].status()
	if before.Health != rsm.HealthOK || before.Role != "leader" || len(before.Members) != 1 {
		t.Errorf("status %+v", before)
	}
	c.stop(1)
	c.start(1)
	do(t, c.nodes[1], "d")
	if got := tapeOf(t, c.nodes[1]); got != "a b c d" {
		t.Errorf("read %q after a restart", got)
	}
	after := c.nodes[1].status()
	if after.ClusterID != before.ClusterID || after.Incarnation != before.Incarnation {
		t.Errorf("was %s in %s, is %s in %s", before.Incarnation, before.ClusterID,
			after.Incarnation, after.ClusterID)
	}
}

// The name of a request is node, boot and serial number; nothing else has it, over restarts.
func TestRequestNames(t *testing.T) {
	c := newCluster(t, 1)
	seen := map[string]bool{}
	for range 2 {
		c.start(1)
		leads(t, c.nodes[1])
		for range 3 {
			_, id := c.nodes[1].Do(context.Background(), request("a"))
			if seen[id] || !strings.HasPrefix(id, "1.") || strings.Count(id, ".") != 2 {
				t.Errorf("request %q", id)
			}
			seen[id] = true
		}
		c.stop(1)
	}
}

// Every node takes requests and answers reads, and all hold the same.
func TestThreeNodes(t *testing.T) {
	c := newCluster(t, 3)
	c.start(1, 2, 3)
	c.leader()
	for id := uint64(1); id <= 3; id++ {
		do(t, c.nodes[id], string(rune('a'+id)))
	}
	last := uint64(0)
	for id := uint64(1); id <= 3; id++ {
		if got := tapeOf(t, c.nodes[id]); got != "b c d" {
			t.Errorf("node %d reads %q", id, got)
		}
		last = max(last, c.nodes[id].status().Applied)
	}
	hashes := map[string]bool{}
	for id := uint64(1); id <= 3; id++ {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		s, err := c.nodes[id].Status(ctx, last)
		cancel()
		if err != nil || s.Applied != last {
			t.Errorf("node %d: %v, %+v", id, err, s)
		}
		hashes[s.StateHash] = true
		eventually(t, "all is well", func() bool {
			return c.nodes[id].status().Health == rsm.HealthOK
		})
	}
	if len(hashes) != 1 {
		t.Errorf("state hashes differ: %v", hashes)
	}
}

// A leader's end costs a moment; when it is back it catches up.
func TestLeaderEnds(t *testing.T) {
	c := newCluster(t, 3)
	c.start(1, 2, 3)
	old := c.leader()
	do(t, c.nodes[old], "a")
	c.kill(old)
	do(t, c.nodes[c.leader()], "b")
	do(t, c.nodes[c.follower()], "c")
	c.start(old)
	if got := tapeOf(t, c.nodes[old]); got != "a b c" {
		t.Errorf("read %q", got)
	}
}

// --cluster of a restart gives addresses. Who votes is for the directory to say: else one node of
// three, started without the list, would be a cluster of its own.
func TestRestartKeepsMembers(t *testing.T) {
	c := newCluster(t, 3)
	c.start(1, 2, 3)
	c.leader()
	do(t, c.nodes[1], "a")
	for id := uint64(1); id <= 3; id++ {
		c.stop(id)
	}
	config := c.configs[1]
	config.Cluster = nil
	c.configs[1] = config
	c.start(1)
	if s := c.nodes[1].status(); len(s.Members) != 3 {
		t.Errorf("%d members after a restart without --cluster, want 3", len(s.Members))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if r, _ := c.nodes[1].Do(ctx, request("b")); r.Outcome != rsm.NotApplied {
		t.Errorf("one node of three answers %+v", r)
	}
	// It is dialled, and learns from that where the others are.
	c.start(2)
	do(t, c.nodes[1], "c")
	if got := tapeOf(t, c.nodes[1]); got != "a c" {
		t.Errorf("read %q", got)
	}
}

// Snapshots are taken beside everything else, and a restart begins with one.
func TestSnapshots(t *testing.T) {
	c := newCluster(t, 1)
	config := c.configs[1]
	config.SnapshotCount = 5
	c.configs[1] = config
	c.start(1)
	leads(t, c.nodes[1])
	want := ""
	for i := 0; i < 20 || c.nodes[1].status().SnapshotIndex == 0; i++ {
		do(t, c.nodes[1], "x")
		want = strings.TrimSpace(want + " x")
	}
	before := c.nodes[1].status()
	c.stop(1)
	c.start(1)
	if got := tapeOf(t, c.nodes[1]); got != want {
		t.Errorf("read %q, want %q", got, want)
	}
	if s := c.nodes[1].status(); s.SnapshotIndex < before.SnapshotIndex {
		t.Errorf("began at snapshot %d, had one of %d", s.SnapshotIndex, before.SnapshotIndex)
	}
}

// Who waits for an entry that does not come is told when the node closes.
func TestStatusEnds(t *testing.T) {
	n := alone(t, disk.NewMem(1))
	leads(t, n)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if s, err := n.Status(ctx, 1<<40); err == nil || s.NodeID != 1 {
		t.Errorf("%v, %+v", err, s)
	}
	ended := make(chan error)
	go func() {
		_, err := n.Status(context.Background(), 1<<40)
		ended <- err
	}()
	if err := n.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("an entry of the far future was applied")
	}
}

// Deadlines hold without a leader, for requests and reads, and say that nothing was done.
func TestDeadlinesWithoutLeader(t *testing.T) {
	c := newCluster(t, 3)
	c.start(1, 2, 3)
	c.leader()
	c.kill(2)
	c.kill(3)
	n := c.nodes[1]
	// Who only asks for pre-votes needs two more answers to lead, and nobody is there to give them.
	eventually(t, "no leader is left", func() bool { return n.status().Role == "pre_candidate" })
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	r, id := n.Do(ctx, request("a"))
	if r.Outcome != rsm.NotApplied || r.Code != rsm.CodeNoLeader || id == "" {
		t.Errorf("request %q: %+v", id, r)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if r := n.Query(ctx, nil, rsm.ReadOptions{}); r.Code != rsm.CodeNoLeader {
		t.Errorf("read: %+v", r)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if r := n.Query(ctx, nil, rsm.ReadOptions{Consistency: rsm.Stale}); r.Code != "" {
		t.Errorf("stale read: %+v", r)
	}
	if s := n.status(); s.Health != rsm.HealthNoLeader || !strings.Contains(s.Reason, "1 of 3") {
		t.Errorf("health %s: %s", s.Health, s.Reason)
	}
}

// A query that takes long holds up neither the loop nor other callers' deadlines.
func TestSlowQuery(t *testing.T) {
	m := &tape{held: make(chan struct{}), asked: make(chan struct{}, 1)}
	n := alone(t, disk.NewMem(1), func(c *Config) { c.Machine = func() rsm.Machine { return m } })
	leads(t, n)
	read := make(chan rsm.ReadResult, 1)
	go func() { read <- n.Query(context.Background(), []byte("hold"), rsm.ReadOptions{}) }()
	<-m.asked
	wrote := make(chan rsm.Result, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		r, _ := n.Do(ctx, request("a"))
		wrote <- r
	}()
	select {
	case r := <-wrote:
		if r.Outcome != rsm.Unknown {
			t.Errorf("got %+v, want unknown: it is in the log, and not applied yet", r)
		}
	case <-time.After(patience):
		t.Error("no answer by the deadline while a query runs")
	}
	close(m.held)
	if r := <-read; r.Code != "" {
		t.Errorf("the slow query got %+v", r)
	}
}

// A caller who leaves takes along what never left this node.
func TestCallerLeaves(t *testing.T) {
	c := newCluster(t, 2)
	c.start(1, 2)
	c.leader()
	c.kill(2)
	n := c.nodes[1]
	eventually(t, "no leader is left", func() bool { return n.status().Role == "pre_candidate" })
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan rsm.Result, 1)
	go func() {
		r, _ := n.Do(ctx, request("a"))
		left <- r
	}()
	eventually(t, "the request waits", func() bool { return waiting(n) == 1 })
	cancel()
	if r := <-left; r.Outcome == rsm.Applied {
		t.Errorf("got %+v", r)
	}
	c.start(2)
	do(t, n, "b")
	if got := tapeOf(t, n); got != "b" {
		t.Errorf("read %q", got)
	}
}

// waiting is how many callers are inside Do and Query.
func waiting(n *Node) int {
	n.waiters.mu.Lock()
	defer n.waiters.mu.Unlock()
	return len(n.waiters.slots) - len(n.waiters.free)
}
