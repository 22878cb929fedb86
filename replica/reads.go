package replica

import (
	"slices"

	"drystone/raft"
	"drystone/rsm"
)

// NeverHeardMs is the StaleMs of a stale read on a node that has not heard a leader since it
// started. It is the largest integer that JSON's numbers hold exactly.
const NeverHeardMs = 1<<53 - 1

// reads are this node's own. Linearizable ones wait for a round: the leader names its commitIndex
// once a majority has confirmed that it still led after the round began (thesis §6.4). One round
// at a time, for all that wait when it begins; those that come later may not join it, because its
// index may be older than they are.
type reads struct {
	waiting []reader
	round   struct {
		readers []reader
		id      uint64 // 0: not asked yet, or the answer was no
		askedAt uint64
	}
	refused bool     // the leader said no: wait for another, or for RetryMs
	granted []reader // need is known: they wait for that to be applied
	counter uint64   // of ids
}

// reader is one read.
type reader struct {
	ticket     Ticket
	kind       rsm.QueryKind
	query      []byte
	deadline   uint64
	need       uint64 // the index that must be applied before
	stale      bool
	maxStaleMs uint64
}

func (q *reads) len() int { return len(q.waiting) + len(q.round.readers) + len(q.granted) }

// ask is somebody's wish for a read index.
type ask struct {
	from raft.NodeID
	id   uint64 // theirs
}

// readRound is a question under way in a leader's engine, for everybody who had asked.
type readRound struct {
	id      uint64 // ours; 0: none
	asks    []ask
	askedAt uint64
}

// Read hands in a read. It comes out in Effects.Queries once it may run, or in Effects.ReadFailed,
// by timeoutMs from now at the latest; 0 waits for ever. A stale read that has nothing to wait for
// comes out at once.
func (r *Replica) Read(now uint64, t Ticket, q []byte, opts rsm.ReadOptions, timeoutMs uint64) {
	r.advance(now)
	rd := reader{
		ticket: t, kind: opts.Kind, query: q, deadline: r.deadline(timeoutMs), need: opts.MinIndex,
	}
	size := readBytes(&rd)
	switch {
	case r.draining:
		r.failed = append(r.failed, ReadFailed{Ticket: t, Code: rsm.CodeDraining})
		return
	case r.inflightBytes+size > r.config.MaxInflightBytes:
		r.failed = append(r.failed, ReadFailed{Ticket: t, Code: rsm.CodeOverload})
		return
	}
	r.inflightBytes += size
	r.earliest = min(r.earliest, rd.deadline)
	if opts.Consistency == rsm.Linearizable {
		r.reads.waiting = append(r.reads.waiting, rd)
		return
	}
	rd.stale, rd.maxStaleMs = true, opts.MaxStaleMs
	r.observe()
	if rd.maxStaleMs != 0 && r.quietMs() > rd.maxStaleMs {
		r.failRead(&rd, rsm.CodeNoLeader)
		return
	}
	r.reads.granted = append(r.reads.granted, rd)
	r.serveReads()
}

func readBytes(rd *reader) int { return requestOverheadBytes + len(rd.query) }

// quietMs is how long no leader was heard. On a leader it is 0, by as much as check-quorum lets a
// leader that lost its majority believe.
func (r *Replica) quietMs() uint64 {
	if !r.heard {
		return NeverHeardMs
	}
	// A process that was stopped had no ticks meanwhile, but its clock went on.
	return max(r.now-r.heardAt, uint64(r.status.QuietTicks)*r.config.TickMs)
}

// nextReadID is never used twice, over all boots and whoever asked. A repeated id would let an
// answer to an old question, late in the network, confirm a new one: a stale read.
func (r *Replica) nextReadID() uint64 {
	assert(r.reads.counter < 1<<32-1 && r.config.Boot < 1<<32, "read ids are used up")
	r.reads.counter++
	return r.config.Boot<<32 | r.reads.counter
}

// askReads begins a round for what waits, or begins it anew after a no or a change of leader.
func (r *Replica) askReads() {
	q := &r.reads
	if len(q.round.readers) == 0 && len(q.waiting) > 0 {
		q.round.readers, q.waiting = q.waiting, q.round.readers[:0]
	}
	if len(q.round.readers) > 0 && q.round.id == 0 && r.route.leader != 0 && !q.refused {
		q.round.id, q.round.askedAt = r.nextReadID(), r.now
		if r.route.leader == r.config.ID {
			r.onReadAsk(r.config.ID, q.round.id)
		} else {
			r.send(r.route.leader, rsm.ReadAsk{ID: q.round.id})
		}
	}
	l := r.lead
	if !r.leads() || l.round.id != 0 || len(l.asks) == 0 {
		return
	}
	id := r.nextReadID()
	r.touched = true
	if r.engine.Read(id) == nil {
		l.round = readRound{id: id, asks: l.asks, askedAt: r.now}
		l.asks = nil
	}
}

