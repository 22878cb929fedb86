package replica

import (
	"bytes"
	"container/heap"
	"math/rand/v2"
	"testing"

	"drystone/raft"
	"drystone/rsm"
)

// A world is a cluster of whole replicas, the real core and the real state machine under a
// network, disks and appliers that a seed decides. Events run in order of (time, sequence).
type world struct {
	t        testing.TB
	rng      *rand.Rand
	o        options
	now      uint64
	seq      uint64
	events   events
	nodes    []*node
	cut      [8][8]bool                                      // one direction of a link
	keep     func(from, to raft.NodeID, m any) (passes bool) // nil: the network keeps everything
	steps    int
	restores int
	spy      func() // after every event
	history
	oracle
}

type options struct {
	nodes            int
	seed             uint64
	netMin, netMax   uint64 // ms
	diskMin, diskMax uint64
	execMin, execMax uint64 // of the applier, per job
	lose, repeat     float64
	snapshotEvery    uint64 // entries; 0: never
	config           Config // ID and Boot are filled in
}

func defaults(nodes int, seed uint64) options {
	return options{nodes: nodes, seed: seed, netMin: 1, netMax: 1, config: Config{
		MaxInflightBytes: 1 << 20, MaxEntryBytes: 1 << 16, RetryMs: 200, TickMs: 10,
		Settings: rsm.Settings{MaxValueBytes: 4242, MaxRequestsBytes: 1 << 20,
			RequestRetentionMs: 600_000},
	}}
}

type event struct {
	at, seq uint64
	run     func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	*e = (*e)[:last]
	return x
}

func newWorld(t testing.TB, o options) *world {
	w := &world{t: t, o: o, rng: rand.New(rand.NewPCG(o.seed, 17)), now: 1000}
	w.history.init()
	w.oracle.init()
	for id := 1; id <= o.nodes; id++ {
		n := &node{w: w, id: raft.NodeID(id)}
		for v := 1; v <= o.nodes; v++ {
			n.disk.meta.Members.Voters = append(n.disk.meta.Members.Voters, raft.NodeID(v))
		}
		w.nodes = append(w.nodes, n)
		n.start()
	}
	return w
}

func (w *world) at(delay uint64, run func()) {
	w.seq++
	heap.Push(&w.events, event{at: w.now + delay, seq: w.seq, run: run})
}

func (w *world) between(lo, hi uint64) uint64 {
	if hi <= lo {
		return lo
	}
	return lo + w.rng.Uint64N(hi-lo+1)
}

// step runs one event.
func (w *world) step() {
	e := heap.Pop(&w.events).(event)
	w.now = max(w.now, e.at)
	w.steps++
	e.run()
	if w.spy != nil {
		w.spy()
	}
}

func (w *world) run(ms uint64) {
	end := w.now + ms
	for len(w.events) > 0 && w.events[0].at <= end {
		w.step()
	}
	w.now = end
}

// until runs until done, and fails after ms.
func (w *world) until(ms uint64, what string, done func() bool) {
	w.t.Helper()
	for end := w.now + ms; !done(); w.step() {
		if w.now > end {
			w.t.Fatalf("seed %d: not within %d ms: %s", w.o.seed, ms, what)
		}
	}
}

func (w *world) send(from, to raft.NodeID, m any) {
	if w.keep != nil && !w.keep(from, to, m) {
		return
	}
	copies := 1
	if w.rng.Float64() < w.o.lose {
		copies--
	}
	if w.rng.Float64() < w.o.repeat {
		copies++
	}
	for range copies {
		w.at(w.between(w.o.netMin, w.o.netMax), func() {
			if to := w.nodes[to-1]; to.up && !w.cut[from][to.id] {
				to.receive(from, m)
			}
		})
	}
}

// isolate cuts a node off, or heals all its links.
func (w *world) isolate(id raft.NodeID, cut bool) {
	for i := range w.nodes {
		w.cut[id][i+1], w.cut[i+1][id] = cut, cut
	}
}

