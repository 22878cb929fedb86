package sim

import (
	"fmt"
	"strconv"

	"drystone/rsm"
	"drystone/store"
)

// The steps of scenarios in which something is done; scenario_when.go has those that wait and
// claim.

type storyStep = func(*story) (end bool)

// storyVerbs read the words of a step and make it.
var storyVerbs map[string]func(*storyParser) (storyStep, error)

func init() {
	storyVerbs = map[string]func(*storyParser) (storyStep, error){
		"wait": (*storyParser).readWait, "expect": (*storyParser).readExpect,
		"let":  (*storyParser).readLet,
		"push": requests("push"), "pop": requests("pop"), "read": requests("read"),
		"again": (*storyParser).readAgain,

		"kill":  each(func(s *story, h *host) { s.crash(h, lifeKilled) }),
		"power": each(func(s *story, h *host) { s.crash(h, lifePower) }),
		"start": each((*story).start),
		"pause": each(func(s *story, h *host) {
			s.upOnly(h)
			h.ill = true
			s.world.pause(h)
		}),
		"resume": each(func(s *story, h *host) {
			h.ill = false
			s.world.onResume(h, h.boot)
		}),
		"stall": (*storyParser).readStall,
		"wipe":  each((*story).wipe), "tear": (*storyParser).readTear, "rot": each((*story).rot),

		"cut":     links(func(w *world, from, to *host) { w.cut(from, to) }),
		"mend":    links(func(w *world, from, to *host) { w.net.cut[from.index][to.index] = false }),
		"isolate": each((*story).isolate),
		"split":   (*storyParser).readSplit,
		"heal":    now(func(s *story) { s.world.net.mend() }),

		"add":      (*storyParser).readAdd,
		"remove":   asks(rsm.AdminRemove),
		"replace":  asks(rsm.AdminReplace),
		"transfer": asks(rsm.AdminTransfer),
	}
}

func now(do func(*story)) func(*storyParser) (storyStep, error) {
	return func(*storyParser) (storyStep, error) {
		return func(s *story) bool { do(s); return true }, nil
	}
}

// each does something to every node of a who.
func each(do func(*story, *host)) func(*storyParser) (storyStep, error) {
	return func(p *storyParser) (storyStep, error) {
		x, err := p.who()
		return func(s *story) bool {
			for _, h := range s.some(x) {
				do(s, h)
			}
			return true
		}, err
	}
}

// links does something to the links a -> b, or a <-> b.
func links(do func(w *world, from, to *host)) func(*storyParser) (storyStep, error) {
	return func(p *storyParser) (storyStep, error) {
		a, err := p.who()
		if err != nil {
			return nil, err
		}
		arrow, err := p.word("->")
		if err == nil && arrow != "->" && arrow != "<->" {
			err = fmt.Errorf("%q is neither -> nor <->", arrow)
		}
		if err != nil {
			return nil, err
		}
		b, err := p.who()
		return func(s *story) bool {
			for _, from := range s.some(a) {
				for _, to := range s.some(b) {
					if from == to {
						continue
					}
					do(s.world, from, to)
					if arrow == "<->" {
						do(s.world, to, from)
					}
				}
			}
			s.world.trace.partition()
			return true
		}, err
	}
}

// cut ends what a link carries, and loses what is under way on it.
func (w *world) cut(from, to *host) {
	w.net.cut[from.index][to.index] = true
	for i := range w.net.packets {
		p := &w.net.packets[i]
		if p.from == from.index && p.to == to.index {
			p.kind, p.link = packetLost, 0
		}
	}
}

func (s *story) isolate(h *host) {
	for _, peer := range s.world.hosts {
		if peer != h {
			s.world.cut(h, peer)
			s.world.cut(peer, h)
		}
	}
}

// readSplit reads parts between which nothing passes: split n1,n2 | n3,n4,n5.
func (p *storyParser) readSplit() (storyStep, error) {
	var parts []who
	for {
		x, err := p.who()
		if err != nil {
			return nil, err
		}
		parts = append(parts, x)
		if len(p.words) == 0 {
			break
		}
		if err := p.expect("|"); err != nil {
			return nil, err
		}
	}
	return func(s *story) bool {
		var sides [][]*host
		for _, x := range parts {
			sides = append(sides, s.some(x))
		}
		for i, side := range sides {
			for j, other := range sides {
				for _, a := range side {
					for _, b := range other {
						if i != j && a != b {
							s.world.cut(a, b)
						}
					}
				}
			}
		}
		s.world.trace.partition()
		return true
	}, nil
}

