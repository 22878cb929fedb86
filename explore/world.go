package explore

import (
	"encoding/binary"
	"slices"

	"drystone/raft"
)

// world is a state of the whole. It is made of numbers, by which the explorer knows nodes'
// states, messages and histories.
type world struct {
	nodes   [maxNodes]int32
	bag     []int32 // messages under way, ascending, each as often as it may arrive
	used    used
	history int32 // what was ever committed
}

// encode appends the world to a queue.
func (w *world) encode(dst []byte, nodes int) []byte {
	for _, id := range w.nodes[:nodes] {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(id))
	}
	dst = append(dst, w.used[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(w.history))
	dst = append(dst, byte(len(w.bag)))
	for _, id := range w.bag {
		dst = append(dst, byte(id), byte(id>>8), byte(id>>16))
	}
	return dst
}

// decode takes a world off the front of a queue.
func (w *world) decode(src []byte, nodes int) []byte {
	for i := range w.nodes[:nodes] {
		w.nodes[i] = int32(binary.LittleEndian.Uint32(src))
		src = src[4:]
	}
	src = src[copy(w.used[:], src):]
	w.history = int32(binary.LittleEndian.Uint32(src))
	n := int(src[4])
	src, w.bag = src[5:], w.bag[:0]
	for range n {
		w.bag = append(w.bag, int32(src[0])|int32(src[1])<<8|int32(src[2])<<16)
		src = src[3:]
	}
	return src
}

// explorer knows every state of a node, every message and every step that occurred.
type explorer struct {
	bounds    Bounds
	limits    used
	faults    faults
	ignore    []string // properties
	renamings []renaming

	nodes          []*node
	nodeIDs        map[digest]int32
	messages       []raft.Message
	messageIDs     map[digest]int32
	messageDigests []digest // by message and renaming
	histories      [][]committed
	historyIDs     map[string]int32
	historyDigests []digest
	outcomes       []outcome
	memory         memory

	tracing func(raft.Event) // nil: nobody listens
	scratch []byte
}

// outcome is what an input does to a node.
type outcome struct {
	taken  bool
	next   int32
	sent   []int32
	broken *Violation
}

func newExplorer(b Bounds, o Options) *explorer {
	b.check()
	return &explorer{
		bounds: b, limits: b.limits(), renamings: renamings(b),
		faults: o.faults, ignore: o.Ignore,
		nodeIDs: map[digest]int32{}, messageIDs: map[digest]int32{},
		histories: [][]committed{nil}, historyIDs: map[string]int32{"": 0},
		historyDigests: []digest{{}},
	}
}

// first is the world in which nothing has happened.
func (e *explorer) first() *world {
	w := &world{}
	var voters []raft.NodeID
	for i := range e.bounds.Voters {
		voters = append(voters, raft.NodeID(i+1))
	}
	for i := range e.bounds.nodes() {
		h := e.host(raft.NodeID(i + 1))
		if i < e.bounds.Voters {
			h.disk.snap.Members.Voters = voters
		}
		h.start()
		h.drain()
		w.nodes[i] = e.node(&h.node)
	}
	return w
}

func (e *explorer) host(id raft.NodeID) *host {
	h := &host{
		bounds: &e.bounds, faults: &e.faults, ignore: e.ignore, config: config(id),
	}
	h.config.Trace = func(ev raft.Event) {
		if e.tracing != nil {
			e.tracing(ev)
		}
	}
	return h
}

// node gives a state of a node its number.
func (e *explorer) node(n *node) int32 {
	own := n.encode(e.scratch[:0], e.renamings[0].of)
	e.scratch = own
	key := hash(own)
	id, ok := e.nodeIDs[key]
	if !ok {
		id = int32(len(e.nodes))
		n.look()
		n.digests = e.digests(n.encode)
		copied := *n
		e.nodes, e.nodeIDs[key] = append(e.nodes, &copied), id
	}
	return id
}

func (e *explorer) message(m raft.Message) int32 {
	e.scratch = m.AppendCanonical(e.scratch[:0], e.renamings[0].of)
	key := hash(e.scratch)
	id, ok := e.messageIDs[key]
	if !ok {
		id = int32(len(e.messages))
		e.messages, e.messageIDs[key] = append(e.messages, m), id
		e.messageDigests = append(e.messageDigests, e.digests(m.AppendCanonical)...)
	}
	return id
}

