package node

import (
	"context"
	"strings"
	"sync"
	"testing"

	"drystone/raft"
	"drystone/rsm"
	"drystone/storage"
	"drystone/transport"
	"drystone/wire"
)

// Nobody votes before everybody has met; afterwards a majority is enough.
func TestFirstStart(t *testing.T) {
	c := newCluster(t, 3)
	c.start(1, 2)
	for _, id := range []uint64{1, 2} {
		n := c.nodes[id]
		eventually(t, "both wait for node 3", func() bool {
			return strings.HasPrefix(n.status().Reason, "the first start waits for node 3:")
		})
		if s := n.status(); s.Health != rsm.HealthBootstrapping || s.ClusterID != "" ||
			s.Term != 0 || len(s.Members) != 3 {
			t.Errorf("node %d: %+v", id, s)
		}
		r, _ := n.Do(context.Background(), request("a"))
		if r.Outcome != rsm.NotApplied || r.Code != rsm.CodeBootstrapping {
			t.Errorf("node %d: %+v", id, r)
		}
		q := n.Query(context.Background(), nil, rsm.ReadOptions{})
		if q.Code != rsm.CodeBootstrapping {
			t.Errorf("node %d: %+v", id, q)
		}
	}
	c.start(3)
	c.leader()
	do(t, c.nodes[1], "a")
	if a, b := c.nodes[1].status().ClusterID, c.nodes[3].status().ClusterID; a != b {
		t.Errorf("clusters %s and %s", a, b)
	}
	for id := uint64(1); id <= 3; id++ {
		c.stop(id)
	}
	c.start(1, 2)
	do(t, c.nodes[1], "b")
	if got := tapeOf(t, c.nodes[2]); got != "a b" {
		t.Errorf("read %q", got)
	}
}

// An emptied directory never votes in the place of the one that did.
func TestWipedNode(t *testing.T) {
	c := newCluster(t, 3)
	c.start(1, 2, 3)
	c.leader()
	do(t, c.nodes[1], "a")
	c.stop(3)
	config := c.configs[3]
	config.Dir = t.TempDir()
	c.configs[3] = config
	c.start(3)
	n := c.nodes[3]
	eventually(t, "it is refused by name", func() bool {
		return strings.Contains(n.status().Reason, "drystone member replace 3")
	})
	if s := n.status(); s.Health != rsm.HealthBootstrapping || s.ClusterID != "" {
		t.Errorf("%+v", s)
	}
	// The others are a majority without it, and it is none with one of them.
	delete(c.nodes, 3)
	do(t, c.nodes[c.leader()], "b")
	c.nodes[3] = n
	c.kill(1)
	eventually(t, "node 2 has no leader", func() bool { return c.nodes[2].status().LeaderID == 0 })
	if r, _ := n.Do(context.Background(), request("c")); r.Outcome != rsm.NotApplied {
		t.Errorf("%+v", r)
	}
}

// A node of another cluster is refused, whoever dials.
func TestOtherCluster(t *testing.T) {
	ours, theirs := newCluster(t, 2), newCluster(t, 2)
	for _, c := range []*cluster{ours, theirs} {
		c.start(1, 2)
		c.leader()
	}
	ours.stop(2)
	theirs.stop(2)
	config := ours.configs[2]
	config.Dir = theirs.configs[2].Dir
	ours.configs[2] = config
	ours.start(2)
	for id, n := range ours.nodes {
		eventually(t, "each is told", func() bool {
			s := n.status()
			return s.Health == rsm.HealthNoLeader && strings.Contains(s.Reason, "belongs to cluster")
		})
		if s := n.status(); s.LeaderID != 0 {
			t.Errorf("node %d follows %d", id, s.LeaderID)
		}
	}
}

// A directory is another's: the start says so and changes nothing.
func TestOtherNode(t *testing.T) {
	c := newCluster(t, 2)
	c.start(1, 2)
	c.leader()
	if _, err := Start(c.configs[1]); err == nil {
		t.Error("a second process took the directory")
	}
	c.stop(2)
	config := c.configs[1]
	config.Dir = c.configs[2].Dir
	c.stop(1)
	if n, err := Start(config); err == nil {
		n.Close(context.Background())
		t.Error("node 1 took the directory of node 2")
	}
	c.start(1, 2)
	do(t, c.nodes[c.leader()], "a")
}

// ghost is a peer that shakes hands, and that is all.
type ghost struct {
	tr *transport.Transport

	mu      sync.Mutex
	hello   wire.Hello
	met     []wire.Hello
	verdict wire.HelloReply
}

func (g *ghost) Check(wire.Hello) wire.HelloReply {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.verdict
}

func (g *ghost) Met(h wire.Hello) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.met = append(g.met, h)
}

