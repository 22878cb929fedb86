package proc

import (
	"os"
	"strconv"
)

// Add makes room for a further node, with a number and a directory of its own, and does not start
// it. args are its flags besides --id, --http, --peer and --dir.
func (c *Cluster) Add(args ...string) *Node {
	c.tb.Helper()
	ports := FreePorts(c.tb, 2)
	id := uint64(len(c.Nodes) + 1)
	n := newNode(c.tb, c.options, c.options.Dir, id, Loopback(ports[0]), Loopback(ports[1]))
	n.args = append([]string{
		"serve", "--id", strconv.FormatUint(id, 10), "--http", n.HTTP, "--peer", n.Peer,
		"--dir", n.Dir,
	}, append(args, c.options.Flags...)...)
	c.tb.Cleanup(n.end)
	c.Nodes = append(c.Nodes, n)
	return n
}

// Join starts a further node, which asks the node at a peer address to be let in.
func (c *Cluster) Join(peer string) *Node {
	c.tb.Helper()
	n := c.Add("--join", "--cluster", peer)
	n.Start()
	return n
}

// Move gives a node that does not run another peer address, which it is to be started with.
func (n *Node) Move() {
	n.tb.Helper()
	n.Peer = Loopback(FreePorts(n.tb, 1)[0])
}

// Wipe empties the data directory of a node that does not run.
func (n *Node) Wipe() {
	n.tb.Helper()
	if n.Running() {
		n.tb.Fatalf("node %d runs", n.ID)
	}
	if err := os.RemoveAll(n.Dir); err != nil {
		n.tb.Fatal(err)
	}
}