func (e *explorer) history(all []committed) int32 {
	var key []byte
	for _, c := range all {
		key = binary.LittleEndian.AppendUint32(key, c.entry.content)
		key = append(key, byte(c.entry.term), byte(c.by))
	}
	id, ok := e.historyIDs[string(key)]
	if !ok {
		id = int32(len(e.histories))
		e.histories, e.historyIDs[string(key)] = append(e.histories, all), id
		anonymous := []byte("history") // contents may name nodes
		for _, c := range all {
			anonymous = append(anonymous, byte(c.entry.term), byte(c.by))
		}
		e.historyDigests = append(e.historyDigests, hash(anonymous))
	}
	return id
}

// step is what an input does to a state of a node. The core is asked once.
func (e *explorer) step(id int32, in input, hold bool) *outcome {
	key := uint64(id)<<32 | uint64(in.kind)<<28 | uint64(in.arg)<<1
	if hold {
		key |= 1
	}
	known := e.memory.find(key)
	if known.outcome == 0 {
		e.outcomes = append(e.outcomes, e.ask(e.nodes[id], in, hold))
		*known = remembered{key, int32(len(e.outcomes))}
		e.memory.count++
	}
	return &e.outcomes[known.outcome-1]
}

// ask has the core take the step.
func (e *explorer) ask(n *node, in input, hold bool) outcome {
	h := e.host(n.status.ID)
	h.node = *n
	h.core = n.core.Clone()
	if in.kind == deliver {
		h.input = e.messages[in.arg]
	}
	if !h.run(in, hold) {
		return outcome{}
	}
	if h.broken == nil || h.broken.Property != Assertion {
		h.look()
		h.checkStep(n, in)
	}
	if h.broken != nil {
		return outcome{taken: true, broken: h.broken}
	}
	o := outcome{taken: true, next: e.node(&h.node)}
	for _, m := range h.sent {
		if int(m.To) <= e.bounds.nodes() {
			o.sent = append(o.sent, e.message(m))
		}
	}
	return o
}

// idle reports whether a message would change nothing if it came now: it leaves its receiver as
// it is, and is not answered. If it is of an older term than its receiver's disk, which can
// never take it for more than a sign of life, its answers are looked at in the same way.
func (e *explorer) idle(w *world, message int32) bool {
	m := &e.messages[message]
	o := e.step(w.nodes[m.To-1], input{deliver, int(message)}, false)
	if !o.taken || o.broken != nil || o.next != w.nodes[m.To-1] {
		return false
	}
	if len(o.sent) > 0 && m.Term >= e.nodes[o.next].disk.hard.CurrentTerm {
		return false
	}
	for _, answer := range o.sent {
		to := w.nodes[e.messages[answer].To-1]
		o := e.step(to, input{deliver, int(answer)}, false)
		if !o.taken || o.broken != nil || o.next != to || len(o.sent) > 0 {
			return false
		}
	}
	return true
}

// act is what an action makes of a world; false if it makes nothing of it.
func (e *explorer) act(w *world, a action, next *world) (*Violation, bool) {
	before := w.nodes[a.node]
	o := e.step(before, a.input, a.hold)
	if !o.taken {
		return nil, false
	}
	if o.broken != nil {
		return o.broken, true
	}
	sent := o.sent
	next.nodes, next.used, next.history = w.nodes, a.costs(w.used), w.history
	next.nodes[a.node] = o.next
	next.bag = append(next.bag[:0], w.bag...)
	if a.kind == deliver && !a.again {
		at := slices.Index(next.bag, int32(a.arg))
		next.bag = slices.Delete(next.bag, at, at+1)
	}
	next.bag = append(next.bag, sent...)
	if !e.bounds.Exact && !e.loseIdle(next, a, len(sent)) {
		return nil, false
	}
	slices.Sort(next.bag)
	return e.commits(next, a.node, e.nodes[before]), true
}

// loseIdle takes messages that came to be idle by an action out of the bag, of which the last
// were just sent. It reports whether it was worth repeating a message.
func (e *explorer) loseIdle(w *world, a action, sent int) bool {
	kept, id := 0, raft.NodeID(a.node+1)
	again := !a.again
	for i, m := range w.bag {
		touched := i >= len(w.bag)-sent || e.messages[m].To == id || e.messages[m].From == id
		if touched && e.idle(w, m) {
			continue
		}
		again = again || m == int32(a.arg)
		w.bag[kept] = m
		kept++
	}
	w.bag = w.bag[:kept]
	return again
}
