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
	acks    []uint64 // durable, not yet told to the core
	files   []SnapshotMeta
	applied Index // by the machine
	given   []Index
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
	trace   []string
	cut     map[[2]NodeID]bool
	leaders map[Term]NodeID
	known   map[Position]Entry // every entry ever appended, with its predecessor's term
	before  map[Position]Term
	applied map[Index]Entry
	highest Index // applied anywhere
	config  Config
	granted int
	next    uint64
	members Members
	lossy   bool
	stats   map[string]int
}

func newSim(t *testing.T, seed uint64, n int, members Members) *sim {
	s := &sim{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), cut: map[[2]NodeID]bool{},
		leaders: map[Term]NodeID{}, known: map[Position]Entry{}, before: map[Position]Term{},
		applied: map[Index]Entry{}, members: members, lossy: true, stats: map[string]int{},
	}
	s.config = Config{
		Seed: seed, HeartbeatTicks: 2, ElectionTicks: 8, DiskTicks: 40,
		MaxAppendBytes: 1 + s.rng.IntN(300), MaxInflight: 1 + s.rng.IntN(4),
		TrailingBytes: s.rng.IntN(200), MaxApplyBytes: 1 + s.rng.IntN(300),
	}
	for i := range n {
		s.nodes = append(s.nodes, &simNode{
			id: NodeID(i + 1), snap: SnapshotMeta{Members: members}, reads: map[uint64]Index{},
		})
		s.start(s.nodes[i])
	}
	return s
}

func (s *sim) fail(format string, args ...any) {
	s.t.Helper()
	from := max(0, len(s.trace)-150)
	s.t.Fatalf("seed %d: %s\n%s", s.seed, fmt.Sprintf(format, args...),
		strings.Join(s.trace[from:], "\n"))
}

func (s *sim) log(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf(format, args...))
}

func (s *sim) node(id NodeID) *simNode { return s.nodes[id-1] }

func (s *sim) start(n *simNode) {
	c := s.config
	c.ID = n.id
	c.Trace = func(e Event) { s.trace = append(s.trace, e.String()) }
	n.boot++
	n.nextID, n.reads, n.restore = n.boot<<32, map[uint64]Index{}, 0
	n.applied, n.given = n.snap.LastIncludedIndex, nil
	n.raft = New(c, Restored{Hard: n.hard, Snapshot: n.snap, Entries: slices.Clone(n.entries)})
}

func (s *sim) crash(n *simNode) {
	s.log("n%d crashes", n.id)
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
	s.send(n, a.After, true)
	n.acks = append(n.acks, a.Seq)
}

func (s *sim) persisted(n *simNode) {
	if len(n.acks) == 0 {
		return
	}
	i := s.rng.IntN(len(n.acks))
	seq := n.acks[i]
	n.acks = n.acks[i+1:]
	s.do(n, func() { n.raft.Persisted(seq) })
	if n.restore > 0 && n.snap.LastIncludedIndex >= n.restore && n.raft != nil {
		if n.raft.disk.restoring == 0 {
			n.applied, n.restore, n.given = max(n.applied, n.snap.LastIncludedIndex), 0, nil
			s.do(n, func() { n.raft.Applied(n.applied) })
		}
	}
}

