package sim

import (
	"fmt"
	"strconv"

	"drystone/replica"
	"drystone/rsm"
	"drystone/store"
)

// clients are everybody who uses the cluster. Each has one operation under way; those with a key
// repeat theirs through any node until they know its outcome, those without never repeat what
// may have happened.
type clients struct {
	world    *world
	random   random
	all      []client
	names    []string
	ops      []operation
	attempts []attempt
	quiet    bool   // nothing new begins
	silent   int64  // nothing is asked before
	floor    uint64 // what a read that starts now must reflect
	acked    int
	values   uint64
}

type client struct {
	op      int // index into ops; -1: idle
	ticket  replica.Ticket
	waiting bool
	turn    uint64 // plans of earlier turns are void
	tries   int

	scripted bool // a story's: it does nothing by itself
}

// operation is what a client wants to happen once.
type operation struct {
	client  int
	command []byte // a write; nil: a read
	key     string
	stack   int
	began   int64
	ended   int64
	floor   uint64      // acknowledged when it began
	outcome rsm.Outcome // 0: under way
	sent    bool        // an attempt was made whose outcome is not "not applied"
	done    *execution  // what the truth knows of it
	result  rsm.Result  // what the client was told
	read    bool
	stale   bool
	items   bool
	query   []byte
	shown   store.Reply // a read's answer
	failed  bool        // a read found no answer
}

// attempt is one request handed to one node.
type attempt struct {
	op        int
	node      int
	boot      uint32
	began     int64
	timeoutMs uint64
	floor     uint64
	minIndex  uint64

	maxStaleMs uint64 // of a stale read; 0: any age
	answered   bool
	outcome    rsm.Outcome
}

func newClients(w *world) clients {
	c := clients{world: w, random: w.random.fork()}
	for range w.plan.clients {
		c.all = append(c.all, client{op: -1})
	}
	for i := range w.plan.stacks {
		c.names = append(c.names, "s"+strconv.Itoa(i+1))
	}
	return c
}

func (c *clients) start() {
	for i := range c.all {
		c.plan(i, c.random.between(0, second))
	}
}

func (c *clients) plan(i int, delay int64) {
	x := &c.all[i]
	x.turn++
	c.world.always(delay, evClient, 0, uint64(i), x.turn)
}

// onTurn lets a client begin an operation, or repeat the one it has.
func (c *clients) onTurn(i int, turn uint64) {
	x := &c.all[i]
	if x.turn != turn || x.waiting || x.scripted {
		return
	}
	if w := c.world; w.now < c.silent {
		c.plan(i, c.silent-w.now+c.random.spread(w.plan.thinkMean))
		return
	}
	if x.op < 0 {
		if c.quiet {
			return
		}
		c.begin(i)
	}
	op := &c.ops[x.op]
	if c.givesUp(op, x) {
		c.end(i)
		return
	}
	h := c.choose()
	if h.ill {
		c.plan(i, ms)
		return
	}
	x.tries++
	if h.up && h.identity.Removed != "" { // it says so
		c.world.reach(markRemovedTold)
		c.plan(i, ms)
		return
	}
	if !h.up || h.replica == nil { // connection refused
		c.plan(i, c.random.between(5*ms, 50*ms))
		return
	}
	timeout := c.world.plan.timeoutMs[c.random.below(len(c.world.plan.timeoutMs))]
	if c.world.phase == phaseCore && c.world.healing {
		// A well node may hear no leader, when an ill one leads by the others: ask another soon.
		timeout = min(timeout, 500)
	}
	c.attempt(i, h, timeout)
}

// choose draws the node to ask: most often one that is a member, as far as anybody knows.
func (c *clients) choose() *host {
	w := c.world
	from := w.hosts
	if w.check.first != nil && (w.healing || c.random.below(8) > 0) {
		if all := w.machinesOf(w.check.latest()); len(all) > 0 {
			from = all
		}
	}
	return from[c.random.below(len(from))]
}

