package sim

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"drystone/raft"
	"drystone/store"
	"drystone/wire"
)

// What scenarios wait for and claim.

// condition looks at the world. It says what is so instead when it does not hold; never, when it
// cannot come to hold any more.
type condition func(*story) finding

type finding struct {
	held, never bool
	why         string
}

func holds(yes bool, why string, args ...any) finding {
	return finding{held: yes, why: fmt.Sprintf(why, args...)}
}

// readWait reads: wait CONDITION [within 10s], or wait 2s.
func (p *storyParser) readWait() (storyStep, error) {
	if len(p.words) > 0 && p.words[0][0] >= '0' && p.words[0][0] <= '9' {
		d, err := p.duration()
		return func(s *story) bool { return s.world.now-s.since >= d }, err
	}
	c, err := p.condition()
	if err != nil {
		return nil, err
	}
	bound, err := p.within("within", 10*second)
	return func(s *story) bool {
		f := c(s)
		if !f.held && (f.never || s.world.now-s.since > bound) {
			s.fail(f.why)
		}
		return f.held
	}, err
}

// readExpect reads: expect CONDITION [for 5s].
func (p *storyParser) readExpect() (storyStep, error) {
	c, err := p.condition()
	if err != nil {
		return nil, err
	}
	lasting, err := p.within("for", 0)
	return func(s *story) bool {
		f := c(s)
		switch {
		case !f.held && !f.never && s.world.now == s.since:
			s.fail(f.why + " (`expect` looks at once; `wait` waits for it)")
		case !f.held:
			s.fail(f.why)
		}
		if s.world.now-s.since < lasting {
			return false
		}
		s.calm = -1
		return true
	}, err
}

func (p *storyParser) condition() (condition, error) {
	switch {
	case p.accept("no"):
		return aLeader(false, who{}, who{}), p.expect("leader")
	case p.accept("calm"):
		return calm, nil
	case p.accept("reached"):
		return p.reached()
	case p.accept("leader"):
		var in, not who
		var err error
		switch {
		case p.accept("not"):
			not, err = p.who()
		case len(p.words) > 0 && p.words[0] != "within" && p.words[0] != "for":
			in, err = p.who()
		}
		return aLeader(true, in, not), err
	}
	w, err := p.list("a condition")
	if err != nil {
		return nil, err
	}
	if names := strings.Split(w, ","); p.ops[names[0]] {
		for _, n := range names {
			if !p.ops[n] {
				return nil, fmt.Errorf("no request is called %q yet", n)
			}
		}
		return p.aboutRequests(names)
	}
	x, err := p.whoIs(w)
	if err != nil {
		return nil, fmt.Errorf("%w; nor is a request called so yet", err)
	}
	return p.aboutNodes(x)
}

// until reads what stands before the first of some words, or all that is left.
func (p *storyParser) until(ends ...string) (read []string) {
	for len(p.words) > 0 && !slices.Contains(ends, p.words[0]) {
		read, p.words = append(read, p.words[0]), p.words[1:]
	}
	return read
}

// calm holds while nobody is elected.
func calm(s *story) finding {
	terms := len(s.world.check.leaders)
	if s.calm < 0 {
		s.calm = terms
	}
	return holds(terms == s.calm, "%d leaders were elected meanwhile", terms-s.calm)
}

// aLeader holds when somebody leads in the highest term that has a leader, and is one of in, or
// none of not.
func aLeader(wanted bool, in, not who) condition {
	return func(s *story) finding {
		l := s.world.leader()
		if l == nil {
			return holds(!wanted, "nobody leads")
		}
		led := wanted &&
			(len(in.parts) == 0 || slices.Contains(s.hosts(in), l)) &&
			(len(not.parts) == 0 || !slices.Contains(s.hosts(not), l))
		return holds(led, "n%d leads", l.id)
	}
}

