package replica

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"drystone/raft"
	"drystone/rsm"
	"drystone/store"
)

// op is one push onto, or one read of, the stack "s". Nothing pops, so the stack is its own
// history: the n-th item from the bottom is the n-th push, and a read of size n stands between
// the n-th and the next.
type op struct {
	ticket    Ticket
	node      raft.NodeID
	boot      uint64
	read      bool
	stale     bool
	inv, ret  uint64 // ms; order tells equal ones apart
	invOrder  int
	retOrder  int
	deadline  uint64
	outcome   rsm.Outcome // 0: none yet
	code      rsm.Code
	size      uint64
	serial    uint64
	staleMs   uint64
	lost      bool // its node crashed
	cancelled bool
	handed    bool // a read that left the replica
}

type history struct {
	ops   []*op // ops[i] has ticket i+1
	order int
}

func (h *history) init() {}

func (h *history) next() int { h.order++; return h.order }

func (w *world) newOp(n *node, timeout uint64) *op {
	o := &op{ticket: Ticket(len(w.ops) + 1), node: n.id, boot: n.boot, inv: w.now,
		invOrder: w.history.next(), deadline: w.now + timeout}
	if timeout == 0 {
		o.deadline = never
	}
	w.ops = append(w.ops, o)
	return o
}

func (w *world) push(n *node, timeout uint64) *op {
	o := w.newOp(n, timeout)
	o.serial = n.replica.Submit(w.now, o.ticket, pushRequest(o.ticket), timeout)
	return o
}

func pushRequest(t Ticket) rsm.Request {
	return rsm.Request{Command: store.EncodeCommand(nil, store.Push{
		Stack: "s", Values: [][]byte{[]byte(strconv.FormatUint(uint64(t), 10))},
	})}
}

func (w *world) read(n *node, opts rsm.ReadOptions, timeout uint64) *op {
	o := w.newOp(n, timeout)
	o.read, o.stale = true, opts.Consistency == rsm.Stale
	q := store.EncodeQuery(nil, store.GetStack{Stack: "s"})
	n.replica.Read(w.now, o.ticket, q, opts, timeout)
	return o
}

func (w *world) cancel(n *node, o *op) {
	decided := func(a Answer) bool { return a.Ticket == o.ticket }
	o.cancelled = !slices.ContainsFunc(n.replica.answers, decided)
	n.replica.Cancel(o.ticket)
}

func (w *world) failf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("seed %d, %d ms: %s", w.o.seed, w.now, fmt.Sprintf(format, args...))
}

func (w *world) answered(n *node, a Answer) {
	o := w.finish(n, a.Ticket)
	o.outcome, o.code = a.Result.Outcome, a.Result.Code
	if a.Result.Serial != o.serial {
		w.failf("the answer to serial %d names serial %d", o.serial, a.Result.Serial)
	}
	if o.outcome != rsm.Applied {
		return
	}
	reply, err := store.DecodeReply(a.Result.Reply)
	n.check(err)
	o.size = reply.Size
}

func (w *world) finish(n *node, t Ticket) *op {
	o := w.ops[t-1]
	switch {
	case o.outcome != 0:
		w.failf("ticket %d is answered twice", t)
	case o.node != n.id || o.boot != n.boot:
		w.failf("ticket %d is answered by another node or boot", t)
	case w.now > max(o.deadline, o.inv+w.o.config.TickMs) && !o.handed:
		w.failf("ticket %d is answered %d ms late", t, w.now-o.deadline)
	case o.cancelled && !o.handed:
		w.failf("ticket %d is answered though cancelled", t)
	}
	o.ret, o.retOrder = w.now, w.history.next()
	return o
}

func (w *world) readFailed(n *node, f ReadFailed) {
	o := w.finish(n, f.Ticket)
	o.outcome, o.code = rsm.NotApplied, f.Code
}

func (w *world) readDone(n *node, q *Query, reply store.Reply) {
	w.ops[q.Ticket-1].handed = true
	o := w.finish(n, q.Ticket)
	o.outcome, o.size, o.staleMs = rsm.Applied, reply.Size, q.StaleMs
}

func (w *world) crashed(n *node) {
	for _, o := range w.ops {
		if o.node == n.id && o.boot == n.boot && o.outcome == 0 {
			o.lost = true
		}
	}
}

// oracle holds what must be the same everywhere, and what must never change.
type oracle struct {
	hashes  map[uint64]uint64 // state by index
	terms   map[uint64]uint64 // and the entry
	stamps  map[uint64]uint64
	stamped uint64 // the greatest index in stamps
	batches map[[3]uint64][]byte
}

