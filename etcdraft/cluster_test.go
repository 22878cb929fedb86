package etcdraft

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"drystone/raft"
	"drystone/replica"
)

// A cluster in one value, seen from outside: nodes, their disks, the messages under way. Every
// step is drawn from one seed. The network may drop, repeat and reorder; a disk may keep any
// prefix of the writes in flight at a crash. Figure 3's properties are checked at each step
// (check_test.go). Both engines run in it, and both at once.

// maker starts a node's engine.
type maker func(raft.NodeID, raft.Config, raft.Restored) replica.Engine

func native(_ raft.NodeID, c raft.Config, d raft.Restored) replica.Engine { return raft.New(c, d) }
func etcd3(_ raft.NodeID, c raft.Config, d raft.Restored) replica.Engine  { return New(c, d) }

// mixed clusters have both in turn.
func mixed(id raft.NodeID, c raft.Config, d raft.Restored) replica.Engine {
	if id%2 == 0 {
		return native(id, c, d)
	}
	return etcd3(id, c, d)
}

var engines = map[string]maker{"native": native, "etcd": etcd3, "mixed": mixed}

type simNode struct {
	id      raft.NodeID
	engine  replica.Engine // nil: down
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
	restore raft.Index // of a received snapshot whose Append is not durable
	term    raft.Term
	commit  raft.Index
	hangs   bool // its disk, in a directed test
}

type ship struct {
	from, to raft.NodeID
	term     raft.Term
	meta     raft.SnapshotMeta
}

type sim struct {
	t       *testing.T
	start   maker
	rng     *rand.Rand
	seed    uint64
	nodes   []*simNode
	net     []raft.Message
	ships   []ship
	trace   []string
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
	configs []configAt // in force anywhere at any time
	lossy   bool
	weights []int
	weight  int // their sum
	stats   map[string]int
	hash    uint64 // of all that happened
}

func newSim(t *testing.T, engine string, seed uint64, n int, members raft.Members) *sim {
	s := &sim{
		t: t, start: engines[engine], seed: seed, rng: rand.New(rand.NewPCG(seed, 1)),
		cut: map[[2]raft.NodeID]bool{}, leaders: map[raft.Term]raft.NodeID{},
		known: map[raft.Position]raft.Entry{}, before: map[raft.Position]raft.Term{},
		applied: map[raft.Index]raft.Entry{}, settled: map[raft.Index]raft.Term{},
		members: map[raft.Index]raft.Members{0: members}, first: members,
		lossy: true, stats: map[string]int{},
	}
	s.config = raft.Config{
		Seed: seed, HeartbeatTicks: 2, ElectionTicks: 6, DiskTicks: 40,
		MaxAppendBytes: 1 + s.rng.IntN(300), MaxInflight: 1 + s.rng.IntN(4),
		TrailingBytes: s.rng.IntN(200), MaxApplyBytes: 1 + s.rng.IntN(300),
	}
	s.drawWeights()
	for i := range n {
		node := &simNode{
			id: raft.NodeID(i + 1), snap: raft.SnapshotMeta{Members: members},
			reads: map[uint64]raft.Index{}, files: map[raft.Index]bool{},
		}
		s.nodes = append(s.nodes, node)
		s.boot(node)
	}
	return s
}

func (s *sim) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("seed %d: %s\n%s", s.seed, fmt.Sprintf(format, args...),
		strings.Join(s.trace[max(0, len(s.trace)-150):], "\n"))
}

func (s *sim) note(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	for _, c := range []byte(line) {
		s.hash = (s.hash ^ uint64(c)) * 0x100000001b3
	}
	s.trace = append(s.trace, line)
}

func (s *sim) node(id raft.NodeID) *simNode { return s.nodes[id-1] }

