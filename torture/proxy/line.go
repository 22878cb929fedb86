// Package proxy is a TCP line that misbehaves on demand: it loses and doubles messages, is late,
// slow or dead in one direction, and breaks in the midst of a message. What runs over it needs not
// know.
package proxy

import (
	"context"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// Faults are what a line does to what goes over it. The zero value does nothing.
type Faults struct {
	// Loss is the share of messages that vanish, and Duplicate of those that come twice, from 0
	// to 1. They are of framed lines only, and of what peers may lose: requests, answers and the
	// parts of a snapshot are never touched, since they count on TCP for it. Where Loss is 1
	// those wait, so that no connection can be made.
	Loss, Duplicate float64
	// Break is the share of those messages at which the connection breaks, in their midst.
	Break float64
	// Delay is how late everything is, at least; twice as much at most. Order stays.
	Delay time.Duration
	// Rate is how many bytes a second pass, in each direction; 0 for all that come.
	Rate int
	// Hold keeps back what the dialer says, and HoldBack what it is told; both come when it ends.
	Hold, HoldBack bool
}

// and is both at once.
func (f Faults) and(g Faults) Faults {
	rate := min(f.Rate, g.Rate)
	if f.Rate == 0 || g.Rate == 0 {
		rate = max(f.Rate, g.Rate)
	}
	return Faults{
		Loss: max(f.Loss, g.Loss), Duplicate: max(f.Duplicate, g.Duplicate),
		Break: max(f.Break, g.Break), Delay: f.Delay + g.Delay, Rate: rate,
		Hold: f.Hold || g.Hold, HoldBack: f.HoldBack || g.HoldBack,
	}
}

const dialTimeout = 2 * time.Second

// Line listens on a port of its own and passes what comes there on to a target. It is safe for
// use by many goroutines.
type Line struct {
	target   string
	framed   bool
	listener net.Listener
	ctx      context.Context
	close    context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex
	imposed map[int]Faults
	next    int
	now     Faults        // all that are imposed
	changed chan struct{} // closed when now is
	pairs   map[*pair]struct{}
}

// Listen opens a line to a target, on a loopback port. A framed line carries the frames of
// package wire from the dialer on, and knows where they begin.
func Listen(target string, framed bool) (*Line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	line := &Line{
		target: target, framed: framed, listener: l, imposed: map[int]Faults{},
		changed: make(chan struct{}), pairs: map[*pair]struct{}{},
	}
	line.ctx, line.close = context.WithCancel(context.Background())
	line.running.Go(line.accept)
	return line, nil
}

// Address is where the line listens.
func (l *Line) Address() string { return l.listener.Addr().String() }

// Impose adds faults to those there are, until lift is called.
func (l *Line) Impose(f Faults) (lift func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := l.next
	l.next++
	l.imposed[id] = f
	l.recount()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.imposed, id)
		l.recount()
	}
}

// recount is called with mu held.
func (l *Line) recount() {
	l.now = Faults{}
	for _, id := range slices.Sorted(maps.Keys(l.imposed)) {
		l.now = l.now.and(l.imposed[id])
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// faults are those in force, and what tells that they no longer are.
func (l *Line) faults() (Faults, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now, l.changed
}

// Cut breaks every connection in the midst of the next thing that the dialer says.
func (l *Line) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pairs {
		p.cut.Store(true)
	}
}

// Close ends the line and all its connections, and returns when nothing of it runs.
func (l *Line) Close() {
	l.close()
	l.listener.Close()
	l.running.Wait()
}

func (l *Line) accept() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		down, err := l.listener.Accept()
		if err == nil {
			l.running.Go(func() { l.serve(down) })
			continue
		}
		// No descriptor is left, or the line is closed.
		pause.Reset(10 * time.Millisecond)
		select {
		case <-pause.C:
		case <-l.ctx.Done():
			return
		}
	}
}

// serve is one connection, from its first byte to its end.
func (l *Line) serve(down net.Conn) {
	d := net.Dialer{Timeout: dialTimeout}
	up, err := d.DialContext(l.ctx, "tcp", l.target)
	if err != nil {
		reset(down)
		return
	}
	p := &pair{line: l, down: down, up: up}
	p.ctx, p.end = context.WithCancel(l.ctx)
	l.mu.Lock()
	l.pairs[p] = struct{}{}
	l.mu.Unlock()
	p.run()
	l.mu.Lock()
	delete(l.pairs, p)
	l.mu.Unlock()
}

// reset closes a connection in a way that the other side sees at once, whatever is still unread.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}