func (k *oracle) init() {
	k.hashes, k.terms = map[uint64]uint64{}, map[uint64]uint64{}
	k.stamps, k.batches = map[uint64]uint64{}, map[[3]uint64][]byte{}
}

// applied compares a state with the others'; e is nil after a restore.
func (w *world) applied(n *node, e *raft.Entry) {
	p := n.state.Point()
	hash, known := w.hashes[p.Index]
	if known && (hash != n.state.Hash() || w.terms[p.Index] != p.Term) {
		w.failf("n%d differs from another at index %d", n.id, p.Index)
	}
	w.hashes[p.Index], w.terms[p.Index] = n.state.Hash(), p.Term
	if known || e == nil || e.Kind != raft.EntryCommand {
		return
	}
	entry, err := rsm.DecodeEntry(e.Data)
	n.check(err)
	if p.Index > w.stamped {
		if entry.Stamp < w.stamps[w.stamped] {
			w.failf("log time goes back at index %d", p.Index)
		}
		if p.LogTime != entry.Stamp {
			w.failf("log time %d after a stamp of %d", p.LogTime, entry.Stamp)
		}
		if w.stamped == 0 {
			w.checkFirst(entry)
		}
		w.stamps[p.Index], w.stamped = entry.Stamp, p.Index
	}
	for _, batch := range entry.Batches {
		w.noteBatch(batch)
	}
}

// checkFirst: the first thing in a log is its settings.
func (w *world) checkFirst(entry rsm.Entry) {
	b, err := rsm.DecodeBatch(entry.Batches[0])
	if err != nil || b.Requests[0].Kind != rsm.SettingsCommand {
		w.failf("the log does not begin with settings")
	}
}

// noteBatch: the content of a number never changes.
func (w *world) noteBatch(encoded []byte) {
	node, boot, number, err := rsm.BatchHead(encoded)
	if err != nil {
		w.failf("a batch without a head: %v", err)
	}
	plain := bytes.Clone(encoded)
	rsm.StampBatch(plain, 0)
	key := [3]uint64{node, boot, number}
	if was, ok := w.batches[key]; ok && !bytes.Equal(was, plain) {
		w.failf("batch %v changed its content", key)
	}
	w.batches[key] = plain
}

func (w *world) noteForward(n *node, f Outgoing) {
	switch m := f.Body.(type) {
	case rsm.Forward:
		w.noteBatch(m.Batch)
	case rsm.ReadAsk:
		n.noteReadID(m.ID)
	}
}

// checkReplica looks into a replica that has nothing more to do for now.
func (n *node) checkReplica() {
	r, o, bytes := n.replica, &n.replica.origin, 0
	for i := o.pending.head; i < len(o.pending.requests); i++ {
		if !o.pending.waiters[i].gone {
			bytes += requestBytes(&o.pending.requests[i])
		}
	}
	for i := range o.ring {
		bytes += o.ring[i].bytes
		if o.ring[i].number != o.last-uint64(len(o.ring)-1-i) {
			n.w.failf("n%d: the stream has a hole", n.id)
		}
	}
	for _, list := range [][]reader{r.reads.waiting, r.reads.round.readers, r.reads.granted} {
		for i := range list {
			bytes += readBytes(&list[i])
		}
	}
	if bytes != r.inflightBytes || bytes > n.w.o.config.MaxInflightBytes+1<<10 {
		n.w.failf("n%d counts %d bytes in flight, and has %d", n.id, r.inflightBytes, bytes)
	}
	if len(o.ring) > unackedBatches || o.sent > len(o.ring) {
		n.w.failf("n%d has %d batches unacknowledged", n.id, len(o.ring))
	}
}

// settle heals the world, runs it until nothing moves, and checks the history and the leftovers.
func (w *world) settle() {
	w.t.Helper()
	w.heal()
	w.until(60_000, "quiescence", func() bool {
		l := w.leader()
		for _, n := range w.nodes {
			if l == nil || !n.replica.Idle() || len(n.jobs) > 0 || l.replica.lead.flightIndex != 0 ||
				n.state.Point().Index != uint64(l.core.Status().LastIndex) {
				return false
			}
		}
		return true
	})
	w.run(100) // late copies of forwards may still arrive, and make an entry
	last := w.leader().core.Status()
	proposals := w.proposals()
	w.run(1000)
	if now := w.leader().core.Status(); now.LastIndex != last.LastIndex &&
		now.Hard.CurrentTerm == last.Hard.CurrentTerm || w.proposals() != proposals {
		w.failf("an idle cluster appends")
	}
	for _, n := range w.nodes {
		n.checkEmpty()
	}
	w.checkHistory()
}

