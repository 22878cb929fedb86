package node

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"drystone/disk"
	"drystone/rsm"
	"drystone/wire"
)

func TestMain(m *testing.M) {
	// Other tests of this package start processes, from a goroutine that stays for that.
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("drystone/internal/proc/child.NewSpawner.func1"))
}

// patience is how long a test waits for what must come; it bounds failures only.
const patience = 20 * time.Second

// eventually waits until ok says so.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	end := time.NewTimer(patience)
	defer end.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-end.C:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// tape is a machine that keeps every command it was given.
type tape struct {
	commands []string
	held     chan struct{} // the query "hold" waits for it; nil: it does not
	asked    chan struct{} // gets a word when "hold" begins
}

func (m *tape) Apply(_ *rsm.Context, command []byte) []byte {
	if string(command) == "panic" {
		panic("as it was told")
	}
	m.commands = append(m.commands, string(command))
	return strconv.AppendInt(nil, int64(len(m.commands)), 10)
}

func (m *tape) Query(_ *rsm.Context, q []byte) []byte {
	if string(q) == "hold" && m.held != nil {
		m.asked <- struct{}{}
		<-m.held
	}
	return []byte(strings.Join(m.commands, " "))
}

func (m *tape) Snapshot() io.WriterTo {
	return bytes.NewReader([]byte(strings.Join(m.commands, "\n")))
}

func (m *tape) Restore(r io.Reader) error {
	b, err := io.ReadAll(r)
	m.commands = nil
	if len(b) > 0 {
		m.commands = strings.Split(string(b), "\n")
	}
	return err
}

// cluster is nodes in one process, over loopback.
type cluster struct {
	t       testing.TB
	configs map[uint64]Config
	mems    map[uint64]*disk.Mem // of those whose disk is not real
	nodes   map[uint64]*Node
}

// newCluster makes room for n nodes with real disks. None is started.
func newCluster(t testing.TB, n int) *cluster {
	c := &cluster{
		t: t, configs: map[uint64]Config{}, mems: map[uint64]*disk.Mem{}, nodes: map[uint64]*Node{},
	}
	addresses := map[uint64]string{}
	for id := uint64(1); id <= uint64(n); id++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		addresses[id] = l.Addr().String()
		c.configs[id] = Config{
			ID: id, Cluster: addresses, Dir: t.TempDir(), PeerListener: l,
			Heartbeat: 20 * time.Millisecond, Election: 150 * time.Millisecond,
			Machine: func() rsm.Machine { return &tape{} },
			Logger:  slog.New(slog.NewTextHandler(testWriter{t}, nil)),
		}
	}
	t.Cleanup(func() {
		for id := range c.nodes {
			c.kill(id)
		}
	})
	return c
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimSpace(b))
	return len(b), nil
}

// start starts nodes; the first start of each takes its listener, later ones the same address.
func (c *cluster) start(ids ...uint64) {
	c.t.Helper()
	for _, id := range ids {
		config := c.configs[id]
		var n *Node
		var err error
		if mem := c.mems[id]; mem != nil {
			n = startOn(c.t, mem, config)
		} else if n, err = Start(config); err != nil {
			c.t.Fatalf("start of node %d: %v", id, err)
		}
		if config.PeerListener != nil {
			config.PeerListen, config.PeerListener = config.PeerListener.Addr().String(), nil
		}
		c.nodes[id], c.configs[id] = n, config
	}
}

// stop ends a node gracefully.
func (c *cluster) stop(id uint64) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.nodes[id].Close(ctx); err != nil {
		c.t.Fatalf("close of node %d: %v", id, err)
	}
	delete(c.nodes, id)
}

// kill ends a node without waiting for anything.
func (c *cluster) kill(id uint64) {
	c.nodes[id].Close(ended())
	delete(c.nodes, id)
}

// leader waits until all running nodes agree on a leader among them.
func (c *cluster) leader() uint64 {
	c.t.Helper()
	var leader uint64
	eventually(c.t, "all agree on a leader", func() bool {
		leader = 0
		for _, n := range c.nodes {
			s := n.status()
			if s.LeaderID == 0 || leader != 0 && s.LeaderID != leader || s.Applied == 0 {
				return false
			}
			leader = s.LeaderID
		}
		return c.nodes[leader] != nil && c.nodes[leader].status().Role == "leader"
	})
	return leader
}

// follower is any running node that does not lead.
func (c *cluster) follower() uint64 {
	leader := c.leader()
	for id := range c.nodes {
		if id != leader {
			return id
		}
	}
	c.t.Fatal("no follower runs")
	return 0
}

// ended is a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// forward is a batch as a peer sends it.
func forward(batch []byte) []wire.Message {
	return []wire.Message{{Peer: rsm.Forward{Batch: batch}}}
}

func request(command string) rsm.Request { return rsm.Request{Command: []byte(command)} }

// do has a command applied.
func do(t testing.TB, n *Node, command string) rsm.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, id := n.Do(ctx, request(command))
	if r.Outcome != rsm.Applied || id == "" {
		t.Fatalf("do %q: %+v, request %q", command, r, id)
	}
	return r
}

// tapeOf reads, linearizably, what a node has applied.
func tapeOf(t testing.TB, n *Node) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r := n.Query(ctx, nil, rsm.ReadOptions{})
	if r.Code != "" {
		t.Fatalf("read: %+v", r)
	}
	return string(r.Reply)
}

// alone starts a cluster of one on a disk in memory.
func alone(t testing.TB, mem *disk.Mem, change ...func(*Config)) *Node {
	t.Helper()
	config := Config{
		ID: 1, PeerListen: "127.0.0.1:0", Heartbeat: 20 * time.Millisecond,
		Election: 100 * time.Millisecond, Machine: func() rsm.Machine { return &tape{} },
		Logger: slog.New(slog.NewTextHandler(testWriter{t}, nil)),
	}
	for _, f := range change {
		f(&config)
	}
	n := startOn(t, mem, config)
	t.Cleanup(func() { n.Close(ended()) })
	return n
}

// startOn starts a node on a disk in memory.
func startOn(t testing.TB, mem *disk.Mem, config Config) *Node {
	t.Helper()
	if err := config.setDefaults(); err != nil {
		t.Fatal(err)
	}
	n, err := start(config, mem.Dir(), func() {})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// leads waits until a node leads.
func leads(t testing.TB, n *Node) {
	t.Helper()
	eventually(t, "the node leads", func() bool {
		s := n.status()
		return s.Role == "leader" && s.Applied > 0
	})
}
