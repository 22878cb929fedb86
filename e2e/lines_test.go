package e2e

import (
	"fmt"
	"strings"
	"testing"

	"drystone/internal/proc"
	"drystone/torture/proxy"
)

// lined is a cluster whose nodes reach each other over lines that can fail, each direction of each
// pair over one of its own.
type lined struct {
	*proc.Cluster
	lines map[[2]uint64]*proxy.Line // from, to
}

// startLined starts a cluster over lines and waits until it is ready.
func startLined(t *testing.T, o proc.Options) *lined {
	t.Helper()
	c := &lined{proc.New(t, o), map[[2]uint64]*proxy.Line{}}
	for _, from := range c.Nodes {
		for _, to := range c.Nodes {
			if from == to {
				continue
			}
			line, err := proxy.Listen(to.Peer, true)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(line.Close)
			c.lines[[2]uint64{from.ID, to.ID}] = line
		}
	}
	for _, n := range c.Nodes {
		c.start(n)
	}
	c.WaitReady()
	return c
}

// start starts a node that knows the others by its lines to them.
func (c *lined) start(n *proc.Node) {
	var members []string
	for _, to := range c.Nodes {
		address := to.Peer
		if line := c.lines[[2]uint64{n.ID, to.ID}]; line != nil {
			address = line.Address()
		}
		members = append(members, fmt.Sprintf("%d=%s", to.ID, address))
	}
	n.Start("--cluster", strings.Join(members, ","))
}

// imposeAll has every line fail, until lift is called.
func (c *lined) imposeAll(f proxy.Faults) (lift func()) {
	var lifts []func()
	for _, line := range c.lines {
		lifts = append(lifts, line.Impose(f))
	}
	return func() {
		for _, lift := range lifts {
			lift()
		}
	}
}

// part takes all links between some nodes and the others, until heal is called.
func (c *lined) part(some ...*proc.Node) (heal func()) {
	inside := map[uint64]bool{}
	for _, n := range some {
		inside[n.ID] = true
	}
	var lifts []func()
	for link, line := range c.lines {
		if inside[link[0]] != inside[link[1]] {
			lifts = append(lifts, line.Impose(proxy.Faults{Loss: 1}))
		}
	}
	return func() {
		for _, lift := range lifts {
			lift()
		}
	}
}
