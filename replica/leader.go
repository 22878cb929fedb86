package replica

import (
	"slices"

	"drystone/raft"
	"drystone/rsm"
)

// leadership is what a node holds while it leads in one term. A new term gets a new one, so
// nothing of a past leadership can be taken for this one's.
type leadership struct {
	term raft.Term

	queue      []held // batches to propose, in order of arrival
	queueBytes int

	// The one entry of this leadership that is not known to be committed. Everything that arrives
	// meanwhile goes into the next: group commit that adapts by itself, without a timer.
	flight      []held // whose batches it holds
	flightIndex raft.Index
	stalled     bool // the engine takes no proposals: until the next tick

	asks  []ask     // for a read index, since the last round
	round readRound // under way in the engine
}

// held is a batch that a leader took.
type held struct {
	node, boot, number uint64
	encoded            []byte // ours: stamped in place
	takenAt            uint64 // monotonic ms
	elapsedMs          uint64 // that it had waited at its node before
}

func (h *held) is(node, boot, number uint64) bool {
	return h.node == node && h.boot == boot && h.number == number
}

// has says whether a batch waits, or is in the entry under way. What is committed does not count:
// if it is sent again then its node saw a gap come out, and needs the second copy. A copy too many
// is skipped when it is applied (rsm's node sessions).
func (l *leadership) has(node, boot, number uint64) bool {
	same := func(h held) bool { return h.is(node, boot, number) }
	return slices.ContainsFunc(l.queue, same) || slices.ContainsFunc(l.flight, same)
}

// take queues a batch, before the later ones of its origin: the network may reorder.
func (l *leadership) take(h held) {
	at := slices.IndexFunc(l.queue, func(q held) bool {
		return q.node == h.node && q.boot == h.boot && q.number > h.number
	})
	if at < 0 {
		at = len(l.queue)
	}
	l.queue = slices.Insert(l.queue, at, h)
	l.queueBytes += len(h.encoded)
}

// leads says whether this node may propose: it leads, and has itself applied an entry of its term.
// Only then does it know the log time that all entries before leave behind, and so may stamp; and
// only then is its own stream known not to be in its log already.
func (r *Replica) leads() bool { return r.lead != nil && r.appliedTerm == r.lead.term }

// onForward takes another node's batch. A leader that may not propose yet keeps it until it may.
func (r *Replica) onForward(from raft.NodeID, m rsm.Forward) {
	// All of it is decoded: what can't be would stop every replica, for ever, once it is in the log.
	b, err := rsm.DecodeBatch(m.Batch)
	if err != nil || b.Node != uint64(from) || b.Boot == 0 || b.Number == 0 {
		return // of a later version, or not from whom it says; its node tries again elsewhere
	}
	r.observe()
	switch {
	case r.lead == nil:
		r.refuse(from, b.Boot, b.Number, rsm.CodeNoLeader)
	case r.lead.has(b.Node, b.Boot, b.Number):
	case r.lead.queueBytes+len(m.Batch) > r.config.MaxInflightBytes && len(r.lead.queue) > 0:
		r.refuse(from, b.Boot, b.Number, rsm.CodeOverload)
	default:
		r.lead.take(held{
			node: b.Node, boot: b.Boot, number: b.Number,
			encoded: slices.Clone(m.Batch), takenAt: r.now, elapsedMs: m.ElapsedMs,
		})
	}
}

func (r *Replica) refuse(to raft.NodeID, boot, number uint64, c rsm.Code) {
	r.send(to, rsm.Refusal{
		Boot: boot, Number: number, Code: c, Leader: uint64(r.route.leader),
	})
}

// takeOwn queues what of the own stream is not in this leadership's log yet.
func (r *Replica) takeOwn() {
	o, l := &r.origin, r.lead
	for ; o.sent < len(o.ring); o.sent++ {
		b, node := &o.ring[o.sent], uint64(r.config.ID)
		if !l.has(node, r.config.Boot, b.number) {
			l.take(held{
				node: node, boot: r.config.Boot, number: b.number,
				encoded: slices.Clone(b.encoded), takenAt: r.now, elapsedMs: r.now - b.encodedAt,
			})
		}
	}
}

