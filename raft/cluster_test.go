package raft

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A cluster in one value: nodes, their disks, the messages under way. Every step is drawn from
// one seed. The network may drop, repeat and reorder; a disk may keep any prefix of the writes
// in flight at a crash. Figure 3's properties are checked at each step.

type simNode struct {
	id      NodeID
	raft    *Raft // nil: down
	hard    HardState
	snap    SnapshotMeta
	entries []Entry // on disk, from snap's end or earlier on
	writes  []Append
	acks    []uint64       // durable, not yet told to the core
	files   map[Index]bool // snapshots received
	applied Index          // by the machine
	given   []Index
	config  Index // of the configuration in force when last observed
	boot    uint64
	reads   map[uint64]Index // asked here → what must be covered
	nextID  uint64
	restore Index // of the received snapshot whose Append is not durable
}

type ship struct {
	from, to NodeID
	term     Term
	meta     SnapshotMeta
}

type sim struct {
	t       *testing.T
	rng     *rand.Rand
	seed    uint64
	nodes   []*simNode
	net     []Message
	ships   []ship
	trace   []fmt.Stringer // formatted only when something fails
	cut     map[[2]NodeID]bool
	leaders map[Term]NodeID
	known   map[Position]Entry // every entry ever appended, with its predecessor's term
	before  map[Position]Term
	applied map[Index]Entry
	settled map[Index]Term // in which, at the latest, it was committed
	highest Index          // applied anywhere
	config  Config
	granted int
	next    uint64
	members Members
	configs []configAt // in force anywhere at any time
	lossy   bool
	weights []int
	weight  int // their sum
	stats   map[string]int
}

func newSim(t *testing.T, seed uint64, n int, members Members) *sim {
	s := &sim{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), cut: map[[2]NodeID]bool{},
		leaders: map[Term]NodeID{}, known: map[Position]Entry{}, before: map[Position]Term{},
		applied: map[Index]Entry{}, settled: map[Index]Term{}, members: members,
		lossy: true, stats: map[string]int{},
	}
	s.config = Config{
		Seed: seed, HeartbeatTicks: 2, ElectionTicks: 6, DiskTicks: 40,
		MaxAppendBytes: 1 + s.rng.IntN(300), MaxInflight: 1 + s.rng.IntN(4),
		InflightBytes: 1 + s.rng.IntN(600),
		TrailingBytes: s.rng.IntN(200), MaxApplyBytes: 1 + s.rng.IntN(300),
	}
	s.drawWeights()
	for i := range n {
		s.nodes = append(s.nodes, &simNode{
			id: NodeID(i + 1), snap: SnapshotMeta{Members: members}, reads: map[uint64]Index{},
			files: map[Index]bool{},
		})
		s.start(s.nodes[i])
	}
	return s
}

func (s *sim) fail(format string, args ...any) {
	s.t.Helper()
	var b strings.Builder
	for _, line := range s.trace[max(0, len(s.trace)-150):] {
		if m, ok := line.(Message); ok {
			fmt.Fprintf(&b, "        %v\n", m)
			continue
		}
		fmt.Fprintln(&b, line)
	}
	s.t.Fatalf("seed %d: %s\n%s", s.seed, fmt.Sprintf(format, args...), b.String())
}

type happening struct {
	id   NodeID
	what string
}

func (h happening) String() string { return fmt.Sprintf("n%d %s", h.id, h.what) }

func (s *sim) note(line fmt.Stringer) { s.trace = append(s.trace, line) }

func (s *sim) node(id NodeID) *simNode { return s.nodes[id-1] }

func (s *sim) start(n *simNode) {
	c := s.config
	c.ID = n.id
	c.Trace = func(e Event) { s.note(e) }
	n.boot++
	n.nextID, n.reads, n.restore = n.boot<<32, map[uint64]Index{}, 0
	n.applied, n.given = n.snap.LastIncludedIndex, nil
	n.raft = New(c, Restored{Hard: n.hard, Snapshot: n.snap, Entries: slices.Clone(n.entries)})
}

func (s *sim) crash(n *simNode) {
	s.note(happening{n.id, "crashes"})
	for len(n.writes) > 0 && s.rng.IntN(2) == 0 {
		s.write(n, false)
	}
	n.raft, n.writes, n.acks = nil, nil, nil
	for _, m := range s.nodes {
		if m.raft != nil && s.rng.IntN(2) == 0 {
			s.do(m, func() { m.raft.Unreachable(n.id) })
		}
	}
}

// write makes the oldest write durable, and with sent releases what hangs on it.
func (s *sim) write(n *simNode, sent bool) {
	a := n.writes[0]
	n.writes = n.writes[1:]
	n.hard = a.Hard
	if a.Snapshot != nil {
		n.snap = *a.Snapshot
		if !a.KeepLog {
			n.entries = nil
		}
	}
	if len(a.Entries) > 0 {
		first := a.Entries[0].Index
		i, _ := slices.BinarySearchFunc(n.entries, first, func(e Entry, i Index) int {
			return int(e.Index) - int(i)
		})
		n.entries = append(slices.Clip(n.entries[:i]), a.Entries...)
	}
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
		n.raft.Persisted(seq)
		if n.restore > 0 && n.raft.disk.restoring == 0 {
			n.applied, n.restore, n.given = max(n.applied, n.snap.LastIncludedIndex), 0, nil
			n.raft.Applied(n.applied)
		}
	})
}

