// Package rafttest plays a consensus engine in a cluster that is one value, seen from outside:
// nodes, their disks, the messages under way. Figure 3's properties are checked at each step
// (check.go). The engines of this house, and clusters of both, run in it, each from the tests of
// its own package: Claims are directed, one claim of the paper each; Histories are drawn from
// seeds.
package rafttest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"drystone/raft"
	"drystone/replica"
)

// engine starts the engine of a node: nodes take the engines of a mixed cluster in turn.
func (c *Cluster) engine(id raft.NodeID) replica.EngineKind {
	return c.engines[int(id)%len(c.engines)]
}

// Node is one node and its host.
type Node struct {
	id      raft.NodeID
	Engine  replica.Engine // nil: down
	hard    raft.HardState
	snap    raft.SnapshotMeta
	entries []raft.Entry // on disk, from snap's end or earlier on
	log     []raft.Entry // as the engine has it: entries, and what is to be written
	base    raft.Index   // of log: what is before it is in a snapshot
	writes  []raft.Append
	acks    []uint64            // durable, not yet told to the engine
	files   map[raft.Index]bool // snapshots received
	applied raft.Index          // by the machine
	given   []raft.Index
	config  raft.Index // of the configuration in force when last observed
	boot    uint64
	reads   map[uint64]raft.Index // asked here → what must be covered
	nextID  uint64
	restore uint64 // the Append of a received snapshot, until it is durable
	term    raft.Term
	commit  raft.Index
	hangs   bool // its disk, in a directed test
}

type ship struct {
	from, to raft.NodeID
	term     raft.Term
	meta     raft.SnapshotMeta
}

// inForce is a configuration and the index of its entry, or of its snapshot.
type inForce struct {
	index   raft.Index
	members raft.Members
}

// Cluster is nodes, disks and network. Every step is drawn from one seed. The network may drop,
// repeat and reorder; a disk may keep any prefix of the writes in flight at a crash.
type Cluster struct {
	t       *testing.T
	engines []replica.EngineKind
	rng     *rand.Rand
	seed    uint64
	nodes   []*Node
	net     []raft.Message
	ships   []ship
	trace   []fmt.Stringer // formatted only when somebody reads it
	cut     map[[2]raft.NodeID]bool
	leaders map[raft.Term]raft.NodeID
	known   map[raft.Position]raft.Entry // every entry ever sent or written
	before  map[raft.Position]raft.Term  // and its predecessor's term
	applied map[raft.Index]raft.Entry
	members map[raft.Index]raft.Members // as of an index applied
	settled map[raft.Index]raft.Term    // in which, at the latest, it was committed
	highest raft.Index                  // applied anywhere
	config  raft.Config
	granted int
	next    uint64
	first   raft.Members
	configs []inForce // in force anywhere at any time
	lossy   bool
	weights []int
	weight  int // their sum
	stats   map[string]int
}

// NewCluster starts nodes 1 to n, with these members, in which everything may happen.
func NewCluster(t *testing.T, seed uint64, n int, members raft.Members,
	engines ...replica.EngineKind) *Cluster {
	c := &Cluster{
		t: t, engines: engines, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)),
		cut: map[[2]raft.NodeID]bool{}, leaders: map[raft.Term]raft.NodeID{},
		known: map[raft.Position]raft.Entry{}, before: map[raft.Position]raft.Term{},
		applied: map[raft.Index]raft.Entry{}, settled: map[raft.Index]raft.Term{},
		members: map[raft.Index]raft.Members{0: members}, first: members,
		lossy: true, stats: map[string]int{},
	}
	c.config = raft.Config{
		Seed: seed, HeartbeatTicks: 2, ElectionTicks: 6, DiskTicks: 40,
		MaxAppendBytes: 1 + c.rng.IntN(300), MaxInflight: 1 + c.rng.IntN(4),
		InflightBytes: 1 + c.rng.IntN(600),
		TrailingBytes: c.rng.IntN(200), MaxApplyBytes: 1 + c.rng.IntN(300),
	}
	c.drawWeights()
	for i := range n {
		node := &Node{
			id: raft.NodeID(i + 1), snap: raft.SnapshotMeta{Members: members},
			files: map[raft.Index]bool{},
		}
		c.nodes = append(c.nodes, node)
		c.boot(node)
	}
	return c
}

// fail ends the test with what happened last.
func (c *Cluster) fail(format string, args ...any) {
	c.t.Helper()
	c.t.Fatalf("seed %d: %s\n%s", c.seed, fmt.Sprintf(format, args...),
		c.history(max(0, len(c.trace)-150)))
}