// givesUp says whether a client stops trying. A key may be repeated only while its reply is sure
// to be kept, by the fastest clock and with the slowest message.
func (c *clients) givesUp(op *operation, x *client) bool {
	w := c.world
	if op.sent && op.key == "" {
		return true
	}
	if op.sent && w.now-op.began > int64(w.plan.settings.RequestRetentionMs)*ms/8 {
		return true
	}
	return !op.sent && x.tries > 30
}

// begin draws an operation.
func (c *clients) begin(i int) {
	w, r := c.world, &c.random
	op := operation{
		client: i, stack: r.below(w.plan.stacks), began: w.now, floor: c.floor,
	}
	name := c.names[op.stack]
	if r.chance(w.plan.reads) {
		op.read = true
		op.stale = r.chance(w.plan.stale)
		op.items = r.below(8) == 0
		if op.items {
			op.query = store.EncodeQuery(nil, store.Items{Stack: name, Limit: 1 << 20})
		} else {
			op.query = store.EncodeQuery(nil, store.GetStack{Stack: name, WithTop: true})
		}
	} else {
		op.command = store.EncodeCommand(nil, c.draw(name))
		if r.chance(w.plan.keyed) {
			op.key = "k" + strconv.Itoa(len(c.ops))
		}
	}
	c.ops = append(c.ops, op)
	x := &c.all[i]
	x.op, x.tries = len(c.ops)-1, 0
}

// fresh lets a client write or read through a node, whatever else is quiet.
func (c *clients) fresh(i int, h *host, write bool, timeoutMs uint64) {
	c.begin(i)
	x := &c.all[i]
	op := &c.ops[x.op]
	*op = operation{client: i, stack: op.stack, began: op.began, floor: op.floor}
	name := c.names[op.stack]
	if write {
		op.command = store.EncodeCommand(nil, store.Push{Stack: name, Values: [][]byte{c.value()}})
	} else {
		op.read = true
		op.query = store.EncodeQuery(nil, store.GetStack{Stack: name, WithTop: true})
	}
	c.attempt(i, h, timeoutMs)
}

func (c *clients) draw(name string) store.Command {
	r := &c.random
	end := pick(r, store.Top, store.Top, store.Bottom)
	size := 0
	if s := c.world.truth.stacks[name]; s != nil {
		size = len(s.items)
	}
	switch n := r.below(100); {
	case n < 2:
		return store.CreateStack{Stack: name}
	case n < 3:
		return store.DeleteStack{Stack: name}
	case n < 45 || n < 75 && size < 20:
		values := make([][]byte, 1+r.below(3))
		for i := range values {
			values[i] = c.value()
		}
		return store.Push{Stack: name, Values: values, End: end, MustExist: r.below(10) == 0}
	default:
		return store.Pop{Stack: name, Count: uint64(1 + r.below(3)), End: end}
	}
}

// value is one that nobody pushed before.
func (c *clients) value() []byte {
	c.values++
	v := strconv.AppendUint([]byte("v"), c.values, 10)
	for n := c.random.below(c.world.plan.valueMax); len(v) < n; {
		v = append(v, '.')
	}
	return v
}

