package raft

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The commands of scripts that play the network, and ship snapshots.

// selection picks messages: n1→n2, either side a list or empty, and words that all occur in the
// message; first or last for one of them.
type selection struct {
	from, to []NodeID
	words    []string
	only     string
}

func parseSelection(args []string) (sel selection, err error) {
	for _, a := range args {
		from, to, link := strings.Cut(a, "→")
		switch {
		case link:
			var errF, errT error
			if from != "" {
				sel.from, errF = parseNodes(from)
			}
			if to != "" {
				sel.to, errT = parseNodes(to)
			}
			err = errors.Join(err, errF, errT)
		case a == "first" || a == "last":
			sel.only = a
		default:
			sel.words = append(sel.words, a)
		}
	}
	return sel, err
}

func (sel *selection) matches(m Message) bool {
	if len(sel.from) > 0 && !slices.Contains(sel.from, m.From) ||
		len(sel.to) > 0 && !slices.Contains(sel.to, m.To) {
		return false
	}
	words := strings.FieldsFunc(bodyString(m.Body), func(c rune) bool {
		return strings.ContainsRune(" []{}", c)
	})
	for _, w := range sel.words {
		if !slices.Contains(words, w) {
			return false
		}
	}
	return true
}

// take removes what matches from the network.
func (s *script) take(matches func(Message) bool) (taken []Message) {
	s.net = slices.DeleteFunc(s.net, func(m Message) bool {
		if matches(m) {
			taken = append(taken, m)
			return true
		}
		return false
	})
	return taken
}

// pick removes what the words of a command select, and fails when that is nothing: a script that
// delivers nothing proves nothing.
func (s *script) pick(args []string) ([]Message, error) {
	sel, err := parseSelection(args)
	if err != nil {
		return nil, err
	}
	at := func(keep func(i int) bool) []Message {
		i := -1
		return s.take(func(m Message) bool {
			i++
			return keep(i) && sel.matches(m)
		})
	}
	one := func(int) bool { return true }
	switch i := -1; sel.only {
	case "first":
		i = slices.IndexFunc(s.net, sel.matches)
		one = func(j int) bool { return j == i }
	case "last":
		for j, m := range s.net {
			if sel.matches(m) {
				i = j
			}
		}
		one = func(j int) bool { return j == i }
	}
	picked := at(one)
	if len(picked) == 0 {
		return nil, fmt.Errorf("no such message under way; there are%s", s.underWay())
	}
	return picked, nil
}

func (s *script) underWay() string {
	text := ""
	for _, m := range s.net {
		text += "\n" + m.String()
	}
	if text == "" {
		return " none"
	}
	return text
}

// cmdDeliver delivers what is under way now, oldest first, and not what follows from it.
func (s *script) cmdDeliver(args []string) error {
	picked, err := s.pick(args)
	for _, m := range picked {
		err = errors.Join(err, s.arrive(m))
	}
	return err
}

func (s *script) cmdDrop(args []string) error {
	_, err := s.pick(args)
	return err
}

// cmdDup repeats messages: the copies are behind all that is under way.
func (s *script) cmdDup(args []string) error {
	sel, err := parseSelection(args)
	if err != nil {
		return err
	}
	before := len(s.net)
	for _, m := range s.net[:before] {
		if sel.matches(m) {
			s.net = append(s.net, m)
		}
	}
	if len(s.net) == before {
		return fmt.Errorf("no such message under way; there are%s", s.underWay())
	}
	return nil
}

// cmdHold takes messages aside, and cmdRelease puts them back: the network is late.
func (s *script) cmdHold(args []string) error {
	picked, err := s.pick(args)
	s.held = append(s.held, picked...)
	return err
}

func (s *script) cmdRelease(args []string) error {
	s.net, s.held = s.held, s.net
	picked, err := s.pick(args)
	s.net, s.held = s.held, s.net
	s.net = append(s.net, picked...)
	return err
}

// cmdNetwork prints what is under way.
func (s *script) cmdNetwork([]string) error {
	for _, m := range s.net {
		s.printf("%v", m)
	}
	for _, m := range s.held {
		s.printf("%v (held)", m)
	}
	return nil
}

// cmdStabilize delivers until nothing is under way; with nodes, only among those.
func (s *script) cmdStabilize(args []string) error {
	some, err := s.some(args)
	if err != nil {
		return err
	}
	among := func(id NodeID) bool {
		return slices.ContainsFunc(some, func(p *player) bool { return p.id == id })
	}
	for range 100 {
		picked := s.take(func(m Message) bool { return among(m.From) && among(m.To) })
		if len(picked) == 0 {
			return nil
		}
		for _, m := range picked {
			if err := s.arrive(m); err != nil {
				return err
			}
		}
	}
	return errors.New("it never ends")
}