// send puts messages on the network, and checks that none says more than the disk knows.
func (s *sim) send(n *simNode, ms []Message) {
	for _, m := range ms {
		pre := false
		switch b := m.Body.(type) {
		case RequestVote:
			pre = b.PreVote
			if !pre {
				s.checkVote(n, m, n.id)
			}
		case VoteReply:
			pre = b.PreVote
			if !pre && b.Granted {
				s.checkVote(n, m, m.To)
			}
		case AppendReply:
			if b.Success {
				s.checkDurable(n, b.MatchIndex, m)
			}
		case SnapshotReply:
			if b.MatchIndex > 0 {
				s.checkDurable(n, b.MatchIndex, m)
			}
		case AppendEntries:
			s.record(Position{b.PrevLogIndex, b.PrevLogTerm}, b.Entries)
		}
		if !pre && m.Term > n.hard.CurrentTerm {
			s.fail("n%d says %v, its disk is in term %d", n.id, m, n.hard.CurrentTerm)
		}
		if s.cut[[2]NodeID{m.From, m.To}] || s.lossy && s.rng.IntN(20) == 0 {
			continue
		}
		s.net = append(s.net, m)
		if s.lossy && s.rng.IntN(20) == 0 {
			s.net = append(s.net, m)
		}
	}
}

// do runs an input and drains what comes of it.
func (s *sim) do(n *simNode, input func()) {
	defer func() {
		if e := recover(); e != nil {
			if strings.HasPrefix(fmt.Sprint(e), "raft:") {
				s.fail("%v", e)
			}
			panic(e)
		}
	}()
	input()
	s.observe(n)
	if s.rng.IntN(4) > 0 {
		s.drain(n)
	}
}

func (s *sim) drain(n *simNode) {
	for {
		rd, ok := n.raft.Ready()
		s.observe(n)
		if !ok {
			return
		}
		s.send(n, rd.Send)
		if rd.Append.Seq != 0 {
			n.writes = append(n.writes, rd.Append)
			if rd.Append.Snapshot != nil {
				n.restore = rd.Append.Snapshot.LastIncludedIndex
				s.stats["install"]++
			}
			if es := rd.Append.Entries; len(es) > 0 && es[0].Index > n.raft.log.base.Index {
				if t, ok := n.raft.log.term(es[0].Index - 1); ok {
					s.record(Position{es[0].Index - 1, t}, es)
				}
			}
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
			s.ships = append(s.ships, ship{n.id, w.To, w.Term, n.raft.snapshot})
			if n.raft.snapshot.LastIncludedIndex < w.AtLeast {
				s.fail("n%d asks for a snapshot it does not have", n.id)
			}
		}
	}
}

func (s *sim) apply(n *simNode, entries []Entry) {
	for _, e := range entries {
		last := n.applied
		if k := len(n.given); k > 0 {
			last = n.given[k-1]
		}
		if n.restore > 0 {
			s.fail("n%d applies %v before its snapshot is durable", n.id, e.position())
		}
		if e.Index != last+1 {
			s.fail("n%d applies %v after %d", n.id, e.position(), last)
		}
		if was, ok := s.applied[e.Index]; ok {
			if was.Term != e.Term || string(was.Data) != string(e.Data) {
				s.fail("State Machine Safety: %v and %v applied", was.position(), e.position())
			}
		} else {
			s.applied[e.Index] = e
			s.settled[e.Index] = n.raft.currentTerm
			s.highest = max(s.highest, e.Index)
			s.checkOnQuorum(n, e)
		}
		s.checkOnDisk(n, e)
		n.given = append(n.given, e.Index)
	}
}

func (s *sim) up() []*simNode {
	var up []*simNode
	for _, n := range s.nodes {
		if n.raft != nil {
			up = append(up, n)
		}
	}
	return up
}

func (s *sim) deliver(i int) {
	m := s.net[i]
	s.net = slices.Delete(s.net, i, i+1)
	n := s.node(m.To)
	if n.raft == nil || s.cut[[2]NodeID{m.From, m.To}] {
		return
	}
	if is, ok := m.Body.(InstallSnapshot); ok && !n.files[is.Meta.LastIncludedIndex] {
		s.fail("n%d is told of a snapshot that never arrived", n.id)
	}
	s.note(m)
	s.do(n, func() { n.raft.Step(m) })
}

func (s *sim) machine(n *simNode) {
	if len(n.given) == 0 || n.restore > 0 {
		return
	}
	k := 1 + s.rng.IntN(len(n.given))
	n.applied = n.given[k-1]
	n.given = n.given[k:]
	s.do(n, func() { n.raft.Applied(n.applied) })
}