func (w *world) heal() {
	w.cut = [8][8]bool{}
	w.keep, w.o.lose, w.o.repeat = nil, 0, 0
	for _, n := range w.nodes {
		if !n.up {
			n.start()
		}
	}
}

// leader is the node that leads in the highest term and may propose; nil if there is none.
func (w *world) leader() *node {
	var best *node
	for _, n := range w.nodes {
		if !n.up {
			continue
		}
		if n.replica.observe(); !n.replica.leads() {
			continue
		}
		if best == nil || best.replica.lead.term < n.replica.lead.term {
			best = n
		}
	}
	return best
}

func (w *world) elect() *node {
	w.t.Helper()
	w.until(5000, "a leader", func() bool { return w.leader() != nil })
	return w.leader()
}

func (w *world) follower() *node {
	for _, n := range w.nodes {
		if n.up && n != w.leader() {
			return n
		}
	}
	w.t.Fatal("no follower")
	return nil
}

// node is one host: its disk survives, the rest does not.
type node struct {
	w       *world
	id      raft.NodeID
	boot    uint64
	up      bool
	replica *Replica
	core    *recorder
	state   *rsm.State
	disk    memDisk

	life    int // events of an earlier one do nothing
	writes  []raft.Append
	writeAt uint64
	jobs    []job
	busy    bool
	asked   map[uint64]bool // ids of reads, never cleared
}

// memDisk is what is durable.
type memDisk struct {
	hard      raft.HardState
	meta      raft.SnapshotMeta
	image     []byte // of meta
	arrived   map[raft.Index]shipment
	entries   []raft.Entry
	snapshots int
}

type shipment struct {
	meta  raft.SnapshotMeta
	image []byte
}

func (d *memDisk) write(a raft.Append) {
	d.hard = a.Hard
	if a.Snapshot != nil {
		got := d.arrived[a.Snapshot.LastIncludedIndex]
		d.meta, d.image = *a.Snapshot, got.image
		if !a.KeepLog {
			d.entries = nil
		}
	}
	if len(a.Entries) == 0 {
		return
	}
	for len(d.entries) > 0 && d.entries[len(d.entries)-1].Index >= a.Entries[0].Index {
		d.entries = d.entries[:len(d.entries)-1]
	}
	d.entries = append(d.entries[:len(d.entries):len(d.entries)], a.Entries...)
}

// job is for the applier, in order.
type job struct {
	entries []raft.Entry
	query   *Query
	restore *raft.SnapshotMeta
	written bool // restore: its Append is durable
}

// recorder notes what a replica asks of its engine.
type recorder struct {
	*raft.Raft
	n         *node
	proposals int
	attempts  int
}

func (c *recorder) Read(id uint64) error {
	c.n.noteReadID(id)
	return c.Raft.Read(id)
}

func (c *recorder) Propose(entry []byte) error {
	c.attempts++
	err := c.Raft.Propose(entry)
	if err == nil {
		c.proposals++
	}
	return err
}

func (n *node) noteReadID(id uint64) {
	if n.asked[id] {
		n.w.t.Fatalf("seed %d: n%d uses read id %x twice", n.w.o.seed, n.id, id)
	}
	n.asked[id] = true
}

func (n *node) start() {
	n.boot++
	n.life++
	n.up, n.busy, n.writes, n.jobs, n.writeAt = true, false, nil, nil, 0
	if n.asked == nil {
		n.asked = map[uint64]bool{}
		n.disk.arrived = map[raft.Index]shipment{}
	}
	n.core = &recorder{n: n, Raft: raft.New(raft.Config{
		ID: n.id, Seed: n.w.o.seed, HeartbeatTicks: 5, ElectionTicks: 30, DiskTicks: 200,
		MaxAppendBytes: 1 << 16, MaxInflight: 16, MaxApplyBytes: 1 << 18,
	}, raft.Restored{Hard: n.disk.hard, Snapshot: n.disk.meta, Entries: n.disk.entries})}
	n.state = n.newState()
	if n.disk.image != nil {
		n.check(n.state.Restore(bytes.NewReader(n.disk.image)))
	}
	c := n.w.o.config
	c.ID, c.Boot = n.id, n.boot
	n.replica = New(c, n.core, n.state.Point(), n.w.now)
	n.later(n.w.between(1, 10), n.tick)
}

