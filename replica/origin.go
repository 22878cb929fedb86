package replica

import (
	"drystone/raft"
	"drystone/rsm"
)

// unackedBatches is how many batches of a node may be without a result. While they are, new
// requests gather into the next one.
const unackedBatches = 4

// retryMaxFactor bounds how rarely a batch without progress is sent again, in RetryMs: a node that
// lags behind the log must not fill it with copies.
const retryMaxFactor = 16

// origin is this node's own stream of requests: numbered batches that are applied strictly in
// order (rsm's node session), and so may be sent any number of times, to any leader. What was sent
// once is sent again unchanged until its result comes out of this node's own apply stream.
type origin struct {
	pending  queue
	ring     []outBatch // sent and not done, ascending and without a gap; at most unackedBatches
	sent     int        // those of ring that went to the current route
	last     uint64     // number of the newest batch
	serial   uint64     // of the newest request
	settings bool       // a request for Settings is in the stream
	orphans  []uint64   // serials of requests with results, whose callers were told Unknown before

	sentAt  uint64 // when anything was last sent, or done
	retryMs uint64 // the wait before the next attempt
	blocked bool   // the leader refused: wait for another, or for retryMs
	gap     uint64 // the newest batch that came out behind a missing one, since the last rewind
	rewound uint64 // the oldest batch when a gap made the stream start over
}

// outBatch is a batch that may be in somebody's log.
type outBatch struct {
	number    uint64
	encoded   []byte // immutable: transports and other replicas may hold it
	encodedAt uint64
	waiters   []waiter // by position of the request
	bytes     int      // counted against MaxInflightBytes
}

// Submit hands in a request. Its answer comes in Effects.Answers, exactly once unless it is
// cancelled, by timeoutMs from now at the latest (or with the next Tick, if that is later); 0
// waits for ever. Identity, Kind and Command are the caller's; Serial and BudgetMs are set here.
// Command must not change afterwards. It returns the serial, which names the request in this boot
// of this node.
func (r *Replica) Submit(now uint64, t Ticket, q rsm.Request, timeoutMs uint64) uint64 {
	r.advance(now)
	o := &r.origin
	o.serial++
	q.Serial, q.BudgetMs = o.serial, 0
	w := waiter{ticket: t, serial: q.Serial, deadline: r.deadline(timeoutMs)}
	size := requestBytes(&q)
	switch {
	case r.fenced:
		r.answer(&w, notApplied(rsm.CodeQuarantined))
	case r.draining:
		r.answer(&w, notApplied(rsm.CodeDraining))
	case r.inflightBytes+size > r.config.MaxInflightBytes:
		r.answer(&w, notApplied(rsm.CodeOverload))
	default:
		r.inflightBytes += size
		r.earliest = min(r.earliest, w.deadline)
		o.pending.push(q, w)
	}
	return q.Serial
}

// mayCut says whether a new batch may be made. Nothing of a new cluster goes before its settings:
// the first batch in a log begins with them, because a node sends nothing else until it has seen a
// command in the log, or has put the settings into its own stream.
func (r *Replica) mayCut() bool {
	o := &r.origin
	return (r.settled || o.settings) && len(o.ring) < unackedBatches && o.pending.len() > 0
}

// proposeSettings puts the settings into the stream of the first leader, before everything else.
func (r *Replica) proposeSettings() {
	o := &r.origin
	if r.settled || o.settings || r.fenced {
		return
	}
	o.settings = true
	// It has no serial: it overtakes what waits, and serials ascend in the stream.
	q := rsm.Request{
		Kind: rsm.SettingsCommand,
		Command: rsm.EncodeSettings(nil, rsm.SettingsChange{
			IfUnset: true, Settings: r.config.Settings,
		}),
	}
	r.inflightBytes += requestBytes(&q)
	o.pending.pushFront(q, waiter{deadline: never, internal: true})
}

// cut encodes what waits, up to limit bytes, as the next batch. Nothing changes until keep: a
// batch that was not sent leaves its requests where they were, and takes no number.
func (r *Replica) cut(limit int, admitted int64) (b outBatch, count int) {
	o := &r.origin
	requests, waiters, size := o.pending.fit(limit)
	assert(len(requests) > 0, "cut of an empty queue")
	for i := range requests {
		if d := waiters[i].deadline; d != never {
			assert(d > r.now, "cut of a request past its deadline")
			requests[i].BudgetMs = d - r.now
		}
	}
	b = outBatch{
		number:    o.last + 1,
		encodedAt: r.now,
		waiters:   waiters, // keep copies them
		bytes:     size,
	}
	// Ack is final with the rest: results up to there are with their callers, on this node, but for
	// those of orphans.
	b.encoded = rsm.EncodeBatch(make([]byte, 0, size+64), rsm.Batch{
		Node:     uint64(r.config.ID),
		Boot:     r.config.Boot,
		Number:   b.number,
		Ack:      o.last - uint64(len(o.ring)),
		Keep:     o.orphans,
		Admitted: admitted,
		Requests: requests,
	})
	return b, len(requests)
}

// keep makes a cut final: the batch left, or is about to.
func (r *Replica) keep(b outBatch, count int) {
	o := &r.origin
	b.waiters = append(make([]waiter, 0, count), b.waiters...)
	o.pending.take(count)
	o.orphans = nil
	o.last = b.number
	o.ring = append(o.ring, b)
	o.sent++
	o.sentAt = r.now
	assert(o.sent == len(o.ring), "a new batch overtook an older one")
}

