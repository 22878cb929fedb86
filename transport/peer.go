package transport

import (
	"context"
	"net"
	"sync"

	"drystone/raft"
	"drystone/wire"
)

// idleQueueBytes bounds what waits while a connection is still being dialled: enough for the
// votes of a first election, too little to flood a peer that returns after hours.
const idleQueueBytes = 1 << 20

// peer is one other node: the connection to it, the one from it, and what waits to be sent.
type peer struct {
	t    *Transport
	id   raft.NodeID
	wake chan struct{} // something is queued
	kick chan struct{} // it lives: dial now

	events sync.Mutex // held over Met and Lost, so that they come one at a time; before mu

	mu       sync.Mutex
	address  string
	cancel   context.CancelFunc // ends the dialer; nil: none
	in, out  *link
	bulks    map[*link]struct{} // connections that carry snapshots
	hello    wire.Hello         // of the last handshake that both accepted
	met      bool
	lost     bool // Lost was told since
	refusal  wire.HelloReply
	queue    queue
	counters peerCounters
}

// link is one established connection.
type link struct {
	conn   net.Conn
	hello  wire.Hello
	broken chan struct{} // closed when it is of no more use
	once   sync.Once
}

func newLink(conn net.Conn, h wire.Hello) *link {
	return &link{conn: conn, hello: h, broken: make(chan struct{})}
}

func (l *link) close() {
	l.once.Do(func() {
		close(l.broken)
		l.conn.Close()
	})
}

func newPeer(t *Transport, id raft.NodeID) *peer {
	return &peer{t: t, id: id, wake: make(chan struct{}, 1), kick: make(chan struct{}, 1)}
}

// dialTo keeps a connection to address from now on. Called with t.mu held.
func (p *peer) dialTo(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel != nil {
		if p.address != address {
			p.address = address
			signal(p.kick)
		}
		return
	}
	p.address = address
	ctx, cancel := context.WithCancel(p.t.ctx)
	p.cancel = cancel
	p.t.running.Go(func() { p.dial(ctx) })
}

// undial ends the dialer and both connections, quietly.
func (p *peer) undial() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel == nil {
		return
	}
	p.cancel()
	p.cancel = nil
	p.counters.dropped += uint64(p.queue.clear())
	for _, l := range []*link{p.in, p.out} {
		if l != nil {
			l.close()
		}
	}
	p.in, p.out = nil, nil
	p.closeBulks(nil)
}

func (p *peer) send(messages []wire.Message) {
	p.mu.Lock()
	if p.cancel == nil {
		p.counters.dropped += uint64(len(messages))
		p.mu.Unlock()
		return
	}
	limit := p.t.config.MaxQueueBytes
	if p.out == nil {
		limit = min(limit, idleQueueBytes)
	}
	dropped := 0
	for _, m := range messages {
		dropped += p.queue.push(m, limit, p.t.config.MaxFrameBytes)
	}
	p.counters.dropped += uint64(dropped)
	connected := p.out != nil
	p.mu.Unlock()
	signal(p.wake)
	if dropped > 0 && connected {
		p.t.warn("dropped", p.id, "messages to a peer were dropped: it takes them slower than "+
			"they come, or one is too large", "peer", p.id, "messages", dropped)
	}
}

// stale says whether h comes from behind a boot that was already met: a straggler of a process
// that is gone, or a directory that was set back to an older copy of itself. What that copy has
// forgotten it acknowledged and voted for, so it is not let in.
func (p *peer) stale(h wire.Hello) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.staleLocked(h)
}

func (p *peer) staleLocked(h wire.Hello) bool {
	return p.met && h.Incarnation == p.hello.Incarnation && h.Boot < p.hello.Boot
}

// establish makes l the peer's connection in its direction and tells the Handler. It is false,
// and l closed, when l has been overtaken meanwhile.
func (p *peer) establish(ctx context.Context, l *link, inbound bool) bool {
	p.events.Lock()
	defer p.events.Unlock()
	p.mu.Lock()
	if ctx.Err() != nil || p.staleLocked(l.hello) {
		p.mu.Unlock()
		l.close()
		return false
	}
	lost := false
	var overtaken []*link
	if p.met && (l.hello.Boot != p.hello.Boot || l.hello.Incarnation != p.hello.Incarnation) {
		// A new process speaks, so the old one's connections are dead, also where no reset has
		// told so yet.
		lost = !p.lost && (p.in != nil || p.out != nil)
		overtaken = append(overtaken, p.in, p.out)
		p.in, p.out = nil, nil
		p.closeBulks(&l.hello)
		p.counters.dropped += uint64(p.queue.clear())
		if lost {
			p.counters.breaks++
		}
	}
	side := &p.out
	if inbound {
		side = &p.in
	}
	overtaken = append(overtaken, *side)
	*side = l
	p.hello, p.met, p.lost = l.hello, true, false
	if !inbound {
		p.refusal = wire.HelloReply{}
		select {
		case <-p.kick:
		default:
		}
	}
	p.mu.Unlock()
	for _, old := range overtaken {
		if old != nil {
			old.close()
		}
	}
	if lost {
		p.t.handler.Lost(p.id)
	}
	p.t.handler.Met(l.hello)
	return true
}

// breaks ends l and, if it was in use, tells the Handler.
func (p *peer) breaks(l *link, cause error) {
	p.events.Lock()
	defer p.events.Unlock()
	p.mu.Lock()
	used := true
	switch l {
	case p.in:
		p.in = nil
	case p.out:
		p.out = nil
		p.counters.dropped += uint64(p.queue.clear())
	default:
		used = false
	}
	tell := used && !p.lost && p.t.ctx.Err() == nil
	if tell {
		p.lost = true
		p.counters.breaks++
	}
	p.mu.Unlock()
	l.close()
	if tell {
		p.t.log.Info("connection with a peer broke", "peer", p.id, "cause", cause)
		p.t.handler.Lost(p.id)
	}
}

// lives makes the dialer try at once, unless it is connected.
func (p *peer) lives() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out == nil {
		signal(p.kick)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