func (g *ghost) Receive(wire.Hello, []wire.Message)   {}
func (g *ghost) Lost(raft.NodeID)                     {}
func (g *ghost) Refused(raft.NodeID, wire.HelloReply) {}

// change changes what it says of itself, and shakes hands again.
func (g *ghost) change(to map[raft.NodeID]string, change func()) {
	g.tr.SetPeers(nil)
	g.mu.Lock()
	change()
	g.met = nil
	g.mu.Unlock()
	g.tr.SetPeers(to)
}

// newestCluster is the cluster that a peer said it had formed when it was met last.
func (g *ghost) newestCluster() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.met) == 0 {
		return ""
	}
	return g.met[len(g.met)-1].Cluster
}

func incarnation(id uint64) string { return strings.Repeat(string(rune('0'+id)), 32) }

// haunt starts node 1 of the cluster, and ghosts of all others.
func (c *cluster) haunt() map[uint64]*ghost {
	c.t.Helper()
	ghosts := map[uint64]*ghost{}
	for id, config := range c.configs {
		if id == 1 {
			continue
		}
		g := &ghost{hello: wire.Hello{Node: id, Boot: 1, Incarnation: incarnation(id)}}
		tr, err := transport.Start(transport.Config{
			Listener: config.PeerListener,
			Hello: func() wire.Hello {
				g.mu.Lock()
				defer g.mu.Unlock()
				return g.hello
			},
		}, g)
		if err != nil {
			c.t.Fatal(err)
		}
		c.t.Cleanup(tr.Close)
		g.tr, ghosts[id] = tr, g
	}
	c.start(1)
	return ghosts
}

// Connections of before the cluster formed were not judged by it: they are made anew.
func TestFormedNodeShakesHandsAgain(t *testing.T) {
	c := newCluster(t, 3)
	ghosts := c.haunt()
	to := map[raft.NodeID]string{1: c.configs[1].Cluster[1]}
	for _, g := range ghosts {
		g.tr.SetPeers(to)
	}
	n := c.nodes[1]
	eventually(t, "the cluster forms", func() bool { return n.status().ClusterID != "" })
	for id, g := range ghosts {
		eventually(t, "each is met again", func() bool {
			return g.newestCluster() == n.status().ClusterID
		})
		eventually(t, "it is trusted", func() bool { return n.contacts.get(id).trusted })
	}
	// One of them was emptied between its handshake and the forming. Nothing that it says counts.
	ghosts[3].change(to, func() { ghosts[3].hello.Incarnation = incarnation(9) })
	n.mu.Lock()
	n.contacts.update(3, func(c *contact) { c.trusted = true })
	n.mu.Unlock()
	n.Met(wire.Hello{Node: 3, To: 1, Boot: 2, Incarnation: incarnation(9)})
	if n.contacts.get(3).trusted {
		t.Error("a handshake that was judged before the cluster formed is trusted")
	}
}

// A node does not form another cluster than the one that somebody it has met has formed.
func TestDividedStart(t *testing.T) {
	c := newCluster(t, 3)
	ghosts := c.haunt()
	to := map[raft.NodeID]string{1: c.configs[1].Cluster[1]}
	other := strings.Repeat("f", 32)
	ghosts[2].mu.Lock()
	ghosts[2].hello.Cluster = other
	ghosts[2].mu.Unlock()
	for _, g := range ghosts {
		g.tr.SetPeers(to)
	}
	n := c.nodes[1]
	eventually(t, "it says what is wrong", func() bool {
		return strings.HasPrefix(n.status().Reason, "node 2 has formed cluster "+other)
	})
	if s := n.status(); s.Health != rsm.HealthBootstrapping || s.ClusterID != "" {
		t.Errorf("%+v", s)
	}
	// It is the cluster of these three.
	id := storage.Identity{}.Form([]storage.PeerIdentity{
		{Node: 1, Incarnation: n.status().Incarnation},
		{Node: 2, Incarnation: incarnation(2)}, {Node: 3, Incarnation: incarnation(3)},
	})
	ghosts[2].change(to, func() { ghosts[2].hello.Cluster = id.Cluster })
	eventually(t, "it joins", func() bool { return n.status().ClusterID == id.Cluster })
}

// A refusal is forgotten when the peer takes this node after all.
func TestRefusalEnds(t *testing.T) {
	c := newCluster(t, 2)
	g := c.haunt()[2]
	g.change(nil, func() {
		g.verdict = wire.HelloReply{Code: wire.HelloNotMember, Detail: "for now."}
	})
	n := c.nodes[1]
	eventually(t, "it is refused", func() bool {
		return strings.HasSuffix(n.status().Reason, "node 2 refuses this node: for now")
	})
	g.change(map[raft.NodeID]string{1: c.configs[1].Cluster[1]}, func() {
		g.verdict = wire.HelloReply{}
	})
	eventually(t, "it is not", func() bool { return !strings.Contains(n.status().Reason, "refuses") })
}