// send puts messages on the network, and checks that none says more than the disk knows.
func (s *sim) send(n *simNode, ms []Message, after bool) {
	for _, m := range ms {
		pre := false
		switch b := m.Body.(type) {
		case RequestVote:
			pre = b.PreVote
			if !pre && (n.hard.CurrentTerm < m.Term || n.hard.CurrentTerm == m.Term && n.hard.VotedFor != n.id) {
				s.fail("n%d stands in term %d, its disk has %v", n.id, m.Term, n.hard)
			}
		case VoteReply:
			pre = b.PreVote
			if !pre && b.Granted && (n.hard.CurrentTerm < m.Term || n.hard.CurrentTerm == m.Term && n.hard.VotedFor != m.To) {
				s.fail("n%d votes for n%d in term %d, its disk has %v", n.id, m.To, m.Term, n.hard)
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
			s.note(Position{b.PrevLogIndex, b.PrevLogTerm}, b.Entries)
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
	_ = after
}

func (s *sim) checkDurable(n *simNode, i Index, m Message) {
	last := n.snap.LastIncludedIndex
	if k := len(n.entries); k > 0 {
		last = max(last, n.entries[k-1].Index)
	}
	if m.Term == n.hard.CurrentTerm && i > last {
		s.fail("n%d says %v, its disk ends at %d", n.id, m, last)
	}
}

// note records entries: Log Matching is that index and term name an entry and all before it.
func (s *sim) note(prev Position, entries []Entry) {
	for _, e := range entries {
		p := e.position()
		if was, ok := s.known[p]; ok {
			if string(was.Data) != string(e.Data) || was.Kind != e.Kind || s.before[p] != prev.Term {
				s.fail("Log Matching: %v has two contents or predecessors", p)
			}
		} else {
			s.known[p], s.before[p] = e, prev.Term
		}
		prev = p
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

func (s *sim) observe(n *simNode) {
	r := n.raft
	if r.role.kind() == Leader {
		if was, ok := s.leaders[r.currentTerm]; ok && was != n.id {
			s.fail("Election Safety: n%d and n%d lead term %d", was, n.id, r.currentTerm)
		} else if !ok {
			s.leaders[r.currentTerm] = n.id
			s.checkComplete(n)
		}
	}
}

// checkComplete: Leader Completeness.
func (s *sim) checkComplete(n *simNode) {
	for i := n.raft.log.base.Index + 1; i <= s.highest; i++ {
		if t, ok := n.raft.log.term(i); !ok || t != s.applied[i].Term {
			s.fail("Leader Completeness: n%d leads term %d without %v", n.id, n.raft.currentTerm,
				s.applied[i].position())
		}
	}
}

func (s *sim) drain(n *simNode) {
	for {
		rd, ok := n.raft.Ready()
		s.observe(n)
		if !ok {
			return
		}
		s.send(n, rd.Send, false)
		if rd.Append.Seq != 0 {
			n.writes = append(n.writes, rd.Append)
			if rd.Append.Snapshot != nil {
				n.restore = rd.Append.Snapshot.LastIncludedIndex
				s.stats["install"]++
			}
			if es := rd.Append.Entries; len(es) > 0 && es[0].Index > n.raft.log.base.Index {
				if t, ok := n.raft.log.term(es[0].Index - 1); ok {
					s.note(Position{es[0].Index - 1, t}, es)
				}
			}
		}
		s.apply(n, rd.Apply)
		for _, g := range rd.Reads {
			must, asked := n.reads[g.ID]
			if !asked || g.Index < must {
				s.fail("read %d on n%d granted at %d, but %d was applied before", g.ID, n.id, g.Index, must)
			}
			delete(n.reads, g.ID)
			s.granted++
		}
		for _, w := range rd.Ship {
			s.ships = append(s.ships, ship{n.id, w.To, n.raft.currentTerm, n.raft.snapshot})
			if n.raft.snapshot.LastIncludedIndex < w.AtLeast {
				s.fail("n%d asks for a snapshot it does not have", n.id)
			}
		}
	}
}

func (s *sim) apply(n *simNode, entries []Entry) {
	for i, e := range entries {
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
		if was, ok := s.applied[e.Index]; ok && (was.Term != e.Term || string(was.Data) != string(e.Data)) {
			s.fail("State Machine Safety: %v and %v applied", was.position(), e.position())
		} else if !ok {
			s.applied[e.Index] = e
			s.highest = max(s.highest, e.Index)
			s.checkOnQuorum(n, e)
		}
		s.checkOnDisk(n, e)
		n.given = append(n.given, e.Index)
		_ = i
	}
}

func (s *sim) onDisk(n *simNode, e Entry) bool {
	if n.snap.LastIncludedIndex >= e.Index {
		return true
	}
	i, ok := slices.BinarySearchFunc(n.entries, e.Index, func(e Entry, i Index) int {
		return int(e.Index) - int(i)
	})
	return ok && n.entries[i].Term == e.Term
}

func (s *sim) checkOnDisk(n *simNode, e Entry) {
	if !s.onDisk(n, e) {
		s.fail("n%d applies %v, which its disk does not hold", n.id, e.position())
	}
}

// checkOnQuorum measures on the disks themselves, not on what a leader believes.
func (s *sim) checkOnQuorum(n *simNode, e Entry) {
	m := n.raft.configAt(max(e.Index, n.raft.snapshot.LastIncludedIndex))
	has := func(id NodeID) bool { return s.onDisk(s.node(id), e) }
	if !m.quorum(has) {
		s.fail("%v is applied on n%d without being durable on a quorum of %v", e.position(), n.id, m)
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
	s.net[i] = s.net[len(s.net)-1]
	s.net = s.net[:len(s.net)-1]
	n := s.node(m.To)
	if n.raft == nil || s.cut[[2]NodeID{m.From, m.To}] {
		return
	}
	if is, ok := m.Body.(InstallSnapshot); ok && !slices.ContainsFunc(n.files, func(f SnapshotMeta) bool {
		return f.LastIncludedIndex == is.Meta.LastIncludedIndex
	}) {
		s.fail("n%d is told of a snapshot that never arrived", n.id)
	}
	s.log("        %v", m)
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
		to.files = append(to.files, w.meta)
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

// step draws one event.
func (s *sim) step() {
	n := s.nodes[s.rng.IntN(len(s.nodes))]
	if n.raft == nil {
		if s.rng.IntN(10) == 0 {
			s.log("n%d starts", n.id)
			s.start(n)
		}
		return
	}
	switch k := s.rng.IntN(1000); {
	case k < 200:
		s.do(n, n.raft.Tick)
	case k < 550:
		if len(s.net) > 0 {
			s.deliver(s.rng.IntN(len(s.net)))
		}
	case k < 700:
		if len(n.writes) > 0 {
			s.write(n, true)
		}
	case k < 800:
		s.persisted(n)
	case k < 870:
		s.machine(n)
	case k < 920:
		s.propose(n)
	case k < 940:
		s.read(n)
	case k < 950:
		s.compact(n)
	case k < 965:
		s.shipOne(s.rng.IntN(3) > 0)
	case k < 968:
		s.do(n, func() { n.raft.Unreachable(s.any()) })
	case k < 971:
		s.do(n, func() { _ = n.raft.Transfer(s.any()) })
	case k < 975:
		s.crash(n)
	case k < 978:
		s.cut[[2]NodeID{s.any(), s.any()}] = true
	case k < 981:
		clear(s.cut)
	case k < 986:
		s.reconfigure(n)
	default:
		s.drain(n)
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

// heal lets everything work, and expects a leader and agreement.
func (s *sim) heal() {
	s.lossy = false
	clear(s.cut)
	s.ships = nil
	for _, n := range s.nodes {
		if n.raft == nil {
			s.start(n)
		}
		// A host that lost its network tells the core of every transfer that failed.
		if l, ok := n.raft.role.(*leader); ok {
			for i := range l.progress {
				id := l.progress[i].id
				s.do(n, func() { n.raft.Shipped(id, SnapshotMeta{}, false) })
			}
		}
	}
	for range 400 {
		for _, n := range s.nodes {
			s.do(n, n.raft.Tick)
		}
		s.settle()
	}
	lead := s.leader()
	if lead == nil {
		s.fail("no leader after healing:%s", s.describe())
	}
	last := s.highest
	s.propose(lead)
	for range 100 {
		for _, n := range s.nodes {
			s.do(n, n.raft.Tick)
		}
		s.settle()
	}
	if s.highest <= last {
		s.fail("nothing commits after healing:%s", s.describe())
	}
	for _, id := range lead.raft.members().All() {
		if n := s.node(id); n.applied != s.highest {
			s.fail("n%d applied %d of %d after healing:%s", n.id, n.applied, s.highest, s.describe())
		}
		if r := s.node(id).raft; r.applying.bytes != 0 || len(r.disk.writes) != 0 {
			s.fail("n%d: something is never given back:%s", id, s.describe())
		}
	}
	if lead.raft.members().Joint() {
		s.fail("still joint after healing:%s", s.describe())
	}
}

func (s *sim) settle() {
	for busy := true; busy; {
		busy = false
		for _, n := range s.nodes {
			s.drain(n)
			for len(n.writes) > 0 {
				s.write(n, true)
				busy = true
			}
			for len(n.acks) > 0 {
				s.persisted(n)
				busy = true
			}
			for len(n.given) > 0 && n.restore == 0 {
				s.machine(n)
				busy = true
			}
			s.drain(n)
		}
		for len(s.net) > 0 {
			s.deliver(0)
			busy = true
		}
		for len(s.ships) > 0 {
			s.shipOne(true)
			busy = true
		}
	}
}

func (s *sim) leader() *simNode {
	for _, n := range s.nodes {
		if n.raft != nil && n.raft.role.kind() == Leader && n.raft.commitIndex >= n.raft.role.(*leader).termStart {
			return n
		}
	}
	return nil
}

func (s *sim) describe() string {
	var b strings.Builder
	for _, n := range s.nodes {
		fmt.Fprintf(&b, "\n%v", n.raft)
	}
	return b.String()
}

func TestRandomHistories(t *testing.T) {
	histories, steps := 300, 1500
	if testing.Short() {
		histories = 60
	}
	total := map[string]int{}
	for _, n := range []int{1, 2, 3, 5} {
		for seed := range uint64(histories) {
			s := newSim(t, seed*16+uint64(n), n, Members{Voters: firstIDs(n)})
			for range steps {
				s.step()
			}
			s.heal()
			s.stats["granted"], s.stats["applied"] = s.granted, int(s.highest)
			s.stats["terms"] = len(s.leaders)
			for k, v := range s.stats {
				total[fmt.Sprint(n, " ", k)] += v
			}
		}
	}
	t.Log(total)
}

func TestRandomReconfigurations(t *testing.T) {
	histories, steps := 300, 2000
	if testing.Short() {
		histories = 60
	}
	total := map[string]int{}
	for seed := range uint64(histories) {
		s := newSim(t, seed, 5, Members{Voters: firstIDs(3)})
		for range steps {
			s.step()
		}
		s.heal()
		for k, v := range s.stats {
			total[k] += v
		}
	}
	t.Log(total)
}

func firstIDs(n int) []NodeID {
	var ids []NodeID
	for i := range n {
		ids = append(ids, NodeID(i+1))
	}
	return ids
}
