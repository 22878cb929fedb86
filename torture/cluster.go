package torture

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"drystone/internal/ports"
	"drystone/internal/proc/child"
	"drystone/torture/proxy"
)

// cluster is the processes and the lines between them. Each node dials each other over a line of
// its own, so that a link can fail in one direction; clients reach each node over one more.
type cluster struct {
	home  string
	nodes []*node
	peers [][]*proxy.Line // from, to; nil from a node to itself
	front []*proxy.Line   // clients to a node
	noted string          // why no node has a small disk; "" if some have

	mu    sync.Mutex
	ended []ending // nodes that ended by themselves
}

// ending is the end of a process that nobody meant.
type ending struct {
	node *node
	how  string
	at   time.Time
}

// layOut makes everything but the processes.
func layOut(o *Options, home string) (c *cluster, err error) {
	c = &cluster{home: home}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	free, err := ports.Free(2 * o.Nodes)
	if err != nil {
		return c, err
	}
	spawn := child.NewSpawner()
	for i := range o.Nodes {
		n := &node{
			id: i + 1, peer: ports.Loopback(free[2*i]), http: ports.Loopback(free[2*i+1]),
			dir: filepath.Join(home, fmt.Sprintf("node-%d", i+1)),
			log: filepath.Join(home, fmt.Sprintf("node-%d.log", i+1)), binary: o.Binary, spawn: spawn,
			onEnd: c.endedByItself,
		}
		c.nodes = append(c.nodes, n)
	}
	if err := c.connect(); err != nil {
		return c, err
	}
	c.mountSmallDisks(spawn, (o.Nodes-1)/2)
	for i, n := range c.nodes {
		n.args = c.serveArgs(i, o.Engine)
	}
	return c, nil
}

// connect opens all lines.
func (c *cluster) connect() error {
	for from := range c.nodes {
		c.peers = append(c.peers, make([]*proxy.Line, len(c.nodes)))
		for to, n := range c.nodes {
			if from == to {
				continue
			}
			line, err := proxy.Listen(n.peer, true)
			if err != nil {
				return err
			}
			c.peers[from][to] = line
		}
	}
	for _, n := range c.nodes {
		line, err := proxy.Listen(n.http, false)
		if err != nil {
			return err
		}
		c.front = append(c.front, line)
	}
	return nil
}

// mountSmallDisks gives so many nodes, the last ones, a small disk each: less than a majority, so
// that the others can go on.
func (c *cluster) mountSmallDisks(spawn child.Spawner, count int) {
	err := errors.New("a cluster of this size has no node to spare")
	if count > 0 {
		err = apart(spawn)
	}
	for _, n := range c.nodes[len(c.nodes)-count:] {
		if err != nil {
			break
		}
		var d *smallDisk
		if d, err = mountSmall(spawn, filepath.Join(c.home, fmt.Sprintf("disk-%d", n.id))); err == nil {
			n.disk, n.dir = d, filepath.Join(d.path, "data")
		}
	}
	if err != nil {
		c.noted = err.Error()
	}
}

// serveArgs are small everywhere, so that a run sees many segments, snapshots and shipments.
func (c *cluster) serveArgs(i int, engine string) []string {
	var members []string
	for j, n := range c.nodes {
		address := n.peer
		if line := c.peers[i][j]; line != nil {
			address = line.Address()
		}
		members = append(members, fmt.Sprintf("%d=%s", n.id, address))
	}
	n := c.nodes[i]
	return []string{
		"serve", "--id", strconv.Itoa(n.id), "--cluster", strings.Join(members, ","),
		"--http", n.http, "--dir", n.dir, "--engine", engine,
		"--segment-bytes", "64KiB", "--trailing-bytes", "4KiB", "--snapshot-entries", "100",
		"--request-retention", "2m",
	}
}

func (c *cluster) endedByItself(n *node, how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = append(c.ended, ending{n, how, time.Now()})
}

// takeEnded are the ends since it was asked last.
func (c *cluster) takeEnded() []ending {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.ended
	c.ended = nil
	return all
}

// start starts every node.
func (c *cluster) start() error {
	for _, n := range c.nodes {
		if err := n.start(); err != nil {
			return err
		}
	}
	return nil
}

// finish ends every process, for good.
func (c *cluster) finish() {
	for _, n := range c.nodes {
		n.finish()
	}
}

// close ends every process and line.
func (c *cluster) close() {
	c.finish()
	for _, line := range c.lines() {
		line.Close()
	}
}

// keep puts the data of small disks beside that of the others.
func (c *cluster) keep() error {
	var failed error
	for _, n := range c.nodes {
		failed = errors.Join(failed, n.keep(c.home))
	}
	return failed
}

// lines are all there are.
func (c *cluster) lines() []*proxy.Line {
	all := append([]*proxy.Line{}, c.front...)
	for _, from := range c.peers {
		for _, line := range from {
			if line != nil {
				all = append(all, line)
			}
		}
	}
	return all
}

// settle waits until every node has applied the same entries and nothing is under way, and says
// what is wrong if that does not come about; "" if nothing is.
func (c *cluster) settle(ctx context.Context, w *watch, patience time.Duration) string {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		views := w.look(ctx)
		equal := true
		for _, v := range views {
			equal = equal && v.ok && v.LeaderID != 0 && v.Applied == views[0].Applied &&
				v.LastIndex == views[0].LastIndex && v.Applied == v.LastIndex
		}
		if equal {
			for i, v := range views {
				if v.StateHash != views[0].StateHash {
					return fmt.Sprintf("node %d and node 1 have both applied entry %d and hold different "+
						"states: %s and %s", i+1, v.Applied, v.StateHash, views[0].StateHash)
				}
			}
			return ""
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Sprintf("the nodes did not come together within %v of the last fault: %s",
				patience, viewWords(views))
		}
	}
}

func viewWords(views []view) string {
	var all []string
	for i, v := range views {
		if !v.ok {
			all = append(all, fmt.Sprintf("node %d does not answer", i+1))
			continue
		}
		all = append(all, fmt.Sprintf("node %d is %s in term %d, applied %d of %d, leader %d, %s: %s",
			i+1, v.Role, v.Term, v.Applied, v.LastIndex, v.LeaderID, v.Health, v.Reason))
	}
	return strings.Join(all, "; ")
}
