package proxy

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"drystone/wire"
)

const (
	chunkBytes = 16 << 10 // read at once from what has no frames
	frameMax   = 64 << 20 // above, it is no frame
	waitingMax = 256      // pieces on the way; above, the sender waits
)

// piece is what is passed on as a whole. One without bytes is the end, which is as late and as
// held back as all else.
type piece struct {
	bytes   []byte
	message bool      // of those that may be lost
	breaks  bool      // the connection breaks in its midst
	broken  bool      // an end that is no orderly one
	due     time.Time // not before
}

// pair is one connection: from the dialer, and on to the target.
type pair struct {
	line     *Line
	down, up net.Conn
	cut      atomic.Bool // break in the midst of the next piece forward
	ctx      context.Context
	end      context.CancelFunc
}

// run passes on in both directions until both have ended or one is broken.
func (p *pair) run() {
	defer p.end()
	stop := context.AfterFunc(p.ctx, func() {
		reset(p.down)
		reset(p.up)
	})
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { p.relay(p.down, p.up, true) })
	both.Go(func() { p.relay(p.up, p.down, false) })
	both.Wait()
	p.down.Close()
	p.up.Close()
}

// relay passes on in one direction: reading and writing are apart, so that what is late does not
// hold up what comes behind it.
func (p *pair) relay(from, to net.Conn, forward bool) {
	waiting := make(chan piece, waitingMax)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(waiting)
		p.read(from, forward, waiting)
	})
	defer reader.Wait()
	if p.write(to, forward, waiting) {
		return
	}
	p.end()
	for range waiting { // the reader ends with its connection
	}
}

// read takes pieces from a connection and decides what becomes of each.
func (p *pair) read(from net.Conn, forward bool, waiting chan<- piece) {
	framed := p.line.framed && forward
	r := bufio.NewReaderSize(from, chunkBytes)
	var last time.Time
	for {
		b, err := nextPiece(r, framed)
		x := piece{bytes: b}
		if framed && len(b) > wire.HeaderBytes {
			_, strange := wire.DecodeMessage(b[wire.HeaderBytes:])
			x.message = strange == nil
		}
		f, _ := p.line.faults()
		if len(b) > 0 && !(x.message && rand.Float64() < f.Loss) {
			x.breaks = x.message && rand.Float64() < f.Break
			x.due = later(last, f.Delay)
			last = x.due
			waiting <- x
			if x.message && rand.Float64() < f.Duplicate {
				waiting <- x
			}
		}
		if err != nil {
			waiting <- piece{due: last, broken: err != io.EOF}
			return
		}
	}
}

// later is when something that arrives now is passed on: not before what came before it.
func later(last time.Time, delay time.Duration) time.Time {
	due := time.Now()
	if delay > 0 {
		due = due.Add(delay + rand.N(delay))
	}
	if due.Before(last) {
		return last
	}
	return due
}

// nextPiece reads a frame, or what there is.
func nextPiece(r *bufio.Reader, framed bool) ([]byte, error) {
	if !framed {
		if _, err := r.Peek(1); err != nil {
			return nil, err
		}
		b := make([]byte, r.Buffered())
		n, err := r.Read(b)
		return b[:n], err
	}
	head, err := r.Peek(wire.HeaderBytes)
	if err != nil {
		rest := make([]byte, len(head)) // half a header, then the end
		io.ReadFull(r, rest)
		return rest, err
	}
	if binary.LittleEndian.Uint32(head) > frameMax {
		return nil, io.ErrUnexpectedEOF
	}
	b := make([]byte, wire.FrameBytes(head))
	n, err := io.ReadFull(r, b)
	return b[:n], err
}

// write passes pieces on when they are due; false when the connection is of no more use.
func (p *pair) write(to net.Conn, forward bool, waiting <-chan piece) bool {
	var free time.Time // when the line has room again
	for x := range waiting {
		if !p.await(&x, forward, free) {
			return false
		}
		if len(x.bytes) == 0 {
			half, ok := to.(interface{ CloseWrite() error })
			return !x.broken && ok && half.CloseWrite() == nil
		}
		if x.breaks || forward && p.cut.Load() {
			to.Write(x.bytes[:len(x.bytes)/2]) // it breaks either way
			return false
		}
		if _, err := to.Write(x.bytes); err != nil {
			return false
		}
		if f, _ := p.line.faults(); f.Rate > 0 {
			took := time.Duration(float64(len(x.bytes)) / float64(f.Rate) * float64(time.Second))
			free = time.Now().Add(took)
		}
	}
	return false
}

// await waits until a piece may go; false when the connection ends before.
func (p *pair) await(x *piece, forward bool, free time.Time) bool {
	if free.After(x.due) {
		x.due = free
	}
	timer := time.NewTimer(time.Until(x.due))
	defer timer.Stop()
	for due := timer.C; ; {
		f, changed := p.line.faults()
		held := f.HoldBack
		if forward {
			held = f.Hold || f.Loss >= 1 && p.line.framed && !x.message
		}
		if due == nil && !held {
			return true
		}
		select {
		case <-due:
			due = nil
		case <-changed:
		case <-p.ctx.Done():
			return false
		}
	}
}