// propose packs everything that waits into one entry, unless one is under way.
func (r *Replica) propose() {
	l := r.lead
	if !r.leads() || l.flightIndex != 0 || l.stalled {
		return
	}
	if !r.fenced {
		r.proposeSettings()
		r.takeOwn()
	}
	// The own requests that wait are cut now, not earlier, so that a leader's callers share one
	// batch an entry. Half of it is theirs even when others could fill it.
	own, limit := r.mayCut() && !r.fenced, r.config.MaxEntryBytes
	if own {
		limit -= r.maxBatchBytes()
	}
	stamp := r.clock.read(r.now)
	count, size := 0, 0
	var batches [][]byte
	for i := range l.queue {
		h := &l.queue[i]
		if count > 0 && size+len(h.encoded) > limit {
			break
		}
		rsm.StampBatch(h.encoded, r.admitted(stamp, h))
		batches = append(batches, h.encoded)
		count, size = count+1, size+len(h.encoded)
	}
	var b outBatch
	var requests int
	if own {
		b, requests = r.cut(max(r.maxBatchBytes(), r.config.MaxEntryBytes-size), int64(stamp))
		batches = append(batches, b.encoded)
		size += len(b.encoded)
	}
	if len(batches) == 0 {
		return
	}
	entry := rsm.EncodeEntry(make([]byte, 0, size+16+8*len(batches)), rsm.Entry{
		Stamp: stamp, Batches: batches,
	})
	r.touched = true
	if r.engine.Propose(entry) != nil {
		// It leads no more and observe will say so, or it is handing over: everything stays where
		// it is, unsent, and is tried again with the next tick.
		l.stalled = true
		return
	}
	issued := r.clock.issue(r.now)
	assert(issued == stamp, "two stamps for one entry")
	l.flight = append(l.flight[:0], l.queue[:count]...)
	l.queue = slices.Delete(l.queue, 0, count)
	for i := range l.flight {
		l.queueBytes -= len(l.flight[i].encoded)
		l.flight[i].encoded = nil
	}
	if own {
		l.flight = append(l.flight, held{
			node: uint64(r.config.ID), boot: r.config.Boot, number: b.number,
		})
		r.keep(b, requests)
	}
	// The engine appends at once, and a leader never overwrites its log (Figure 3, Leader
	// Append-Only): while it leads in this term, that index is this entry.
	l.flightIndex = r.engine.Status().LastIndex
}

// admitted is the log time at which a batch was encoded, as far as this leader can tell: time on
// the way is not counted, so that a request is refused rather late than early.
func (r *Replica) admitted(stamp uint64, h *held) int64 {
	const bound = 1 << 53 // ms; a peer's number must not wrap around
	return int64(stamp) - int64(min(h.elapsedMs, bound)) - int64(r.now-h.takenAt)
}

// advanceFlight notices that the entry under way is committed.
func (r *Replica) advanceFlight(commit raft.Index) {
	l := r.lead
	if l != nil && l.flightIndex != 0 && commit >= l.flightIndex {
		clear(l.flight)
		l.flight, l.flightIndex = l.flight[:0], 0
	}
}

// stepDown forgets a leadership. Who waits on it is told, so that nobody waits for a retry; what
// was proposed may still be committed, and says so itself when it is applied.
func (r *Replica) stepDown() {
	l := r.lead
	r.lead = nil
	for i := range l.queue {
		if h := &l.queue[i]; h.node != uint64(r.config.ID) {
			r.refuse(raft.NodeID(h.node), h.boot, h.number, rsm.CodeNoLeader)
		}
	}
	for _, a := range append(l.asks, l.round.asks...) {
		if a.from != r.config.ID {
			r.send(a.from, rsm.ReadAnswer{ID: a.id})
		}
	}
}
