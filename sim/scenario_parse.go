package sim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"drystone/raft"
)

// The words of scenarios. A line is a setting of the head, or a step; # begins a comment. What a
// line may name is known when it is read, so a scenario with a slip in it is refused, not played.

// storyMax bounds what a story may ask for, so that none is unending by mistake.
const storyMax = time.Hour

type storyParser struct {
	scenario *scenario
	nodes    int
	added    int
	cast     map[string]bool
	ops      map[string]bool

	words []string // left of the line
}

// parseScenario reads a scenario. Errors name the line and say what would be right.
func parseScenario(name, text string) (*scenario, error) {
	p := &storyParser{
		scenario: &scenario{name: name, plan: storyPlan()}, nodes: 3,
		cast: map[string]bool{}, ops: map[string]bool{},
	}
	s := p.scenario
	for i, line := range strings.Split(text, "\n") {
		words, comment, _ := strings.Cut(line, "#")
		if s.title == "" && len(s.steps) == 0 {
			s.title = strings.TrimSpace(comment)
		}
		p.words = strings.Fields(words)
		if len(p.words) == 0 {
			continue
		}
		text := strings.Join(p.words, " ")
		if err := p.line(i+1, text); err != nil {
			return nil, fmt.Errorf("%s.txt:%d: %s: %w", name, i+1, text, err)
		}
	}
	s.plan.nodes = p.nodes
	switch {
	case s.title == "":
		return nil, fmt.Errorf("%s.txt: it begins with a comment that says what it shows", name)
	case len(s.steps) == 0:
		return nil, fmt.Errorf("%s.txt: nothing happens in it", name)
	}
	return s, nil
}

func (p *storyParser) line(number int, text string) error {
	if set, ok := storySettings[p.words[0]]; ok {
		if len(p.scenario.steps) > 0 {
			return fmt.Errorf("settings stand before the first step")
		}
		p.words = p.words[1:]
		return p.ended(set(p))
	}
	x := step{line: number, text: text}
	if p.accept("at") {
		at, err := p.duration()
		if err != nil {
			return err
		}
		x.at = at
	}
	verb, err := p.word("a step")
	if err != nil {
		return err
	}
	read, ok := storyVerbs[verb]
	if !ok {
		return fmt.Errorf("there is no step %q; steps begin with %s; settings, which stand before "+
			"them, with %s", verb, inOrder(storyVerbs), inOrder(storySettings))
	}
	x.run, err = read(p)
	if err := p.ended(err); err != nil {
		return err
	}
	p.scenario.steps = append(p.scenario.steps, x)
	return nil
}

func inOrder[V any](words map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(words)), ", ")
}

// ended demands that all words were read.
func (p *storyParser) ended(err error) error {
	if err == nil && len(p.words) > 0 {
		return fmt.Errorf("%q is too much", strings.Join(p.words, " "))
	}
	return err
}

func (p *storyParser) accept(word string) bool {
	if len(p.words) == 0 || p.words[0] != word {
		return false
	}
	p.words = p.words[1:]
	return true
}

func (p *storyParser) expect(word string) error {
	if !p.accept(word) {
		return fmt.Errorf("%q is missing", word)
	}
	return nil
}

