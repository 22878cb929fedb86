package proc

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Options are what a cluster of processes is started with. The zero value is a cluster of three
// with default flags.
type Options struct {
	Nodes  int      // 0: 3
	Flags  []string // more flags of `drystone serve`, for every node
	Env    []string // more environment
	Dir    string   // where data and logs go; "": a directory of the test
	Binary string   // "": Binary(tb)
}

// Cluster is a cluster of processes on this machine. Its methods are for one goroutine.
type Cluster struct {
	Nodes   []*Node
	tb      testing.TB
	options Options
}

// New lays out a cluster without starting a process. All that is started ends with the test.
func New(tb testing.TB, o Options) *Cluster {
	tb.Helper()
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Dir == "" {
		o.Dir = tb.TempDir()
	}
	if o.Binary == "" {
		o.Binary = Binary(tb)
	}
	c := &Cluster{tb: tb, options: o}
	ports := FreePorts(tb, 2*o.Nodes)
	var members []string
	for i := range o.Nodes {
		peer, http := Loopback(ports[2*i]), Loopback(ports[2*i+1])
		members = append(members, "http://"+peer)
		c.Nodes = append(c.Nodes, newNode(tb, o, o.Dir, uint64(i+1), peer, http))
	}
	for _, n := range c.Nodes {
		n.args = append([]string{
			"serve", "--id", strconv.FormatUint(n.ID, 10), "--cluster", strings.Join(members, ","),
			"--http", n.HTTP, "--dir", n.Dir,
		}, o.Flags...)
		tb.Cleanup(n.end)
	}
	return c
}

// Start starts all nodes of a new cluster and waits until each is ready.
func Start(tb testing.TB, o Options) *Cluster {
	tb.Helper()
	c := New(tb, o)
	for _, n := range c.Nodes {
		n.Start()
	}
	c.WaitReady()
	return c
}

// Node is the node with a number, from 1.
func (c *Cluster) Node(id uint64) *Node { return c.Nodes[id-1] }

// URLs are those of all nodes.
func (c *Cluster) URLs() []string {
	var urls []string
	for _, n := range c.Nodes {
		urls = append(urls, n.URL())
	}
	return urls
}

// WaitReady waits until every node that runs knows a leader and has caught up. Don't call it
// while a node is paused.
func (c *Cluster) WaitReady() {
	c.tb.Helper()
	for _, n := range c.Nodes {
		if n.Running() {
			n.WaitReady()
		}
	}
}

// WaitLeader waits until a node says that it leads, and returns the one with the highest term.
// Nodes that are paused are passed over.
func (c *Cluster) WaitLeader() *Node {
	c.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	again := time.NewTicker(poll)
	defer again.Stop()
	for {
		leader, seen := c.leader(ctx)
		if leader != nil {
			return leader
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			c.tb.Fatalf("no leader: %s", seen)
		}
	}
}

func (c *Cluster) leader(ctx context.Context) (leader *Node, seen string) {
	var term uint64
	for _, n := range c.Nodes {
		if !n.Running() {
			continue
		}
		attempt, end := context.WithTimeout(ctx, 500*time.Millisecond)
		s, err := n.Status(attempt)
		end()
		seen += fmt.Sprintf("node %d: %s of term %d, %s (%v); ", n.ID, s.Role, s.Term, s.Reason, err)
		if err == nil && s.Role == "leader" && s.Term > term {
			leader, term = n, s.Term
		}
	}
	return leader, seen
}

// Followers are the nodes that run and are not the leader.
func (c *Cluster) Followers() []*Node {
	c.tb.Helper()
	leader := c.WaitLeader()
	var out []*Node
	for _, n := range c.Nodes {
		if n != leader && n.Running() {
			out = append(out, n)
		}
	}
	return out
}