// attempt hands the operation to a node.
func (c *clients) attempt(i int, h *host, timeoutMs uint64) {
	w, x := c.world, &c.all[i]
	op := &c.ops[x.op]
	a := attempt{
		op: x.op, node: h.index, boot: h.boot, began: w.now, floor: c.floor,
		timeoutMs: timeoutMs,
	}
	ticket := replica.Ticket(len(c.attempts) + 1)
	x.ticket, x.waiting = ticket, true
	if op.read {
		o := rsm.ReadOptions{}
		if op.stale {
			o.Consistency = rsm.Stale
			if c.random.below(2) == 0 {
				o.MinIndex = c.floor
				a.minIndex = c.floor
			}
			if ticket%3 == 0 {
				o.MaxStaleMs, a.maxStaleMs = maxStaleMs, maxStaleMs
			}
		}
		c.attempts = append(c.attempts, a)
		h.pile.reads = append(h.pile.reads, read{ticket, op.query, o, a.timeoutMs})
	} else {
		request := rsm.Request{Command: op.command}
		request.Identity.Key = op.key
		if op.key == "" {
			// Who asks, so that the truth can tell which attempt the log holds.
			request.Identity.Scope = "a" + strconv.FormatUint(uint64(ticket), 10)
		}
		c.attempts = append(c.attempts, a)
		op.sent = true
		h.pile.submits = append(h.pile.submits, submit{ticket, request, a.timeoutMs})
	}
	w.trace.submit(h, ticket, op, &a)
	w.always(h.local(int64(a.timeoutMs)*ms)+second, evTimeout, h.index, uint64(i), uint64(ticket))
	h.wake()
}

// onTimeout ends the wait of a client whose node should have answered by now.
func (c *clients) onTimeout(i int, ticket uint64) {
	w, x := c.world, &c.all[i]
	if !x.waiting || uint64(x.ticket) != ticket {
		return
	}
	a := &c.attempts[ticket-1]
	h := w.hosts[a.node]
	if h.boot == a.boot && h.halted <= a.began && !h.paused {
		w.fail("Deadline", "n%d has not answered ticket %d, %d ms after its timeout of %d ms",
			h.id, ticket, (w.now-a.began-h.local(int64(a.timeoutMs)*ms))/ms, a.timeoutMs)
	}
	if h.boot == a.boot {
		h.pile.cancels = append(h.pile.cancels, replica.Ticket(ticket))
	}
	c.settle(i, rsm.Unknown)
}

// onCrash tells every client that waits on a node that its connection broke.
func (c *clients) onCrash(h *host) {
	for i := range c.all {
		x := &c.all[i]
		if x.waiting && c.attempts[x.ticket-1].node == h.index {
			c.settle(i, rsm.Unknown)
		}
	}
}

// settle ends an attempt and plans what the client does about it.
func (c *clients) settle(i int, outcome rsm.Outcome) {
	x := &c.all[i]
	op := &c.ops[x.op]
	x.waiting = false
	switch {
	case op.read && outcome == rsm.Applied, outcome == rsm.Applied:
		op.outcome = rsm.Applied
		c.end(i)
	case op.read:
		op.failed = true
		c.end(i)
	case x.scripted:
		c.end(i)
	case outcome == rsm.NotApplied:
		if c.random.below(4) == 0 || c.quiet && x.tries > 3 {
			c.end(i)
			return
		}
		c.plan(i, c.random.between(20*ms, 200*ms))
	case op.key == "":
		c.end(i)
	default:
		c.plan(i, c.random.between(20*ms, 200*ms))
	}
}

// leave gives up an operation at once.
func (c *clients) leave(i int) {
	c.all[i].waiting = false
	c.end(i)
}

// end closes a client's operation.
func (c *clients) end(i int) {
	x := &c.all[i]
	op := &c.ops[x.op]
	op.ended = c.world.now
	if op.outcome == 0 {
		op.outcome = rsm.NotApplied
		if op.sent {
			op.outcome = rsm.Unknown
		}
	}
	if op.outcome == rsm.Applied && !op.failed {
		c.acked++
	}
	x.op = -1
	c.plan(i, c.random.spread(c.world.plan.thinkMean))
}

// idle says whether no operation is under way.
func (c *clients) idle() bool {
	for i := range c.all {
		if c.all[i].op >= 0 {
			return false
		}
	}
	return true
}

func (op *operation) String() string {
	switch {
	case op.read:
		return "read"
	case op.key != "":
		return "write under key " + op.key
	}
	return fmt.Sprintf("write without a key of client %d", op.client)
}
