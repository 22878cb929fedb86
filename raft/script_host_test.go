package raft

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The host that the scripts give a core: a disk that loses what was not written, a machine, and
// an order of work that the script decides.

// player is a node and its host.
type player struct {
	id     NodeID
	script *script
	raft   *Raft // nil: down

	manual bool // the disk: a write is done when the script says so
	busy   bool // the host does not ask for Ready
	slow   bool // the machine reports nothing by itself

	hard    HardState // on disk, like the two below
	snap    SnapshotMeta
	entries []Entry
	writes  []Append // handed out and not written
	done    uint64   // the last Append written

	arrived []SnapshotMeta // snapshots that stand on disk, and that the core may be told of
	ships   []SnapshotSend // asked for
	restore Index          // a received snapshot that is to be restored when its Append is durable
}

func (p *player) start() {
	c := p.script.config
	c.ID = p.id
	c.Trace = func(e Event) { p.script.onEvent(p, e) }
	p.raft = New(c, Restored{Hard: p.hard, Snapshot: p.snap, Entries: slices.Clone(p.entries)})
	p.writes, p.done, p.ships, p.restore = nil, 0, nil, 0
}

// do runs an input, and then all that follows from it. An assertion of the core takes the node
// down, like a process.
func (p *player) do(input func() error) (err error) {
	defer func() {
		if e := recover(); e != nil {
			text := fmt.Sprint(e)
			if !strings.HasPrefix(text, "raft: ") {
				panic(e)
			}
			text, _, _ = strings.Cut(strings.TrimPrefix(text, "raft: "), ": n")
			p.script.printf("%sstops: %s", column(fmt.Sprintf("n%d assert", p.id)), text)
			p.raft = nil
		}
	}()
	if p.raft == nil {
		return fmt.Errorf("n%d is down", p.id)
	}
	if err := input(); err != nil {
		return err
	}
	if !p.busy {
		p.drain()
	}
	return nil
}

func (p *player) drain() {
	for {
		rd, ok := p.raft.Ready()
		if !ok {
			return
		}
		p.script.send(p, rd.Send)
		if rd.Append.Seq != 0 {
			p.writes = append(p.writes, rd.Append)
			if rd.Append.Snapshot != nil {
				p.restore = rd.Append.Snapshot.LastIncludedIndex
			}
			if !p.manual {
				p.persist(rd.Append.Seq)
			}
		}
		for _, g := range rd.Reads {
			p.script.host(p, "read %d may be served at index %d", g.ID, g.Index)
		}
		p.ships = append(p.ships, rd.Ship...)
		p.script.apply(p, rd.Apply)
		if n := len(rd.Apply); n > 0 && !p.slow {
			p.raft.Applied(rd.Apply[n-1].Index)
		}
	}
}

// write makes what is under way durable up to seq, and tells nobody.
func (p *player) write(seq uint64) {
	for len(p.writes) > 0 && p.writes[0].Seq <= seq {
		a := p.writes[0]
		p.writes = p.writes[1:]
		p.hard, p.done = a.Hard, a.Seq
		if a.Snapshot != nil {
			p.snap = *a.Snapshot
			if !a.KeepLog {
				p.entries = nil
			}
		}
		if len(a.Entries) > 0 {
			first := a.Entries[0].Index
			i := slices.IndexFunc(p.entries, func(e Entry) bool { return e.Index >= first })
			if i >= 0 {
				p.entries = p.entries[:i]
			}
			p.entries = append(slices.Clip(p.entries), a.Entries...)
		}
	}
}

// persist makes it durable, releases what hangs on it, and tells the core.
func (p *player) persist(seq uint64) {
	for len(p.writes) > 0 && p.writes[0].Seq <= seq {
		after := p.writes[0].After
		p.write(p.writes[0].Seq)
		p.script.send(p, after)
	}
	p.raft.Persisted(seq)
	if p.restore > 0 && p.snap.LastIncludedIndex >= p.restore {
		p.script.applied[p.restore] = p.snap.LastIncludedTerm
		p.raft.Applied(p.restore)
		p.restore = 0
	}
}

// apply is the machine: State Machine Safety is its own to check.
func (s *script) apply(p *player, entries []Entry) {
	for _, e := range entries {
		if was, ok := s.applied[e.Index]; ok && was != e.Term {
			panic(fmt.Sprintf("State Machine Safety: %d@%d and %v", e.Index, was, e.position()))
		}
		s.applied[e.Index] = e.Term
	}
}

// send puts messages on the network, unless the link is cut.
func (s *script) send(p *player, ms []Message) {
	for _, m := range ms {
		if v, ok := m.Body.(RequestVote); !(ok && v.PreVote) && m.Term > p.hard.CurrentTerm {
			if v, ok := m.Body.(VoteReply); !ok || !v.PreVote {
				panic(fmt.Sprintf("%v leaves, and its term is not durable", m))
			}
		}
		if !s.cut[[2]NodeID{m.From, m.To}] {
			s.net = append(s.net, m)
		}
	}
}

// arrive hands a message to its receiver.
func (s *script) arrive(m Message) error {
	p := s.player(m.To)
	if p == nil || p.raft == nil || s.cut[[2]NodeID{m.From, m.To}] {
		return nil // lost
	}
	if b, ok := m.Body.(InstallSnapshot); ok && !slices.ContainsFunc(p.arrived,
		func(a SnapshotMeta) bool { return a.LastIncludedIndex == b.Meta.LastIncludedIndex }) {
		return fmt.Errorf("n%d is told of a snapshot that never arrived", m.To)
	}
	if s.coverage != nil {
		s.coverage.cell(p.raft, m)
	}
	return p.do(func() error { p.raft.Step(m); return nil })
}

func (s *script) player(id NodeID) *player {
	if id == 0 || int(id) > len(s.nodes) {
		return nil
	}
	return s.nodes[id-1]
}

// some are the players named by a list, n1,n2 or all; none are all.
func (s *script) some(args []string) ([]*player, error) {
	if len(args) == 0 || args[0] == "all" {
		return s.nodes, nil
	}
	ids, err := parseNodes(args[0])
	if err != nil {
		return nil, err
	}
	var some []*player
	for _, id := range ids {
		p := s.player(id)
		if p == nil {
			return nil, fmt.Errorf("there is no n%d", id)
		}
		some = append(some, p)
	}
	return some, nil
}

// one is the player that a command begins with.
func (s *script) one(args []string) (*player, []string, error) {
	if len(args) == 0 {
		return nil, nil, errors.New("which node?")
	}
	some, err := s.some(args[:1])
	if err != nil {
		return nil, nil, err
	}
	if len(some) != 1 {
		return nil, nil, errors.New("one node, please")
	}
	return some[0], args[1:], nil
}