func (p *storyParser) reached() (condition, error) {
	name := strings.Join(p.until("within", "for"), " ")
	m := slices.Index(markNames[:], name)
	if m < 0 {
		return nil, fmt.Errorf("there is no such state; say one of %s", strings.Join(markNames[:], ", "))
	}
	return func(s *story) finding {
		return holds(s.world.reached[m] > 0, "that has not been")
	}, nil
}

// nodeStates are what a node may be said to be.
var nodeStates = map[string]func(h *host) bool{
	"up":   func(h *host) bool { return h.up },
	"down": func(h *host) bool { return !h.up },
	"follower": func(h *host) bool {
		return h.up && h.seen.valid && h.seen.status.Role == raft.Follower
	},
	"candidate": func(h *host) bool {
		return h.up && h.seen.valid && h.seen.status.Role == raft.Candidate
	},
	"settled": func(h *host) bool { // the entry with which its term as a leader begins is on its disk
		s, d := &h.seen.status, &h.record.durable
		return h.up && h.seen.valid && s.Role == raft.Leader && d.lastTerm() == s.Hard.CurrentTerm
	},
	"removed": func(h *host) bool { return h.identity.Removed != "" },
	"refused": func(h *host) bool { // some peer does not take it for the member of its number
		refuses := func(c *contact) bool { return c.refusal != wire.HelloOK }
		return h.up && (h.asking != nil && h.asking.refusal != wire.HelloOK ||
			slices.ContainsFunc(h.contacts, refuses))
	},
	"saving":  func(h *host) bool { return h.up && h.saver.busy }, // a snapshot of its own
	"damaged": func(h *host) bool { return !h.up && h.rot != nil && h.refusal != "" },
	"voter": func(h *host) bool {
		f := h.world.check.latest()
		return f != nil && f.IsVoter(h.id) && h.world.check.directory(f, h.id) == h.record
	},
}

func (p *storyParser) aboutNodes(x who) (condition, error) {
	w, err := p.word("what " + x.text + " should be")
	if err != nil {
		return nil, err
	}
	if w == "has" {
		name, err := p.operation()
		return func(s *story) finding {
			op := &s.world.clients.ops[s.ops[name]]
			for _, h := range s.some(x) {
				if op.done == nil || h.state == nil || h.state.Point().Index < op.done.index {
					return holds(false, "n%d has not applied %s", h.id, name)
				}
			}
			return holds(true, "")
		}, err
	}
	is, ok := nodeStates[w]
	if !ok {
		return nil, fmt.Errorf("a node is not %q; it is one of %s, or has a request", w,
			inOrder(nodeStates))
	}
	return func(s *story) finding {
		for _, h := range s.some(x) {
			if !is(h) {
				return holds(false, "n%d is not %s", h.id, w)
			}
		}
		return holds(true, "")
	}, nil
}

// outcomeOf is what a client was told, in the word of scenarios.
func (s *story) outcomeOf(name string) string {
	op := &s.world.clients.ops[s.ops[name]]
	switch {
	case s.world.clients.all[op.client].waiting:
		return "unanswered"
	case op.failed:
		return "not-applied"
	}
	return [...]string{"unanswered", "applied", "not-applied", "unknown"}[op.outcome]
}

func (p *storyParser) aboutRequests(names []string) (condition, error) {
	w, err := p.word("what should have become of it")
	if err != nil {
		return nil, err
	}
	var one func(s *story, name string) finding
	switch w {
	case "written":
		if err := p.expect("by"); err != nil {
			return nil, err
		}
		x, err := p.who()
		if err != nil {
			return nil, err
		}
		one = func(s *story, name string) finding {
			for _, h := range s.some(x) {
				if !s.written(h, s.ops[name]) {
					return holds(false, "the disk of n%d does not have %s", h.id, name)
				}
			}
			return holds(true, "")
		}
	case "committed":
		one = func(s *story, name string) finding {
			return holds(s.world.clients.ops[s.ops[name]].done != nil, "%s is not committed", name)
		}
	case "uncommitted":
		one = func(s *story, name string) finding {
			return holds(s.world.clients.ops[s.ops[name]].done == nil, "%s is committed", name)
		}
	case "lost":
		one = (*story).lost
	case "shows":
		return p.shows(names)
	case "agree":
		return agree(names), nil
	default:
		if one, err = outcomeIs(w); err != nil {
			return nil, err
		}
	}
	return func(s *story) finding {
		for _, n := range names {
			if f := one(s, n); !f.held {
				return f
			}
		}
		return holds(true, "")
	}, nil
}