// sendForwards sends the stream to another node that leads.
func (r *Replica) sendForwards() {
	o := &r.origin
	to := r.route.leader
	if to == 0 || to == r.config.ID || o.blocked || r.fenced {
		return
	}
	for ; o.sent < len(o.ring); o.sent++ {
		r.sendForward(to, &o.ring[o.sent])
	}
	for r.mayCut() {
		b, count := r.cut(r.maxBatchBytes(), 0)
		r.keep(b, count)
		r.sendForward(to, &b)
	}
}

func (r *Replica) sendForward(to raft.NodeID, b *outBatch) {
	r.origin.sentAt = r.now
	r.send(to, rsm.Forward{Batch: b.encoded, ElapsedMs: r.now - b.encodedAt})
}

// maxBatchBytes bounds one batch, so that an entry has room for a leader's own and for others'.
func (r *Replica) maxBatchBytes() int { return r.config.MaxEntryBytes / 2 }

// rerouteBatches starts the stream over: there is another leader, or another term of the same,
// and what the one before had not proposed it has forgotten.
func (r *Replica) rerouteBatches() {
	o := &r.origin
	o.sent, o.blocked, o.retryMs = 0, false, r.config.RetryMs
}

// retryBatches starts the stream over when a leader elsewhere has been silent for too long. A
// leader's own stream needs no timer: its batches are in its log, until it leads no more.
func (r *Replica) retryBatches() {
	o := &r.origin
	elsewhere := r.route.leader != 0 && r.route.leader != r.config.ID
	if !elsewhere || len(o.ring) == 0 || r.now-o.sentAt < o.retryMs {
		return
	}
	o.sent, o.blocked = 0, false
	o.retryMs = min(2*o.retryMs, retryMaxFactor*r.config.RetryMs)
}

// onRefusal: the leader did not take a batch. The others behind it would only make a gap, and what
// was never sent can still be refused with certainty, so nothing leaves until retryMs has passed
// or somebody else leads.
func (r *Replica) onRefusal(from raft.NodeID, m rsm.Refusal) {
	o := &r.origin
	r.observe()
	// A stale refusal: of an earlier boot, by a leader of the past, or of a batch that is done or
	// was not sent to this one.
	if m.Boot != r.config.Boot || from != r.route.leader || o.sent == 0 ||
		m.Number < o.ring[0].number || m.Number > o.ring[o.sent-1].number {
		return
	}
	o.blocked, o.sentAt = true, r.now
}

// onBatchDone takes what the apply stream says of a batch of this boot.
func (r *Replica) onBatchDone(d rsm.BatchDone) {
	o := &r.origin
	if d.Status == rsm.BatchForgotten {
		r.fence()
		return
	}
	// A second copy in the log, or in the log of a second leader: it was answered before.
	if len(o.ring) == 0 || d.Number < o.ring[0].number {
		assert(d.Number <= o.last, "the log holds a batch that was never made")
		return
	}
	switch d.Status {
	case rsm.BatchApplied:
		assert(d.Number == o.ring[0].number, "batches applied out of order")
		assert(len(d.Results) == len(o.ring[0].waiters), "a batch with another's results")
		r.finish(d.Results)
	case rsm.BatchRepeated:
		assert(false, "a batch was applied without its result being seen")
	case rsm.BatchGap:
		o.gap = max(o.gap, d.Number)
	default:
		assert(false, "unknown batch status")
	}
}

// fillGap starts the stream over when batches came out behind a missing one. Many may, one after
// the other, so it happens once for each batch that is missed. It happens again for the next,
// when that has come out as a gap since: a leader that had a copy under way, doomed to come out
// as one, took no second.
func (r *Replica) fillGap() {
	o := &r.origin
	if len(o.ring) > 0 && o.gap >= o.ring[0].number && o.rewound != o.ring[0].number {
		o.rewound, o.gap, o.sent = o.ring[0].number, 0, 0
	}
}

// finish answers the callers of the oldest batch and forgets it. Without results it is unknown
// what became of it.
func (r *Replica) finish(results []rsm.Result) {
	o := &r.origin
	b := &o.ring[0]
	for i := range b.waiters {
		w := &b.waiters[i]
		if results == nil {
			r.answer(w, unknown())
			continue
		}
		if w.orphan {
			o.orphans = append(o.orphans, w.serial)
		}
		r.answer(w, results[i])
	}
	r.inflightBytes -= b.bytes
	n := copy(o.ring, o.ring[1:])
	o.ring[n] = outBatch{}
	o.ring = o.ring[:n]
	o.sent = max(o.sent-1, 0)
	o.sentAt, o.retryMs = r.now, r.config.RetryMs
	o.blocked = o.blocked && n > 0
}

// fence ends the stream for good: a newer boot of this node is in the log, and its retention has
// passed. This process is a ghost of the node; nothing it sends will ever be applied again.
func (r *Replica) fence() {
	r.fenced = true
	for len(r.origin.ring) > 0 {
		r.finish(nil)
	}
	r.dropPending(rsm.CodeQuarantined)
}

// answer gives a caller its outcome, if it still waits.
func (r *Replica) answer(w *waiter, result rsm.Result) {
	if w.gone || w.internal {
		return
	}
	w.gone, w.orphan = true, result.Outcome == rsm.Unknown
	result.Serial = w.serial
	r.answers = append(r.answers, Answer{Ticket: w.ticket, Result: result})
}

func notApplied(c rsm.Code) rsm.Result { return rsm.Result{Outcome: rsm.NotApplied, Code: c} }

func unknown() rsm.Result {
	return rsm.Result{Outcome: rsm.Unknown, Code: rsm.CodeOutcomeUnknown}
}