func (s *sim) compact(n *simNode) {
	if n.applied <= n.raft.snapshot.LastIncludedIndex || n.restore > 0 || n.raft.disk.restoring > 0 {
		return
	}
	meta := SnapshotMeta{n.applied, s.applied[n.applied].Term, n.raft.configAt(n.applied)}
	n.snap = meta
	s.stats["compact"]++
	s.do(n, func() { n.raft.Compact(meta) })
}

func (s *sim) shipOne(ok bool) {
	if len(s.ships) == 0 {
		return
	}
	w := s.ships[0]
	s.ships = s.ships[1:]
	from, to := s.node(w.from), s.node(w.to)
	if from.raft == nil {
		return
	}
	ok = ok && to.raft != nil
	if ok {
		to.files[w.meta.LastIncludedIndex] = true
		if s.rng.IntN(2) == 0 {
			s.net = append(s.net, Message{From: w.from, To: w.to, Term: w.term,
				Body: InstallSnapshot{Meta: w.meta}})
		}
	}
	s.do(from, func() { from.raft.Shipped(w.to, w.meta, ok) })
}

func (s *sim) propose(n *simNode) {
	s.next++
	data := fmt.Appendf(nil, "%d%s", s.next, strings.Repeat("x", s.rng.IntN(60)))
	s.do(n, func() { _ = n.raft.Propose(data) })
}

func (s *sim) read(n *simNode) {
	n.nextID++
	id := n.nextID<<8 | uint64(n.id)
	s.do(n, func() {
		if n.raft.Read(id) == nil {
			n.reads[id] = s.highest
		}
	})
}

// An action is one thing that may happen to a node that is up.
type action struct {
	weight int // of a thousand or so; the seed doubles, halves or forgets the faults'
	fault  bool
	do     func(s *sim, n *simNode)
}

var actions = []action{
	{60, false, func(s *sim, n *simNode) { s.do(n, n.raft.Tick) }},
	{500, false, func(s *sim, _ *simNode) {
		if len(s.net) > 0 {
			s.deliver(s.rng.IntN(len(s.net)))
		}
	}},
	{150, false, func(s *sim, n *simNode) {
		if len(n.writes) > 0 {
			s.write(n, true)
		}
	}},
	{100, false, func(s *sim, n *simNode) { s.persisted(n) }},
	{70, false, func(s *sim, n *simNode) { s.machine(n) }},
	{50, false, func(s *sim, n *simNode) { s.propose(n) }},
	{20, false, func(s *sim, n *simNode) { s.read(n) }},
	{20, true, func(s *sim, n *simNode) { s.compact(n) }},
	{20, false, func(s *sim, _ *simNode) { s.shipOne(s.rng.IntN(3) > 0) }},
	{1, true, func(s *sim, n *simNode) { s.do(n, func() { n.raft.Unreachable(s.any()) }) }},
	{3, true, func(s *sim, n *simNode) { s.do(n, func() { _ = n.raft.Transfer(s.any()) }) }},
	{2, true, func(s *sim, n *simNode) { s.crash(n) }},
	{2, true, func(s *sim, _ *simNode) { s.cut[[2]NodeID{s.any(), s.any()}] = true }},
	{1, true, func(s *sim, n *simNode) { s.isolate(n) }},
	{10, false, func(s *sim, _ *simNode) { clear(s.cut) }},
	{15, true, func(s *sim, n *simNode) { s.reconfigure(n) }},
	{1, true, func(s *sim, _ *simNode) { s.crashAll() }},
	{15, false, func(s *sim, n *simNode) { s.drain(n) }},
}

func (s *sim) drawWeights() {
	for _, a := range actions {
		w := a.weight * (3 + s.rng.IntN(6))
		if a.fault {
			w = a.weight * s.rng.IntN(20)
		}
		s.weights = append(s.weights, w)
		s.weight += w
	}
}

// step draws one event.
func (s *sim) step() {
	n := s.nodes[s.rng.IntN(len(s.nodes))]
	if n.raft == nil {
		if s.rng.IntN(10) == 0 {
			s.note(happening{n.id, "starts"})
			s.start(n)
		}
		return
	}
	k := s.rng.IntN(s.weight)
	for i, w := range s.weights {
		if k -= w; k < 0 {
			actions[i].do(s, n)
			return
		}
	}
}

func (s *sim) isolate(n *simNode) {
	for _, m := range s.nodes {
		s.cut[[2]NodeID{n.id, m.id}], s.cut[[2]NodeID{m.id, n.id}] = true, true
	}
}

func (s *sim) crashAll() {
	for _, n := range s.up() {
		s.crash(n)
	}
}

func (s *sim) any() NodeID { return NodeID(1 + s.rng.IntN(len(s.nodes))) }

func (s *sim) reconfigure(n *simNode) {
	if len(s.members.Voters) == len(s.nodes) {
		return // a cluster of fixed members
	}
	var to Members
	for _, m := range s.nodes {
		switch s.rng.IntN(3) {
		case 0, 1:
			to.Voters = append(to.Voters, m.id)
		default:
			if s.rng.IntN(2) == 0 {
				to.Learners = append(to.Learners, m.id)
			}
		}
	}
	s.do(n, func() {
		if n.raft.Reconfigure(to) == nil {
			s.stats["reconfigure"]++
		}
	})
}
