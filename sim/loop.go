package sim

import (
	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
	"drystone/wire"
)

// pile is what gathered for a node's loop. Its parts are fed in the order of the fields, as
// package node does.
type pile struct {
	persisted uint64
	received  []received
	lost      []raft.NodeID
	applied   []applied
	saved     []raft.SnapshotMeta
	shipped   []shipped
	transfers []raft.NodeID
	submits   []submit
	reads     []read
	cancels   []replica.Ticket
	ticked    bool
}

type received struct {
	from    raft.NodeID
	message wire.Message
}

// applied is what the applier reports: an entry, or the restore of a received snapshot.
type applied struct {
	done     rsm.EntryDone
	restored *rsm.State
	at       rsm.Point
}

type shipped struct {
	to   raft.NodeID
	meta raft.SnapshotMeta
	ok   bool
}

type submit struct {
	ticket    replica.Ticket
	request   rsm.Request
	timeoutMs uint64
}

type read struct {
	ticket    replica.Ticket
	query     []byte
	options   rsm.ReadOptions
	timeoutMs uint64
}

func (p *pile) empty() {
	clear(p.received)
	clear(p.applied)
	clear(p.submits)
	clear(p.reads)
	*p = pile{
		received: p.received[:0], lost: p.lost[:0], applied: p.applied[:0], saved: p.saved[:0],
		shipped: p.shipped[:0], transfers: p.transfers[:0], submits: p.submits[:0], reads: p.reads[:0],
		cancels: p.cancels[:0],
	}
}

// wake lets the loop run: at once, or after a while in which more may gather.
func (h *host) wake() {
	w := h.world
	if h.paused {
		return // the tick that it misses wakes it when it goes on
	}
	if w.plan.loopDelay == 0 {
		h.loop()
		return
	}
	if !h.loopPlanned {
		h.loopPlanned = true
		w.after(w.random.spread(w.plan.loopDelay), evLoop, h, 0, 0)
	}
}

// loop feeds what gathered and carries out what comes of it.
func (h *host) loop() {
	if h.replica == nil {
		return
	}
	now := h.clock()
	h.feed(now)
	for {
		fx, more := h.replica.Ready(now)
		if !more {
			break
		}
		h.world.check.ready(h, &fx)
		h.carryOut(&fx)
	}
	h.world.check.observe(h)
}

func (h *host) feed(now uint64) {
	p, r := &h.pile, h.replica
	if p.persisted > 0 {
		r.Persisted(p.persisted)
	}
	for i := range p.received {
		m := &p.received[i].message
		if m.Raft != nil {
			r.Step(now, *m.Raft)
		} else {
			r.Receive(now, p.received[i].from, m.Peer)
		}
	}
	for _, id := range p.lost {
		r.Lost(now, id)
	}
	h.feedApplied(now)
	for _, meta := range p.saved {
		r.Compact(meta)
		h.releaseBefore(h.core.Status().FirstIndex)
	}
	for _, s := range p.shipped {
		r.Shipped(s.to, s.meta, s.ok)
	}
	for _, to := range p.transfers {
		// It may lead no more, or hand over already: then this one is void.
		_ = r.Transfer(to)
	}
	for i := range p.submits {
		s := &p.submits[i]
		r.Submit(now, s.ticket, s.request, s.timeoutMs)
	}
	for i := range p.reads {
		s := &p.reads[i]
		r.Read(now, s.ticket, s.query, s.options, s.timeoutMs)
	}
	for _, t := range p.cancels {
		r.Cancel(t)
	}
	if p.ticked {
		r.Tick(now)
	}
	p.empty()
}

// feedApplied reports entries in one piece as far as no restore stands between them.
func (h *host) feedApplied(now uint64) {
	h.done = h.done[:0]
	report := func() {
		if len(h.done) > 0 {
			h.replica.AppliedEntries(now, h.done)
		}
		clear(h.done)
		h.done = h.done[:0]
	}
	for i := range h.pile.applied {
		a := &h.pile.applied[i]
		if a.restored == nil {
			h.done = append(h.done, a.done)
			continue
		}
		report()
		state, node, boot := a.restored, uint64(h.id), h.identity.Boot
		h.replica.Restored(now, a.at, func(number uint64) ([]rsm.Result, bool) {
			return state.Lookup(node, boot, number)
		})
	}
	report()
}

func (h *host) carryOut(fx *replica.Effects) {
	w := h.world
	for i := range fx.Send {
		h.sendRaft(&fx.Send[i])
	}
	for i := range fx.Forward {
		h.send(fx.Forward[i].To, wire.Message{Peer: fx.Forward[i].Body})
	}
	if fx.Append.Seq != 0 {
		h.queueAppend(fx.Append)
	}
	h.queueApply(fx.Apply, fx.Queries)
	for _, s := range fx.Ship {
		h.ship(s)
	}
	for i := range fx.Answers {
		w.clients.onAnswer(h, fx.Answers[i].Ticket, &fx.Answers[i].Result)
	}
	for _, f := range fx.ReadFailed {
		w.clients.onRead(h, f.Ticket, &rsm.ReadResult{Code: f.Code})
	}
}

func (h *host) sendRaft(m *raft.Message) {
	h.world.check.leaves(h, m)
	h.send(m.To, wire.Message{Raft: m})
}

func (h *host) send(to raft.NodeID, m wire.Message) {
	w := h.world
	if to == h.id || to == 0 || int(to) > len(w.hosts) {
		w.fail("Addressing", "n%d sends to n%d", h.id, to)
	}
	w.send(packet{from: h.index, to: int(to) - 1, kind: packetMessage,
		body: w.encode(m)})
}

// encode uses room of a larger piece: most messages are short.
func (w *world) encode(m wire.Message) []byte {
	if cap(w.arena)-len(w.arena) < 512 {
		w.arena = make([]byte, 0, 64<<10)
	}
	at := len(w.arena)
	body := wire.EncodeMessage(w.arena[at:at:cap(w.arena)], m)
	if cap(body) == cap(w.arena)-at { // it fitted in
		w.arena = w.arena[:at+len(body)]
	}
	return body[:len(body):len(body)]
}
