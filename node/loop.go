package node

import (
	"errors"
	"time"

	"drystone/members"
	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
	"drystone/wire"
)

// observeEvery bounds how old the status may be, in ms.
const observeEvery = 5

// loop is the only goroutine that touches the replica: take what gathered, feed it, carry out
// what comes of it. It never waits for disk, peers or the machine, so neither do heartbeats.
func (n *core) loop() {
	ticker := time.NewTicker(n.config.tick())
	defer ticker.Stop()
	var p pile
	out := outbox{peers: n.peers}
	draining, drained, observedAt := false, false, uint64(0)
	var leaving handover
	for {
		ticked := false
		select {
		case <-n.stop:
			n.abandon()
			return
		case <-ticker.C:
			ticked = true
		case <-n.inbox.wake:
		}
		p = n.inbox.take(p.emptied())
		now := n.now()
		n.feed(now, &p)
		draining = draining || p.drain
		if ticked {
			n.replica.Tick(now)
		}
		mayGo := draining && !drained && leaving.done(n, now)
		for {
			fx, more := n.replica.Ready(now)
			if !more {
				break
			}
			n.carryOut(fx, &out)
		}
		if ticked || now >= observedAt+observeEvery {
			n.observe(now)
			observedAt = now
		}
		// What nobody waits for needs no waiting for: what was sent goes its way without this node,
		// and what peers sent here they send again to whoever leads next.
		if mayGo && n.waiters.none() {
			close(n.drained)
			drained = true
		}
		if n.replica.Fenced() {
			n.fail(errFenced)
		}
	}
}

var errFenced = errors.New("another process has started as this node, with a copy of its data " +
	"directory: this one can take no requests any more")

// abandon answers everybody who still waits: what was applied meanwhile is applied, what never
// left this node never will, of the rest it is not known.
func (n *core) abandon() {
	now := n.now()
	rest := n.inbox.close()
	rest.received, rest.lost, rest.drain = nil, nil, true
	n.feed(now, &rest)
	n.replica.Abandon()
	for {
		fx, more := n.replica.Ready(now)
		if !more {
			break
		}
		n.answer(fx)
	}
	n.observe(now)
	close(n.ended)
}

func (n *core) feed(now uint64, p *pile) {
	if p.persisted > 0 {
		n.replica.Persisted(p.persisted)
	}
	for _, r := range p.received {
		if !n.speaks(r) {
			continue
		}
		for _, m := range r.messages {
			if m.Raft != nil {
				if n.stands(m.Raft) {
					n.replica.Step(now, *m.Raft)
				}
			} else if !n.onAdmin(r.from, m.Peer) {
				n.replica.Receive(now, r.from, m.Peer)
			}
		}
	}
	for _, id := range p.lost {
		n.replica.Lost(now, id)
	}
	n.feedApplied(now, p)
	for _, meta := range p.saved {
		n.replica.Compact(meta)
		// A received snapshot may be the log's beginning by now, and its Append not durable yet.
		n.writer.releaseBefore(min(n.replica.Status().FirstIndex, meta.LastIncludedIndex+1))
	}
	for _, s := range p.shipped {
		n.replica.Shipped(s.to, s.meta, s.ok)
	}
	for _, call := range p.calls {
		call()
	}
	if p.drain {
		n.replica.Drain()
	}
	for _, s := range p.submits {
		s.serial.Store(n.replica.Submit(now, s.ticket, s.request, s.timeoutMs))
	}
	for _, r := range p.reads {
		n.replica.Read(now, r.ticket, r.query, r.options, r.timeoutMs)
	}
	for _, t := range p.cancels {
		n.replica.Cancel(t)
	}
}

// speaks says whether a peer's number is that of the directory it speaks with.
func (n *core) speaks(r received) bool {
	s := n.replica.Status()
	n.inForce.Follow(s.Members)
	return members.Speaks(s.Members, n.inForce.Roster, uint64(r.from), r.incarnation)
}

// carryOut does what the replica decided. What may leave before it is durable leaves first, so
// that the network and the disk work side by side (thesis §10.2.1).
func (n *core) carryOut(fx replica.Effects, out *outbox) {
	for i := range fx.Send {
		out.add(fx.Send[i].To, wire.Message{Raft: &fx.Send[i]})
	}
	for _, f := range fx.Forward {
		out.add(f.To, wire.Message{Peer: f.Body})
	}
	out.flush()
	if fx.Append.Seq != 0 {
		n.writer.push(fx.Append)
	}
	n.applier.push(task{entries: fx.Apply, queries: fx.Queries})
	n.shipper.push(fx.Ship)
	n.answer(fx)
}

// answer gives callers what the replica has for them.
func (n *core) answer(fx replica.Effects) {
	if len(fx.Answers) > 0 {
		n.waiters.wake(len(fx.Answers), func(i int) (replica.Ticket, answer) {
			return fx.Answers[i].Ticket, answer{result: fx.Answers[i].Result}
		})
	}
	if len(fx.ReadFailed) > 0 {
		n.waiters.wake(len(fx.ReadFailed), func(i int) (replica.Ticket, answer) {
			f := fx.ReadFailed[i]
			return f.Ticket, answer{read: rsm.ReadResult{Code: f.Code}}
		})
	}
}

// send hands messages to the transport; called by the writer for what a write released.
func (n *core) send(messages []raft.Message) {
	if len(messages) == 0 {
		return
	}
	out := outbox{peers: n.peers}
	for i := range messages {
		out.add(messages[i].To, wire.Message{Raft: &messages[i]})
	}
	out.flush()
}

// outbox groups messages by receiver, so that one burst is one packet a peer.
type outbox struct {
	peers sender
	to    []raft.NodeID
	boxes [][]wire.Message
}

func (o *outbox) add(to raft.NodeID, m wire.Message) {
	for i, id := range o.to {
		if id == to {
			o.boxes[i] = append(o.boxes[i], m)
			return
		}
	}
	o.to = append(o.to, to)
	o.boxes = append(o.boxes, []wire.Message{m})
}

func (o *outbox) flush() {
	for i, box := range o.boxes {
		if len(box) > 0 {
			o.peers.Send(o.to[i], box)
			clear(box)
			o.boxes[i] = box[:0]
		}
	}
}