func (s *sim) boot(n *simNode) {
	c := s.config
	c.ID = n.id
	c.Trace = func(e raft.Event) { s.note("%v", e) }
	n.boot++
	n.nextID, n.reads, n.restore = n.boot<<32, map[uint64]raft.Index{}, 0
	n.applied, n.given = n.snap.LastIncludedIndex, nil
	n.log, n.base = slices.Clone(n.entries), n.snap.LastIncludedIndex
	n.term, n.commit, n.config = 0, 0, 0
	n.engine = s.start(n.id, c, raft.Restored{
		Hard: n.hard, Snapshot: n.snap, Entries: slices.Clone(n.entries),
	})
}

func (s *sim) crash(n *simNode) {
	s.note("n%d crashes", n.id)
	for len(n.writes) > 0 && s.rng.IntN(2) == 0 {
		s.write(n, false)
	}
	n.engine, n.writes, n.acks = nil, nil, nil
	for _, m := range s.nodes {
		if m.engine != nil && s.rng.IntN(2) == 0 {
			s.do(m, func() { m.engine.Unreachable(n.id) })
		}
	}
}

// written is a log after an Append.
func written(log []raft.Entry, a *raft.Append) []raft.Entry {
	if a.Snapshot != nil && !a.KeepLog {
		log = nil
	}
	if len(a.Entries) > 0 {
		log = append(slices.Clip(log[:find(log, a.Entries[0].Index)]), a.Entries...)
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
func (s *sim) write(n *simNode, sent bool) {
	a := n.writes[0]
	n.writes = n.writes[1:]
	n.hard = a.Hard
	if a.Snapshot != nil {
		n.snap = *a.Snapshot
	}
	n.entries = written(n.entries, &a)
	s.note("n%d wrote #%d", n.id, a.Seq)
	if !sent {
		return
	}
	s.send(n, a.After)
	n.acks = append(n.acks, a.Seq)
}

func (s *sim) persisted(n *simNode) {
	if len(n.acks) == 0 {
		return
	}
	i := s.rng.IntN(len(n.acks))
	seq := n.acks[i]
	n.acks = n.acks[i+1:]
	s.do(n, func() {
		n.engine.Persisted(seq)
		if n.restore > 0 && n.snap.LastIncludedIndex >= n.restore {
			n.applied, n.restore, n.given = max(n.applied, n.snap.LastIncludedIndex), 0, nil
			n.engine.Applied(n.applied)
		}
	})
}

// send puts messages on the network, and checks that none says more than the disk knows.
func (s *sim) send(n *simNode, ms []raft.Message) {
	for _, m := range ms {
		s.checkSent(n, m)
		if s.cut[[2]raft.NodeID{m.From, m.To}] || s.lossy && s.rng.IntN(20) == 0 {
			continue
		}
		s.net = append(s.net, m)
		if s.lossy && s.rng.IntN(20) == 0 {
			s.net = append(s.net, m)
		}
	}
}

// do runs an input and, mostly, drains what comes of it.
func (s *sim) do(n *simNode, input func()) {
	s.protect(func() {
		input()
		s.observe(n)
		if s.rng.IntN(4) > 0 {
			s.drain(n)
		}
	})
}

func (s *sim) protect(f func()) {
	defer func() {
		if e := recover(); e != nil {
			if text := fmt.Sprint(e); strings.HasPrefix(text, "raft:") ||
				strings.HasPrefix(text, "etcdraft:") {
				s.fail("%v", e)
			}
			panic(e)
		}
	}()
	f()
}

func (s *sim) drain(n *simNode) {
	for {
		rd, ok := n.engine.Ready()
		s.observe(n)
		if !ok {
			return
		}
		s.send(n, rd.Send)
		if a := rd.Append; a.Seq != 0 {
			s.take(n, a)
		}
		s.apply(n, rd.Apply)
		for _, g := range rd.Reads {
			must, asked := n.reads[g.ID]
			if !asked || g.Index < must {
				s.fail("n%d: read %d granted at %d, but %d was applied", n.id, g.ID, g.Index, must)
			}
			delete(n.reads, g.ID)
			s.granted++
		}
		for _, w := range rd.Ship {
			s.ships = append(s.ships, ship{n.id, w.To, w.Term, n.snap})
			if n.snap.LastIncludedIndex < w.AtLeast {
				s.fail("n%d asks for a snapshot it does not have", n.id)
			}
		}
	}
}

// take begins a write.
func (s *sim) take(n *simNode, a raft.Append) {
	if len(n.writes)+len(n.acks) > 0 && a.Seq != n.lastSeq()+1 {
		s.fail("n%d: write %d follows %d", n.id, a.Seq, n.lastSeq())
	}
	n.writes = append(n.writes, a)
	if a.Snapshot != nil {
		n.restore, n.base = a.Snapshot.LastIncludedIndex, a.Snapshot.LastIncludedIndex
		s.stats["install"]++
	}
	n.log = written(n.log, &a)
	if len(a.Entries) > 0 {
		if at := find(n.log, a.Entries[0].Index); at > 0 {
			prev := n.log[at-1]
			s.record(raft.Position{Index: prev.Index, Term: prev.Term}, a.Entries)
		}
	}
}

func (n *simNode) lastSeq() uint64 {
	if k := len(n.writes); k > 0 {
		return n.writes[k-1].Seq
	}
	return n.acks[len(n.acks)-1]
}

func (s *sim) up() (up []*simNode) {
	for _, n := range s.nodes {
		if n.engine != nil {
			up = append(up, n)
		}
	}
	return up
}

func (s *sim) deliver(i int) {
	m := s.net[i]
	s.net = slices.Delete(s.net, i, i+1)
	n := s.node(m.To)
	if n.engine == nil || s.cut[[2]raft.NodeID{m.From, m.To}] {
		return
	}
	if is, ok := m.Body.(raft.InstallSnapshot); ok && !n.files[is.Meta.LastIncludedIndex] {
		s.fail("n%d is told of a snapshot that never arrived", n.id)
	}
	s.note("  %v", m)
	s.do(n, func() { n.engine.Step(m) })
}

func (s *sim) machine(n *simNode) {
	if len(n.given) == 0 || n.restore > 0 {
		return
	}
	k := 1 + s.rng.IntN(len(n.given))
	n.applied = n.given[k-1]
	n.given = n.given[k:]
	s.do(n, func() { n.engine.Applied(n.applied) })
}

func (s *sim) compact(n *simNode) {
	if n.applied <= n.snap.LastIncludedIndex || n.restore > 0 || len(n.acks) > 0 {
		return
	}
	meta := raft.SnapshotMeta{
		LastIncludedIndex: n.applied, LastIncludedTerm: s.applied[n.applied].Term,
		Members: s.membersAt(n.applied),
	}
	n.snap = meta
	s.stats["compact"]++
	s.do(n, func() { n.engine.Compact(meta) })
}

func (s *sim) shipOne(ok bool) {
	if len(s.ships) == 0 {
		return
	}
	w := s.ships[0]
	s.ships = s.ships[1:]
	from, to := s.node(w.from), s.node(w.to)
	if from.engine == nil {
		return
	}
	ok = ok && to.engine != nil
	if ok {
		to.files[w.meta.LastIncludedIndex] = true
		if s.rng.IntN(2) == 0 {
			s.net = append(s.net, raft.Message{From: w.from, To: w.to, Term: w.term,
				Body: raft.InstallSnapshot{Meta: w.meta}})
		}
	}
	s.do(from, func() { from.engine.Shipped(w.to, w.meta, ok) })
}

func (s *sim) propose(n *simNode) {
	s.next++
	data := fmt.Appendf(nil, "%d%s", s.next, strings.Repeat("x", s.rng.IntN(60)))
	s.do(n, func() { _ = n.engine.Propose(data) })
}

func (s *sim) read(n *simNode) {
	n.nextID++
	id := n.nextID<<8 | uint64(n.id)
	s.do(n, func() {
		if n.engine.Read(id) == nil {
			n.reads[id] = s.highest
		}
	})
}