// history is what happened from a step on, in words; what was delivered stands indented.
func (c *Cluster) history(from int) string {
	var b strings.Builder
	for _, line := range c.trace[from:] {
		if m, ok := line.(raft.Message); ok {
			fmt.Fprintf(&b, "        %v\n", m)
			continue
		}
		fmt.Fprintln(&b, line)
	}
	return b.String()
}

// happening is what befalls a node and is in no engine's trace.
type happening struct {
	id   raft.NodeID
	what string
	seq  uint64
}

func (h happening) String() string { return fmt.Sprintf("n%d %s #%d", h.id, h.what, h.seq) }

func (c *Cluster) note(line fmt.Stringer) { c.trace = append(c.trace, line) }

func (c *Cluster) node(id raft.NodeID) *Node { return c.nodes[id-1] }

// boot starts a node as its disk left it.
func (c *Cluster) boot(n *Node) {
	n.boot++
	c.note(happening{n.id, "starts, boot", n.boot})
	config := c.config
	config.ID = n.id
	config.Trace = func(e raft.Event) { c.note(e) }
	n.nextID, n.reads, n.restore = n.boot<<32, map[uint64]raft.Index{}, 0
	n.applied, n.given = n.snap.LastIncludedIndex, nil
	n.log, n.base = slices.Clone(n.entries), n.snap.LastIncludedIndex
	n.term, n.commit, n.config = 0, 0, 0
	n.Engine = c.engine(n.id).New(config, raft.Restored{
		Hard: n.hard, Snapshot: n.snap, Entries: slices.Clone(n.entries),
	})
}

func (c *Cluster) crash(n *Node) {
	c.note(happening{n.id, "crashes, boot", n.boot})
	for len(n.writes) > 0 && c.rng.IntN(2) == 0 {
		c.write(n, false)
	}
	n.Engine, n.writes, n.acks = nil, nil, nil
	for _, m := range c.nodes {
		if m.Engine != nil && c.rng.IntN(2) == 0 {
			c.do(m, func() { m.Engine.Unreachable(n.id) })
		}
	}
}

// stop takes a node down with nothing of what is in flight written.
func (c *Cluster) stop(n *Node) { n.Engine, n.writes, n.acks = nil, nil, nil }

// written is a log after an Append.
func written(log []raft.Entry, a *raft.Append) []raft.Entry {
	if a.Snapshot != nil && !a.KeepLog {
		log = nil
	}
	if len(a.Entries) > 0 {
		log = append(log[:find(log, a.Entries[0].Index)], a.Entries...)
	}
	return log
}

func find(log []raft.Entry, i raft.Index) int {
	at, _ := slices.BinarySearchFunc(log, i, func(e raft.Entry, i raft.Index) int {
		return int(e.Index) - int(i)
	})
	return at
}

// write makes the oldest write durable, and with sent releases what hangs on it.
func (c *Cluster) write(n *Node, sent bool) {
	a := n.writes[0]
	n.writes = n.writes[1:]
	n.hard = a.Hard
	if a.Snapshot != nil {
		n.snap = *a.Snapshot
	}
	n.entries = written(n.entries, &a)
	c.note(happening{n.id, "wrote", a.Seq})
	if !sent {
		return
	}
	c.send(n, a.After)
	n.acks = append(n.acks, a.Seq)
}

func (c *Cluster) persisted(n *Node) {
	if len(n.acks) == 0 {
		return
	}
	i := c.rng.IntN(len(n.acks))
	seq := n.acks[i]
	n.acks = n.acks[i+1:]
	c.do(n, func() {
		n.Engine.Persisted(seq)
		if n.restore > 0 && seq >= n.restore {
			n.applied, n.restore, n.given = max(n.applied, n.snap.LastIncludedIndex), 0, nil
			n.Engine.Applied(n.applied)
		}
	})
}

// send puts messages on the network, and checks that none says more than the disk knows.
func (c *Cluster) send(n *Node, ms []raft.Message) {
	for _, m := range ms {
		c.checkSent(n, m)
		if c.cut[[2]raft.NodeID{m.From, m.To}] || c.lossy && c.rng.IntN(20) == 0 {
			continue
		}
		c.net = append(c.net, m)
		if c.lossy && c.rng.IntN(20) == 0 {
			c.net = append(c.net, m)
		}
	}
}

// do runs an input and, mostly, drains what comes of it.
func (c *Cluster) do(n *Node, input func()) {
	c.protect(func() {
		input()
		c.observe(n)
		if c.rng.IntN(4) > 0 {
			c.drain(n)
		}
	})
}

func (c *Cluster) protect(f func()) {
	defer func() {
		if e := recover(); e != nil {
			if text := fmt.Sprint(e); strings.HasPrefix(text, "raft:") ||
				strings.HasPrefix(text, "etcdraft:") {
				c.fail("%v", e)
			}
			panic(e)
		}
	}()
	f()
}