// cmdPartition cuts every link between groups: partition n1,n2 | n3. What is under way between
// them is lost.
func (s *script) cmdPartition(args []string) error {
	group, of := 0, map[NodeID]int{}
	for _, a := range args {
		if a == "|" {
			group++
			continue
		}
		ids, err := parseNodes(a)
		if err != nil {
			return err
		}
		for _, id := range ids {
			of[id] = group
		}
	}
	for a, i := range of {
		for b, j := range of {
			if i != j {
				s.cut[[2]NodeID{a, b}] = true
			}
		}
	}
	s.loseCut()
	return nil
}

// cmdCut cuts links one way: cut n1→n2.
func (s *script) cmdCut(args []string) error {
	sel, err := parseSelection(args)
	for _, a := range sel.from {
		for _, b := range sel.to {
			s.cut[[2]NodeID{a, b}] = true
		}
	}
	s.loseCut()
	return err
}

func (s *script) loseCut() {
	s.take(func(m Message) bool { return s.cut[[2]NodeID{m.From, m.To}] })
}

func (s *script) cmdHeal([]string) error {
	clear(s.cut)
	return nil
}

// cmdStep delivers a message that the script writes itself, in the words of a trace.
func (s *script) cmdStep(args []string) error {
	m, err := parseMessage(strings.Join(args, " "))
	if err != nil {
		return err
	}
	p := s.player(m.To)
	if p == nil || p.raft == nil {
		return fmt.Errorf("n%d is not up", m.To)
	}
	if b, ok := m.Body.(InstallSnapshot); ok {
		p.arrived = append(p.arrived, b.Meta)
	}
	return s.arrive(m)
}

// cmdMisdirect delivers a message to a node that it may not be for.
func (s *script) cmdMisdirect(args []string) error {
	p, rest, err := s.one(args)
	if err != nil {
		return err
	}
	m, err := parseMessage(strings.Join(rest, " "))
	if err != nil {
		return err
	}
	return p.do(func() error { p.raft.Step(m); return nil })
}

// cmdCompact makes a snapshot durable, of all that is applied or up to an index, and tells. The
// term is needed when the log has forgotten it: compact n1 2@1.
func (s *script) cmdCompact(args []string) error {
	p, rest, err := s.one(args)
	if err != nil || p.raft == nil {
		return errors.Join(err, errors.New("compact n1, which is up"))
	}
	at := Position{Index: p.raft.applying.applied}
	if len(rest) > 0 {
		index, term, _ := strings.Cut(rest[0]+"@0", "@")
		i, errI := parseNumber(index)
		t, errT := parseNumber(strings.TrimSuffix(term, "@0"))
		if err := errors.Join(errI, errT); err != nil {
			return err
		}
		at = Position{Index(i), Term(t)}
	}
	if t, ok := p.raft.log.term(at.Index); ok {
		at.Term = t
	}
	meta := SnapshotMeta{at.Index, at.Term, p.raft.configAt(at.Index)}
	if at.Index > p.snap.LastIncludedIndex {
		p.snap = meta
	}
	return p.do(func() error { p.raft.Compact(meta); return nil })
}

// cmdShip is the host that carries a snapshot which Ready.Ship asked for: ship n1→n2, and whether
// it failed on the way.
func (s *script) cmdShip(args []string) error {
	sel, err := parseSelection(args)
	if err != nil || len(sel.from) != 1 || len(sel.to) != 1 {
		return errors.Join(err, errors.New("ship n1→n2"))
	}
	p, q := s.player(sel.from[0]), s.player(sel.to[0])
	asked := slices.IndexFunc(p.ships, func(w SnapshotSend) bool { return w.To == q.id })
	if asked < 0 {
		return fmt.Errorf("n%d does not ask for a snapshot to n%d", p.id, q.id)
	}
	if p.snap.LastIncludedIndex < p.ships[asked].AtLeast {
		return fmt.Errorf("n%d has no such snapshot", p.id)
	}
	p.ships = slices.Delete(p.ships, asked, asked+1)
	fails := slices.Contains(sel.words, "fails")
	if !fails {
		q.arrived = append(q.arrived, p.snap)
	}
	meta := p.snap
	return p.do(func() error { p.raft.Shipped(q.id, meta, !fails); return nil })
}
