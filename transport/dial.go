package transport

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"drystone/wire"
)

const (
	dialTimeout = 2 * time.Second

	// A peer that does not answer is dialled again after a pause drawn from the upper half of one
	// that doubles between these two; a process that starts is met within the first.
	dialPauseMin = 40 * time.Millisecond
	dialPauseMax = 200 * time.Millisecond

	// A peer that refuses is asked again seldom: people must act first.
	refusedPause = time.Second

	// A connection that held for less counts as a failed dial, so that a peer that accepts and
	// closes is not dialled in a tight loop.
	shortLife = time.Second

	// So many failures in a row are worth a word; fewer are a process that starts.
	failuresToWarn = 20

	// So much is encoded and written at a time, or one message: what is urgent waits no longer
	// than for that.
	burstBytes = 256 << 10

	maxWriteBytes = 1 << 20 // in one write, under one deadline

	// A buffer may be as large as this to be kept when nothing waits: fresh memory is dear, but one
	// burst must not be paid for for ever.
	keepBytes = 5 << 20
)

var errRefused = errors.New("refused")

func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	return d.DialContext(ctx, "tcp", address)
}

// dial keeps a connection to the peer until ctx ends, and writes what is queued.
func (p *peer) dial(ctx context.Context) {
	failures := 0
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-p.kick:
		case <-ctx.Done():
			return
		}
		l, err := p.connect(ctx)
		began := time.Now()
		if err == nil {
			p.write(ctx, l)
		}
		if ctx.Err() != nil {
			return
		}
		switch {
		case errors.Is(err, errRefused):
			pause.Reset(refusedPause + rand.N(refusedPause/2))
			continue
		case err == nil && time.Since(began) >= shortLife:
			failures = 0
			pause.Reset(0)
			continue
		case err != nil:
			p.failedDial(err, failures)
		}
		failures++
		longest := min(dialPauseMin<<min(failures-1, 8), dialPauseMax)
		pause.Reset(longest/2 + rand.N(longest/2))
	}
}

// failedDial takes with it what waited for it: a peer that comes back later needs none of that.
func (p *peer) failedDial(err error, failures int) {
	p.mu.Lock()
	p.counters.dropped += uint64(p.queue.clear())
	p.counters.failedDials++
	address := p.address
	p.mu.Unlock()
	level := p.t.log.Debug
	if failures == failuresToWarn {
		level = p.t.log.Warn
	}
	level("a peer does not answer", "peer", p.id, "address", address, "cause", err)
}

// connect dials once and shakes hands. errRefused: one of the two sides does not want the other.
func (p *peer) connect(ctx context.Context) (*link, error) {
	p.mu.Lock()
	address := p.address
	p.counters.dials++
	p.mu.Unlock()
	conn, err := p.t.config.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	h, err := p.introduce(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	l := newLink(conn, h)
	if !p.establish(ctx, l, false) {
		return nil, errors.New("overtaken by a newer connection")
	}
	p.t.log.Info("connected to a peer", "peer", p.id, "address", address)
	return l, nil
}

// introduce is the handshake of a connection for messages.
func (p *peer) introduce(conn net.Conn) (wire.Hello, error) {
	shaken, err := p.t.shake(conn, p.id, 0)
	if shaken.theirs.Code != wire.HelloOK {
		p.refusedBy(shaken.theirs)
	}
	if shaken.ours.Code != wire.HelloOK {
		p.setRefusal(shaken.ours)
	}
	return shaken.hello, err
}

// refusedBy notes that the peer does not take this node.
func (p *peer) refusedBy(reply wire.HelloReply) {
	p.setRefusal(reply)
	p.t.counters.refusedBy.Add(1)
	p.t.warn("refused by", p.id, "a peer refuses this node", "peer", p.id, "code", reply.Code,
		"detail", reply.Detail)
	p.t.handler.Refused(p.id, reply)
}

func (p *peer) setRefusal(reply wire.HelloReply) {
	reply.Hello = wire.Hello{}
	p.mu.Lock()
	p.refusal = reply
	p.counters.dropped += uint64(p.queue.clear())
	p.mu.Unlock()
}

// write sends what is queued, a burst in one write, until the connection breaks or ctx ends.
func (p *peer) write(ctx context.Context, l *link) {
	stop := context.AfterFunc(ctx, l.close)
	defer stop()
	defer func() {
		l.close()
		p.mu.Lock()
		p.queue.writing = 0
		p.mu.Unlock()
	}()
	p.t.running.Go(func() { p.watch(l) })
	var messages []wire.Message
	var frames []byte
	for {
		p.mu.Lock()
		messages = p.queue.take(messages[:0], burstBytes)
		p.mu.Unlock()
		if len(messages) == 0 {
			if cap(frames) > keepBytes {
				frames = nil
			}
			select {
			case <-p.wake:
				continue
			case <-l.broken:
				return
			}
		}
		frames = frames[:0]
		for _, m := range messages {
			frames = wire.AppendFrame(frames, m)
		}
		clear(messages)
		if err := p.writeAll(l, frames); err != nil {
			p.breaks(l, err)
			return
		}
		p.mu.Lock()
		p.queue.writing = 0
		p.counters.sentFrames += uint64(len(messages))
		p.counters.sentBytes += uint64(len(frames))
		p.mu.Unlock()
	}
}

func (p *peer) writeAll(l *link, frames []byte) error {
	for len(frames) > 0 {
		piece := frames[:min(len(frames), maxWriteBytes)]
		l.conn.SetWriteDeadline(time.Now().Add(p.t.config.WriteTimeout))
		if _, err := l.conn.Write(piece); err != nil {
			return err
		}
		frames = frames[len(piece):]
	}
	return nil
}

// watch learns that the connection broke from the side on which nothing ever arrives, before a
// write would.
func (p *peer) watch(l *link) {
	var b [1]byte
	_, err := l.conn.Read(b[:])
	if err == nil {
		p.t.counters.badFrames.Add(1)
		err = errors.New("the acceptor of a connection sent something")
	}
	p.breaks(l, err)
}