func (c *Cluster) drain(n *Node) {
	for {
		rd, ok := n.Engine.Ready()
		c.observe(n)
		if !ok {
			return
		}
		c.send(n, rd.Send)
		if a := rd.Append; a.Seq != 0 {
			c.take(n, a)
		}
		c.apply(n, rd.Apply)
		for _, g := range rd.Reads {
			must, asked := n.reads[g.ID]
			if !asked || g.Index < must {
				c.fail("n%d: read %d granted at %d, but %d was applied", n.id, g.ID, g.Index, must)
			}
			delete(n.reads, g.ID)
			c.granted++
		}
		for _, w := range rd.Ship {
			c.ships = append(c.ships, ship{n.id, w.To, w.Term, n.snap})
			if n.snap.LastIncludedIndex < w.AtLeast {
				c.fail("n%d asks for a snapshot it does not have", n.id)
			}
		}
	}
}

// take begins a write.
func (c *Cluster) take(n *Node, a raft.Append) {
	if len(n.writes)+len(n.acks) > 0 && a.Seq != n.lastSeq()+1 {
		c.fail("n%d: write %d follows %d", n.id, a.Seq, n.lastSeq())
	}
	n.writes = append(n.writes, a)
	if a.Snapshot != nil {
		n.restore, n.base = a.Seq, a.Snapshot.LastIncludedIndex
		c.stats["install"]++
	}
	n.log = written(n.log, &a)
	if len(a.Entries) > 0 {
		if at := find(n.log, a.Entries[0].Index); at > 0 {
			prev := n.log[at-1]
			c.record(raft.Position{Index: prev.Index, Term: prev.Term}, a.Entries)
		}
	}
}

func (n *Node) lastSeq() uint64 {
	if k := len(n.writes); k > 0 {
		return n.writes[k-1].Seq
	}
	return n.acks[len(n.acks)-1]
}

// Up are the nodes that run.
func (c *Cluster) Up() (up []*Node) {
	for _, n := range c.nodes {
		if n.Engine != nil {
			up = append(up, n)
		}
	}
	return up
}

func (c *Cluster) deliver(i int) {
	m := c.net[i]
	c.net = slices.Delete(c.net, i, i+1)
	n := c.node(m.To)
	if n.Engine == nil || c.cut[[2]raft.NodeID{m.From, m.To}] {
		return
	}
	if is, ok := m.Body.(raft.InstallSnapshot); ok && !n.files[is.Meta.LastIncludedIndex] {
		c.fail("n%d is told of a snapshot that never arrived", n.id)
	}
	c.note(m)
	c.do(n, func() { n.Engine.Step(m) })
}

func (c *Cluster) machine(n *Node) {
	if len(n.given) == 0 || n.restore > 0 {
		return
	}
	k := 1 + c.rng.IntN(len(n.given))
	n.applied = n.given[k-1]
	n.given = n.given[k:]
	c.do(n, func() { n.Engine.Applied(n.applied) })
}

func (c *Cluster) compact(n *Node) {
	if n.applied <= n.snap.LastIncludedIndex || n.restore > 0 {
		return
	}
	meta := raft.SnapshotMeta{
		LastIncludedIndex: n.applied, LastIncludedTerm: c.applied[n.applied].Term,
		Members: c.membersAt(n.applied),
	}
	n.snap = meta
	c.stats["compact"]++
	c.do(n, func() { n.Engine.Compact(meta) })
}

func (c *Cluster) shipOne(ok bool) {
	if len(c.ships) == 0 {
		return
	}
	w := c.ships[0]
	c.ships = c.ships[1:]
	from, to := c.node(w.from), c.node(w.to)
	if from.Engine == nil {
		return
	}
	ok = ok && to.Engine != nil
	if ok {
		to.files[w.meta.LastIncludedIndex] = true
		if c.rng.IntN(2) == 0 {
			c.net = append(c.net, raft.Message{From: w.from, To: w.to, Term: w.term,
				Body: raft.InstallSnapshot{Meta: w.meta}})
		}
	}
	c.do(from, func() { from.Engine.Shipped(w.to, w.meta, ok) })
}

func (c *Cluster) propose(n *Node) {
	c.next++
	data := fmt.Appendf(nil, "%d%s", c.next, strings.Repeat("x", c.rng.IntN(60)))
	c.do(n, func() { _ = n.Engine.Propose(data) })
}

func (c *Cluster) read(n *Node) {
	n.nextID++
	id := n.nextID<<8 | uint64(n.id)
	c.do(n, func() {
		if n.Engine.Read(id) == nil {
			n.reads[id] = c.highest
		}
	})
}