func (n *node) check(err error) {
	if err != nil {
		n.w.t.Fatalf("seed %d: n%d: %v", n.w.o.seed, n.id, err)
	}
}

// later runs something unless the node has died by then.
func (n *node) later(delay uint64, run func()) {
	life := n.life
	n.w.at(delay, func() {
		if n.up && n.life == life {
			run()
			n.pump()
		}
	})
}

// crash kills the process. Of the writes under way the disk keeps as many as it likes.
func (n *node) crash() {
	n.up = false
	for _, a := range n.writes[:n.w.rng.IntN(len(n.writes)+1)] {
		n.disk.write(a)
	}
	n.w.crashed(n)
	for _, peer := range n.w.nodes {
		if peer != n && peer.up {
			peer.later(n.w.between(n.w.o.netMin, n.w.o.netMax), func() {
				peer.replica.Lost(n.w.now, n.id)
			})
		}
	}
}

func (n *node) tick() {
	n.replica.Tick(n.w.now)
	n.later(10, n.tick)
}

func (n *node) receive(from raft.NodeID, m any) {
	switch m := m.(type) {
	case raft.Message:
		n.replica.Step(n.w.now, m)
	case rsm.PeerMessage:
		n.replica.Receive(n.w.now, from, m)
	}
	n.pump()
}

// pump does what the replica wants done.
func (n *node) pump() {
	for range 10_000 {
		e, ok := n.replica.Ready(n.w.now)
		if !ok {
			n.checkReplica()
			return
		}
		n.do(e)
	}
	n.w.t.Fatalf("seed %d: n%d is never done", n.w.o.seed, n.id)
}

func (n *node) do(e Effects) {
	w := n.w
	if len(e.Reads) != 0 {
		w.t.Fatal("Effects.Reads is not empty")
	}
	if e.Append.Seq != 0 {
		n.writes = append(n.writes, e.Append)
		n.writeAt = max(n.writeAt, w.now+w.between(w.o.diskMin, w.o.diskMax))
		n.later(n.writeAt-w.now, n.wrote)
		if s := e.Append.Snapshot; s != nil {
			n.jobs = append(n.jobs, job{restore: s})
		}
	}
	for _, m := range e.Send {
		w.send(n.id, m.To, m)
	}
	for _, f := range e.Forward {
		w.noteForward(n, f)
		w.send(n.id, f.To, f.Body)
	}
	if len(e.Apply) > 0 {
		n.jobs = append(n.jobs, job{entries: e.Apply})
	}
	for i := range e.Queries {
		n.jobs = append(n.jobs, job{query: &e.Queries[i]})
	}
	for _, s := range e.Ship {
		n.ship(s)
	}
	for _, a := range e.Answers {
		w.answered(n, a)
	}
	for _, f := range e.ReadFailed {
		w.readFailed(n, f)
	}
	n.exec()
}

func (n *node) wrote() {
	a := n.writes[0]
	n.writes = n.writes[1:]
	n.disk.write(a)
	n.replica.Persisted(a.Seq)
	for _, m := range a.After {
		n.w.send(n.id, m.To, m)
	}
	for i := range n.jobs {
		if n.jobs[i].restore != nil && n.jobs[i].restore == a.Snapshot {
			n.jobs[i].written = true
		}
	}
	n.exec()
}

// ship carries a snapshot over, if the link holds.
func (n *node) ship(s raft.SnapshotSend) {
	meta, image := n.disk.meta, n.disk.image
	n.later(2*n.w.o.netMax, func() {
		to := n.w.nodes[s.To-1]
		ok := to.up && !n.w.cut[n.id][to.id] && image != nil && meta.LastIncludedIndex >= s.AtLeast
		if ok {
			to.disk.arrived[meta.LastIncludedIndex] = shipment{meta, image}
		}
		n.replica.Shipped(s.To, meta, ok)
	})
}