// outcomeIs compares with what a client was told: one of applied|not-applied|unknown|unanswered.
func outcomeIs(words string) (func(s *story, name string) finding, error) {
	allowed := strings.Split(words, "|")
	for _, a := range allowed {
		if !slices.Contains([]string{"applied", "not-applied", "unknown", "unanswered"}, a) {
			return nil, fmt.Errorf("a request is not %q; it is applied, not-applied, unknown, "+
				"unanswered, several of these with | between, written by a node, committed, "+
				"uncommitted or lost; or it shows something, or several agree", a)
		}
	}
	return func(s *story, name string) finding {
		is := s.outcomeOf(name)
		f := holds(slices.Contains(allowed, is), "%s is %s", name, is)
		f.never = is != "unanswered"
		return f
	}, nil
}

// lost holds when no log and no disk has a request any more.
func (s *story) lost(name string) finding {
	n := s.ops[name]
	if x := s.world.clients.ops[n].done; x != nil {
		f := holds(false, "%s took effect at entry %d", name, x.index)
		f.never = true
		return f
	}
	for _, h := range s.world.hosts {
		if s.holds(&h.record.durable, n) || s.holds(&h.record.handed, n) {
			return holds(false, "n%d holds it still", h.id)
		}
	}
	return holds(true, "")
}

// shows compares what a read or a pop showed, the top first.
func (p *storyParser) shows(names []string) (condition, error) {
	want := p.until("within", "for")
	if len(want) == 0 {
		return nil, fmt.Errorf("say what it shows, the top first, or nothing")
	}
	if len(want) == 1 && want[0] == "nothing" {
		want = nil
	}
	return func(s *story) finding {
		for _, n := range names {
			reply, f := s.shown(n)
			if !f.held {
				return f
			}
			var got []string
			for _, v := range reply.Values {
				got = append(got, string(v))
			}
			if !slices.Equal(got, want) {
				return finding{never: true, why: n + " shows " + orNothing(got)}
			}
		}
		return holds(true, "")
	}, nil
}

func orNothing(values []string) string {
	if len(values) == 0 {
		return "nothing"
	}
	return strings.Join(values, " ")
}

// shown is the reply to a request.
func (s *story) shown(name string) (reply store.Reply, f finding) {
	op := &s.world.clients.ops[s.ops[name]]
	if is := s.outcomeOf(name); is != "applied" {
		return reply, finding{never: is != "unanswered", why: name + " is " + is}
	}
	if op.read {
		return op.shown, holds(true, "")
	}
	reply, err := store.DecodeReply(op.result.Reply)
	if err != nil {
		s.fail(err.Error())
	}
	return reply, holds(true, "")
}

// agree holds when several reads show the same first value, that at the bottom.
func agree(names []string) condition {
	return func(s *story) finding {
		var first []byte
		for i, n := range names {
			reply, f := s.shown(n)
			switch {
			case !f.held:
				return f
			case len(reply.Values) == 0:
				return finding{never: true, why: n + " shows nothing"}
			}
			v := reply.Values[len(reply.Values)-1]
			if i > 0 && !bytes.Equal(v, first) {
				return finding{never: true, why: fmt.Sprintf("%s says %s and %s says %s", names[0],
					first, n, v)}
			}
			first = v
		}
		return holds(true, "")
	}
}