func (w *world) proposals() int {
	sum := 0
	for _, n := range w.nodes {
		sum += n.core.proposals
	}
	return sum
}

// checkEmpty: at quiescence nothing is left behind.
func (n *node) checkEmpty() {
	r := n.replica
	left := len(r.origin.ring) + len(r.origin.pending.requests) + r.origin.pending.gone +
		r.reads.len() + len(r.answers) + len(r.failed) + len(r.forward) + len(r.queries)
	if r.lead != nil {
		left += len(r.lead.queue) + r.lead.queueBytes + len(r.lead.flight) + len(r.lead.asks) +
			len(r.lead.round.asks)
	}
	if left != 0 || r.inflightBytes != 0 {
		n.w.failf("n%d: %d things and %d bytes are left behind", n.id, left, r.inflightBytes)
	}
	if s, set := n.state.Settings(); !set || s != n.w.o.config.Settings {
		n.w.failf("n%d: settings are not those of the flags", n.id)
	}
}

// checkHistory: every write exactly once or not at all, as its caller was told; in the order of
// its origin; and all of it linearizable with the reads.
func (w *world) checkHistory() {
	w.t.Helper()
	position := w.items()
	var done []*op
	type source struct{ node, boot uint64 }
	newest := map[source]uint64{}
	for _, t := range sortedByPosition(position) {
		o := w.ops[t-1]
		from := source{uint64(o.node), o.boot}
		if o.serial <= newest[from] {
			w.failf("ticket %d overtook an earlier one of n%d", t, o.node)
		}
		newest[from] = o.serial
	}
	for _, o := range w.ops {
		at, present := position[o.ticket]
		switch {
		case o.outcome == 0 && !o.lost && !o.cancelled:
			w.failf("ticket %d was never answered", o.ticket)
		case o.read:
		case o.outcome == rsm.Applied && (!present || at != o.size):
			w.failf("ticket %d is applied with size %d, and found at %d", o.ticket, o.size, at)
		case o.outcome == rsm.NotApplied && present:
			w.failf("ticket %d is not applied (%s), and found at %d", o.ticket, o.code, at)
		case present && o.outcome != rsm.Applied:
			// It took effect, at a time its caller does not know.
			o.size, o.retOrder = at, 1<<60
		}
		if o.outcome == rsm.Applied && !o.stale || present {
			done = append(done, o)
		}
	}
	w.checkLinearizable(done)
}

// checkLinearizable: what began after another had ended comes after it.
func (w *world) checkLinearizable(ops []*op) {
	byInv, byRet := slices.Clone(ops), slices.Clone(ops)
	slices.SortFunc(byInv, func(a, b *op) int { return cmp.Compare(a.invOrder, b.invOrder) })
	slices.SortFunc(byRet, func(a, b *op) int { return cmp.Compare(a.retOrder, b.retOrder) })
	var seen uint64 // the greatest size that any operation before had
	for _, o := range byInv {
		for len(byRet) > 0 && byRet[0].retOrder < o.invOrder {
			seen = max(seen, byRet[0].size)
			byRet = byRet[1:]
		}
		if o.size < seen || !o.read && o.size == seen {
			w.failf("ticket %d (read %v) at n%d is of size %d after one of size %d was done",
				o.ticket, o.read, o.node, o.size, seen)
		}
	}
}

// items returns the place from the bottom of every push that is in the state.
func (w *world) items() map[Ticket]uint64 {
	q := store.EncodeQuery(nil, store.Items{Stack: "s", Limit: 1 << 20})
	reply, err := store.DecodeReply(w.nodes[0].state.Query(q))
	if err != nil {
		w.failf("items: %v", err)
	}
	position := map[Ticket]uint64{}
	for i, v := range reply.Values {
		t, err := strconv.ParseUint(string(v), 10, 64)
		if err != nil {
			w.failf("an item nobody pushed: %q", v)
		}
		if _, twice := position[Ticket(t)]; twice {
			w.failf("ticket %d was applied twice", t)
		}
		position[Ticket(t)] = reply.Size - uint64(i)
	}
	return position
}

func sortedByPosition(position map[Ticket]uint64) []Ticket {
	tickets := make([]Ticket, 0, len(position))
	for t := range position {
		tickets = append(tickets, t)
	}
	slices.SortFunc(tickets, func(a, b Ticket) int { return cmp.Compare(position[a], position[b]) })
	return tickets
}