// readLet gives names to nodes: let a, b = followers.
func (p *storyParser) readLet() (storyStep, error) {
	var names []string
	for !p.accept("=") {
		name, err := p.newName(p.cast, p.ops)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	x, err := p.who()
	return func(s *story) bool {
		for _, n := range names { // a name that is given anew does not hold its node back
			delete(s.cast, n)
		}
		all := s.some(x)
		if len(all) < len(names) {
			s.fail(fmt.Sprintf("%s means %d nodes; %d are wanted", x.text, len(all), len(names)))
		}
		for i, n := range names {
			s.cast[n] = all[i]
		}
		return true
	}, err
}

func (s *story) upOnly(h *host) {
	if !h.up {
		s.fail(fmt.Sprintf("n%d is down already", h.id))
	}
}

func (s *story) downOnly(h *host) {
	if h.up {
		s.fail(fmt.Sprintf("n%d is up; kill it first", h.id))
	}
}

// crash ends a process, and it stays down until the story starts it.
func (s *story) crash(h *host, how ending) {
	s.upOnly(h)
	s.world.trace.line(h, "goes down")
	h.ill = true
	h.crash(how)
}

func (s *story) start(h *host) {
	s.downOnly(h)
	h.ill = false
	s.world.onRestart(h, h.boot)
}

func (p *storyParser) readStall() (storyStep, error) {
	x, err := p.who()
	if err != nil {
		return nil, err
	}
	if err := p.expect("for"); err != nil {
		return nil, err
	}
	d, err := p.duration()
	return func(s *story) bool {
		for _, h := range s.some(x) {
			h.stalled = s.world.now + d
			s.world.trace.line(h, "the disk hangs")
		}
		return true
	}, err
}

func (p *storyParser) readAdd() (storyStep, error) {
	w, err := p.word("a node, like n4,")
	if err != nil {
		return nil, err
	}
	n, ok := nodeNumber(w)
	if !ok || int(n) != p.nodes+p.added+1 {
		return nil, fmt.Errorf("the next new node is n%d", p.nodes+p.added+1)
	}
	if int(n) > nodesMax {
		return nil, fmt.Errorf("a cluster has at most %d nodes", nodesMax)
	}
	p.added++
	return func(s *story) bool {
		h := s.world.newHost(n)
		for _, m := range s.world.machinesOf(s.world.check.latest()) {
			h.seeds = append(h.seeds, m.index)
		}
		h.start()
		return true
	}, nil
}

// asks puts an operator's request about a node to the leader.
func asks(op rsm.AdminOp) func(*storyParser) (storyStep, error) {
	return func(p *storyParser) (storyStep, error) {
		x, err := p.who()
		return func(s *story) bool {
			h, w := s.one(x), s.world
			l := w.leader()
			if l == nil {
				s.fail("there is no leader to be asked")
			}
			q := rsm.AdminRequest{Op: op, Node: uint64(h.id)}
			w.trace.asked(l, &q)
			elected := len(w.check.leaders)
			l.administer(q, 10_000, func(r rsm.AdminReply) {
				w.trace.told(l, &q, &r)
				w.check.answers = append(w.check.answers, answered{l.id, q, r, elected})
			})
			return true
		}, err
	}
}

// requests reads a client's request: push v via n1 keyed within 2s as p.
func requests(verb string) func(*storyParser) (storyStep, error) {
	return func(p *storyParser) (storyStep, error) {
		var value string
		var err error
		if verb == "push" {
			if value, err = p.word("a value"); err != nil {
				return nil, err
			}
		}
		if err := p.expect("via"); err != nil {
			return nil, err
		}
		x, err := p.who()
		if err != nil {
			return nil, err
		}
		keyed := verb != "read" && p.accept("keyed")
		stale := verb == "read" && p.accept("stale")
		timeout, err := p.within("within", 5*second)
		if err != nil {
			return nil, err
		}
		if err := p.expect("as"); err != nil {
			return nil, err
		}
		name, err := p.newName(p.ops, p.cast)
		return func(s *story) bool {
			op := operation{read: verb == "read", stale: stale, items: verb == "read"}
			stack := s.world.clients.names[0]
			switch verb {
			case "push":
				op.command = store.EncodeCommand(nil,
					store.Push{Stack: stack, Values: [][]byte{[]byte(value)}})
			case "pop":
				op.command = store.EncodeCommand(nil, store.Pop{Stack: stack, Count: 1})
			case "read":
				op.query = store.EncodeQuery(nil, store.Items{Stack: stack, Limit: 1 << 20})
			}
			if keyed {
				op.key = "k" + strconv.Itoa(len(s.world.clients.ops))
			}
			s.ops[name] = s.submit(op, s.one(x), timeout)
			return true
		}, err
	}
}

// submit hands a request to a node, for a client of its own who repeats nothing.
func (s *story) submit(op operation, h *host, timeout int64) int {
	c := &s.world.clients
	op.client, op.began, op.floor = len(c.all), s.world.now, c.floor
	c.ops = append(c.ops, op)
	c.all = append(c.all, client{op: len(c.ops) - 1, scripted: true})
	s.attempt(op.client, h, timeout)
	return len(c.ops) - 1
}

func (s *story) attempt(client int, h *host, timeout int64) {
	if !h.up || h.replica == nil {
		s.fail(fmt.Sprintf("n%d takes no requests", h.id))
	}
	s.world.clients.attempt(client, h, uint64(timeout/ms))
}

// readAgain repeats a request under its key through some node.
func (p *storyParser) readAgain() (storyStep, error) {
	name, err := p.operation()
	if err != nil {
		return nil, err
	}
	if err := p.expect("via"); err != nil {
		return nil, err
	}
	x, err := p.who()
	return func(s *story) bool {
		n := s.ops[name]
		op := &s.world.clients.ops[n]
		c := &s.world.clients.all[op.client]
		switch {
		case op.key == "":
			s.fail(name + " has no key, so its repetition would be another request; push it keyed")
		case c.waiting:
			s.fail(name + " has no answer yet, so its client does not repeat it; wait for one, like " +
				"`wait " + name + " unknown`; a push `within 1s` gets one sooner")
		}
		op.outcome, op.ended, c.op = 0, 0, n
		s.attempt(op.client, s.one(x), 5*second)
		return true
	}, err
}
