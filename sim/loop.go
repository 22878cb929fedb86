package sim

import (
	"drystone/members"
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
	hasty     []rsm.AdminRequest // straight to the core, whether it is their turn or not
	drain     bool
	submits   []submit
	reads     []read
	cancels   []replica.Ticket
	ticked    bool
}

type received struct {
	from        raft.NodeID
	incarnation string
	message     wire.Message
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
		shipped: p.shipped[:0], transfers: p.transfers[:0], hasty: p.hasty[:0],
		submits: p.submits[:0], reads: p.reads[:0], cancels: p.cancels[:0],
	}
}

// wake lets the loop run: at once, or after a while in which more may gather.
func (h *host) wake() {
	w := h.world
	if h.paused {
		return // the tick that it misses wakes it when it goes on
	}
	if w.plan.loopDelay == 0 && !h.looping {
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
	h.looping = true
	defer func() { h.looping = false }()
	if h.record.short.Index > 0 {
		defer h.misses()
	}
	now, ticked := h.clock(), h.pile.ticked
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
	if ticked && h.ticks%stewardEvery == 0 {
		h.onSteward(now)
	}
}

func (h *host) feed(now uint64) {
	p, r := &h.pile, h.replica
	if p.persisted > 0 {
		r.Persisted(p.persisted)
	}
	for i := range p.received {
		m := &p.received[i].message
		if !h.speaks(&p.received[i]) {
			continue
		}
		if m.Raft != nil {
			h.step(now, m.Raft)
		} else if !h.onAdmin(p.received[i].from, m.Peer, now) {
			r.Receive(now, p.received[i].from, m.Peer)
		}
	}
	for _, id := range p.lost {
		if id == h.heard.leader {
			h.heard = heard{}
		}
		r.Lost(now, id)
	}
	h.feedApplied(now)
	for _, meta := range p.saved {
		r.Compact(meta)
		// A received snapshot may be the log's beginning by now, and its Append not durable yet.
		h.releaseBefore(min(h.core.Status().FirstIndex, meta.LastIncludedIndex+1))
	}
	for _, s := range p.shipped {
		r.Shipped(s.to, s.meta, s.ok)
	}
	for _, to := range p.transfers {
		// It may lead no more, or hand over already: then this one is void.
		_ = r.Transfer(to)
	}
	for _, q := range p.hasty {
		h.hurry(q)
	}
	if p.ticked {
		h.administerDue(now)
	}
	if p.drain {
		r.Drain()
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
		h.sendPeer(fx.Forward[i].To, fx.Forward[i].Body)
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
	h.send(m.To, wire.Message{Raft: h.vaguer(m)})
}

// send puts a message on the connection to a peer; without one it is lost.
func (h *host) send(to raft.NodeID, m wire.Message) (p packet, sent bool) {
	w := h.world
	if to == h.id || to == 0 {
		w.fail("Addressing", "n%d sends to n%d", h.id, to)
	}
	machine := h.machineOf(to)
	if machine < 0 {
		return packet{}, false
	}
	c := h.contact(to)
	if c.out == 0 {
		return packet{}, false
	}
	p = packet{from: h.index, to: c.outTo, kind: packetMessage, link: c.out,
		directory: h.record, addressee: c.outIs, body: w.encode(m)}
	w.send(p)
	return p, true
}

// step takes a message of consensus, but for one that asks for a snapshot which this disk does not
// hold.
func (h *host) step(now uint64, m *raft.Message) {
	if s, asks := m.Body.(raft.InstallSnapshot); asks &&
		s.Meta.LastIncludedIndex > h.core.Status().Commit && !h.store.Holds(s.Meta) {
		return
	}
	before := h.world.check.beforeStep(h, m)
	h.replica.Step(now, *m)
	h.world.check.stepped(h, m, before)
}

// speaks says whether a peer's number is that of the directory it speaks with.
func (h *host) speaks(r *received) bool {
	f := h.seen.inForce
	return f == nil || members.Speaks(f.Members, f.roster, uint64(r.from), r.incarnation)
}

// hurry asks the core for a change at once, as no node does: whether it is its turn, whether this
// leader has committed anything. The core refuses, or nothing goes wrong.
func (h *host) hurry(q rsm.AdminRequest) {
	w, s := h.world, h.core.Status()
	plan, verdict := members.PlanFor(q, w.plan.raft.ElectionTicks)
	if verdict != nil {
		return
	}
	to, verdict := members.Target(s, plan, h.addressBook())
	if verdict != nil || len(to.Voters) == 0 {
		return
	}
	switch h.replica.Reconfigure(to) {
	case raft.ErrTermNotCommitted:
		w.reach(markTooEarly)
	case raft.ErrChangePending:
		w.reach(markPending)
	}
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