func (p *storyParser) word(what string) (string, error) {
	if len(p.words) == 0 {
		return "", fmt.Errorf("%s is missing", what)
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w, nil
}

// list reads words with commas between them, with or without spaces behind those.
func (p *storyParser) list(what string) (string, error) {
	w, err := p.word(what)
	for err == nil && strings.HasSuffix(w, ",") {
		var next string
		next, err = p.word("what follows the comma")
		w += next
	}
	return w, err
}

func (p *storyParser) number(least, most uint64) (uint64, error) {
	w, err := p.word("a number")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(w, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%q is not a number from %d to %d", w, least, most)
	}
	return n, nil
}

// duration reads a span of virtual time, in µs.
func (p *storyParser) duration() (int64, error) {
	w, err := p.word("a time, like 500ms,")
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(w)
	if err != nil || d <= 0 || d > storyMax {
		return 0, fmt.Errorf("%q is not a time, like 500ms or 2s, of at most %v", w, storyMax)
	}
	return max(1, d.Microseconds()), nil
}

// within reads an optional time behind a word.
func (p *storyParser) within(word string, otherwise int64) (int64, error) {
	if !p.accept(word) {
		return otherwise, nil
	}
	return p.duration()
}

// storySettings are the words of a scenario's head.
var storySettings map[string]func(*storyParser) error

func init() {
	into := func(least, most uint64, set func(*plan, uint64)) func(*storyParser) error {
		return func(p *storyParser) error {
			n, err := p.number(least, most)
			set(&p.scenario.plan, n)
			return err
		}
	}
	storySettings = map[string]func(*storyParser) error{
		"nodes": func(p *storyParser) error {
			n, err := p.number(1, nodesMax)
			p.nodes = int(n)
			return err
		},
		"clients": func(p *storyParser) error {
			n, err := p.number(1, 24)
			p.scenario.plan.clients, p.scenario.busy = int(n), true
			return err
		},
		"delay": func(p *storyParser) error {
			d, err := p.duration()
			p.scenario.plan.delayMin = d
			return err
		},
		"segment": into(4<<10, 1<<20, func(p *plan, n uint64) { p.segmentBytes = int64(n) }),
		"snapshot": into(1, 1<<20, func(p *plan, n uint64) {
			p.snapEntries = n
		}),
		"trailing": into(0, 1<<20, func(p *plan, n uint64) { p.raft.TrailingBytes = int(n) }),
		"one-by-one": func(p *storyParser) error { // one entry a message, one message a time
			p.scenario.plan.raft.MaxAppendBytes, p.scenario.plan.raft.MaxInflight = 1, 1
			return nil
		},
	}
}

// who names some nodes: it is resolved when its step runs, since a leader may change.
type who struct {
	text  string
	parts []string
}

// reserved are words that no node or operation may be called.
var reserved = []string{"leader", "followers", "others", "all", "no", "not", "calm", "reached",
	"via", "as", "within", "for", "by", "agree"}

// newName declares a name, of a node or of a request, but not of both.
func (p *storyParser) newName(of, other map[string]bool) (string, error) {
	w, err := p.word("a name")
	if err != nil {
		return "", err
	}
	w = strings.TrimSuffix(w, ",")
	if _, isNode := nodeNumber(w); isNode || slices.Contains(reserved, w) || !letters(w) {
		return "", fmt.Errorf("%q cannot be a name: small letters, digits and dashes, and none of "+
			"n1, %s", w, strings.Join(reserved, ", "))
	}
	if other[w] {
		return "", fmt.Errorf("%q is the name of something else already", w)
	}
	of[w] = true
	return w, nil
}

func letters(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && s[0] >= 'a' && s[0] <= 'z'
}

// nodeNumber reads n1.
func nodeNumber(s string) (raft.NodeID, bool) {
	digits, ok := strings.CutPrefix(s, "n")
	n, err := strconv.ParseUint(digits, 10, 8)
	return raft.NodeID(n), ok && err == nil && n > 0
}

func (p *storyParser) who() (who, error) {
	w, err := p.list("a node, like n1, or leader,")
	if err != nil {
		return who{}, err
	}
	return p.whoIs(w)
}

func (p *storyParser) whoIs(w string) (who, error) {
	x := who{text: w, parts: strings.Split(w, ",")}
	for _, part := range x.parts {
		switch part {
		case "leader", "followers", "others", "all":
			continue
		}
		if n, ok := nodeNumber(part); ok {
			if int(n) > p.nodes+p.added {
				return who{}, fmt.Errorf("there is no %s among %d nodes", part, p.nodes+p.added)
			}
			continue
		}
		if !p.cast[part] {
			return who{}, fmt.Errorf("nobody is called %q; say n1, leader, followers, others, all, "+
				"or a name that `let` gave", part)
		}
	}
	return x, nil
}

// operation reads the name of a request.
func (p *storyParser) operation() (string, error) {
	w, err := p.word("the name of a request")
	if err == nil && !p.ops[w] {
		err = fmt.Errorf("no request is called %q yet", w)
	}
	return w, err
}

// hosts are the machines that a who means now. Of machines of one number the newest counts.
func (s *story) hosts(x who) (all []*host) {
	w := s.world
	add := func(h *host) {
		if h != nil && !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	for _, part := range x.parts {
		switch part {
		case "leader":
			add(w.leader())
		case "all", "followers", "others":
			l := w.leader()
			for i := range w.hosts {
				h := w.hosts[i]
				named := part == "others" && s.isCast(h)
				if part == "all" || h != l && !named && !h.gone && (h.up || part == "others") {
					add(h)
				}
			}
		default:
			if n, ok := nodeNumber(part); ok {
				add(s.numbered(n))
			} else {
				add(s.cast[part])
			}
		}
	}
	return all
}

func (s *story) isCast(h *host) bool {
	for _, c := range s.cast {
		if c == h {
			return true
		}
	}
	return false
}

func (s *story) numbered(n raft.NodeID) (newest *host) {
	for _, h := range s.world.hosts {
		if h.id == n {
			newest = h
		}
	}
	return newest
}

// some demands that a who means at least one machine.
func (s *story) some(x who) []*host {
	all := s.hosts(x)
	if len(all) == 0 {
		s.fail("there is no " + x.text + " now")
	}
	return all
}

// one demands that it means exactly one.
func (s *story) one(x who) *host {
	all := s.some(x)
	if len(all) != 1 {
		s.fail(fmt.Sprintf("%s means %d nodes; one is wanted", x.text, len(all)))
	}
	return all[0]
}