// onReadAsk joins the next round of this leader. A node asks one thing at a time, so a later
// question replaces its earlier one.
func (r *Replica) onReadAsk(from raft.NodeID, id uint64) {
	r.observe()
	l := r.lead
	if l == nil {
		r.send(from, rsm.ReadAnswer{ID: id})
		return
	}
	at := slices.IndexFunc(l.asks, func(a ask) bool { return a.from == from })
	switch {
	case at < 0:
		l.asks = append(l.asks, ask{from: from, id: id})
	case l.asks[at].id < id:
		l.asks[at].id = id
	}
}

// onReadGrants answers everybody whose round is confirmed.
func (r *Replica) onReadGrants(grants []raft.ReadGrant) {
	for _, g := range grants {
		l := r.lead
		if l == nil || g.ID != l.round.id {
			continue // of a past leadership, or of a round begun anew
		}
		asks := l.round.asks
		l.round = readRound{}
		for _, a := range asks {
			m := rsm.ReadAnswer{ID: a.id, Index: uint64(g.Index), OK: true}
			if a.from == r.config.ID {
				r.onReadAnswer(m)
			} else {
				r.send(a.from, m)
			}
		}
	}
}

// onReadAnswer ends this node's round, if it is the answer to that.
func (r *Replica) onReadAnswer(m rsm.ReadAnswer) {
	round := &r.reads.round
	if m.ID != round.id || round.id == 0 {
		return
	}
	round.id = 0
	if !m.OK {
		r.reads.refused = true
		return
	}
	for i := range round.readers {
		rd := round.readers[i]
		rd.need = max(rd.need, m.Index)
		r.reads.granted = append(r.reads.granted, rd)
	}
	clear(round.readers)
	round.readers = round.readers[:0]
}

// rerouteReads asks again, with fresh ids, when there is another leader or another term.
func (r *Replica) rerouteReads() {
	r.reads.round.id, r.reads.refused = 0, false
}

// retryReads gives up on questions that were not answered for RetryMs.
func (r *Replica) retryReads() {
	round := &r.reads.round
	if r.now-round.askedAt >= r.config.RetryMs {
		round.id, r.reads.refused = 0, false
	}
	if l := r.lead; l != nil && l.round.id != 0 && r.now-l.round.askedAt >= r.config.RetryMs {
		l.round = readRound{} // whoever had asked asks again
	}
}

// serveReads lets go what needs nothing that was not handed out to be applied.
func (r *Replica) serveReads() {
	q := &r.reads
	kept := q.granted[:0]
	for i := range q.granted {
		rd := q.granted[i]
		if rd.need > r.handed {
			kept = append(kept, rd)
			continue
		}
		query := Query{Ticket: rd.ticket, Kind: rd.kind, Query: rd.query}
		if rd.stale {
			query.StaleMs = r.quietMs()
			if rd.maxStaleMs != 0 && query.StaleMs > rd.maxStaleMs {
				r.failRead(&rd, rsm.CodeNoLeader)
				continue
			}
		}
		r.inflightBytes -= readBytes(&rd)
		r.queries = append(r.queries, query)
	}
	clear(q.granted[len(kept):])
	q.granted = kept
}

func (r *Replica) failRead(rd *reader, c rsm.Code) {
	r.inflightBytes -= readBytes(rd)
	r.failed = append(r.failed, ReadFailed{Ticket: rd.ticket, Code: c})
}

// failReads fails all reads.
func (r *Replica) failReads(c rsm.Code) {
	r.removeReads(func(rd *reader) bool { r.failRead(rd, c); return true })
}

// expireReads fails the reads whose deadline is at or before until.
func (r *Replica) expireReads(until uint64) {
	r.removeReads(func(rd *reader) bool {
		if rd.deadline > until {
			r.earliest = min(r.earliest, rd.deadline)
			return false
		}
		r.failRead(rd, rsm.CodeNoLeader)
		return true
	})
}

func (r *Replica) cancelRead(t Ticket) {
	r.removeReads(func(rd *reader) bool {
		if rd.ticket != t {
			return false
		}
		r.inflightBytes -= readBytes(rd)
		return true
	})
}

func (r *Replica) removeReads(gone func(*reader) bool) {
	remove := func(rd reader) bool { return gone(&rd) }
	q := &r.reads
	q.waiting = slices.DeleteFunc(q.waiting, remove)
	q.round.readers = slices.DeleteFunc(q.round.readers, remove)
	q.granted = slices.DeleteFunc(q.granted, remove)
	if len(q.round.readers) == 0 {
		q.round.id = 0
	}
}
