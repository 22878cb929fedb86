package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"drystone/raft"
	"drystone/wire"
)

const (
	maxHandshakes   = 128 // of strangers at a time; above, the oldest makes room
	handshakeBuffer = 512
	readBuffer      = 64 << 10

	acceptPauseMax = time.Second // while the system has no descriptor left
)

// handshakes bounds the connections that have not said who they are. The oldest goes first: a
// peer says its hello at once, so it is not among the oldest of a crowd that says nothing.
type handshakes struct {
	mu    sync.Mutex
	conns []net.Conn
}

// add takes conn in and says whether another one was closed for it.
func (h *handshakes) add(conn net.Conn) (evicted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if evicted = len(h.conns) >= maxHandshakes; evicted {
		h.conns[0].Close()
		h.conns = append(h.conns[:0], h.conns[1:]...)
	}
	h.conns = append(h.conns, conn)
	return evicted
}

func (h *handshakes) remove(conn net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, c := range h.conns {
		if c == conn {
			last := len(h.conns) - 1
			copy(h.conns[i:], h.conns[i+1:])
			h.conns[last] = nil
			h.conns = h.conns[:last]
			return
		}
	}
}

func (h *handshakes) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.conns)
}

func (t *Transport) accept() {
	pause := time.Duration(0)
	for {
		conn, err := t.listener.Accept()
		if t.ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return
		}
		if err != nil {
			pause = min(max(2*pause, 5*time.Millisecond), acceptPauseMax)
			t.warn("accept", 0, "cannot accept peers", "cause", err)
			select {
			case <-time.After(pause):
			case <-t.ctx.Done():
				return
			}
			continue
		}
		pause = 0
		if t.pending.add(conn) {
			t.counters.evicted.Add(1)
		}
		t.running.Go(func() { t.serve(conn) })
	}
}

// serve is one accepted connection, from its hello to its end.
func (t *Transport) serve(conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(t.ctx, func() { conn.Close() })
	defer stop()
	tune(conn)
	conn.SetDeadline(time.Now().Add(t.config.HandshakeTimeout))
	r := bufio.NewReaderSize(conn, handshakeBuffer)
	h, err := t.welcome(conn, r)
	t.pending.remove(conn)
	if err != nil {
		// One that ends without a word is a port check, or a peer that begins anew.
		if !errors.Is(err, errRefused) && !errors.Is(err, io.EOF) && t.ctx.Err() == nil {
			t.counters.failedHandshakes.Add(1)
			t.warn("handshake", 0, "a connection to the peer port did not say a proper hello",
				"address", conn.RemoteAddr(), "cause", err)
		}
		return
	}
	conn.SetDeadline(time.Time{})
	p := t.peer(raft.NodeID(h.Node))
	l := newLink(conn, h)
	if h.Features&wire.FeatureShip != 0 {
		if t.config.Accept != nil {
			p.receiveShip(l, r)
		}
		return
	}
	if !p.establish(t.ctx, l, true) {
		return
	}
	p.lives()
	p.breaks(l, p.read(l, bufio.NewReaderSize(r, readBuffer)))
}

// welcome is the acceptor's side of the handshake.
func (t *Transport) welcome(conn net.Conn, r *bufio.Reader) (wire.Hello, error) {
	body, err := wire.ReadFrame(r, wire.MaxHelloBytes, nil)
	if err != nil {
		return wire.Hello{}, err
	}
	h, err := wire.DecodeHello(body)
	if err != nil {
		return wire.Hello{}, err
	}
	if h.Features&wire.FeatureJoin != 0 && t.config.Join != nil {
		return wire.Hello{}, t.letJoin(conn, h)
	}
	verdict := t.judge(h)
	verdict.Hello = t.hello(h.Node)
	if t.config.Accept != nil {
		verdict.Hello.Features |= h.Features & wire.FeatureShip
	}
	if verdict.Code != wire.HelloOK {
		t.refusing(h.Node, conn.RemoteAddr(), verdict)
	}
	if _, err := conn.Write(wire.AppendHelloReplyFrame(nil, verdict)); err != nil {
		return wire.Hello{}, err
	}
	if verdict.Code != wire.HelloOK {
		return wire.Hello{}, errRefused
	}
	reply, err := readReply(r)
	if err != nil {
		return wire.Hello{}, err
	}
	if reply.Code != wire.HelloOK {
		t.peer(raft.NodeID(h.Node)).refusedBy(reply)
		return wire.Hello{}, errRefused
	}
	return h, nil
}

// read delivers what arrives until the connection is of no more use, and says why.
func (p *peer) read(l *link, r *bufio.Reader) error {
	scratch := make([]byte, 0, handshakeBuffer)
	for {
		batch, size, err := p.readBatch(r, scratch)
		if len(batch) > 0 {
			p.mu.Lock()
			p.counters.receivedFrames += uint64(len(batch))
			p.counters.receivedBytes += uint64(size)
			p.mu.Unlock()
			p.t.handler.Receive(l.hello, batch)
		}
		if err != nil {
			return err
		}
	}
}

// readBatch waits for one message and takes along all that have arrived behind it. A message that
// will alias its frame gets a frame of its own; the others share scratch.
func (p *peer) readBatch(r *bufio.Reader, scratch []byte) ([]wire.Message, int, error) {
	var batch []wire.Message
	size := 0
	for {
		buf := scratch
		if head, err := r.Peek(wire.HeaderBytes + 2); err == nil &&
			wire.Aliases(head[wire.HeaderBytes:]) {
			buf = nil
		}
		body, err := wire.ReadFrame(r, p.t.config.MaxFrameBytes, buf)
		if err != nil {
			p.t.countBad(err)
			return batch, size, err
		}
		m, err := wire.DecodeMessage(body)
		if err == nil {
			err = p.addressed(m)
		}
		if err != nil {
			p.t.counters.badFrames.Add(1)
			return batch, size, err
		}
		batch = append(batch, m)
		size += wire.HeaderBytes + len(body)
		head, _ := r.Peek(min(r.Buffered(), wire.HeaderBytes))
		if len(head) < wire.HeaderBytes || wire.FrameBytes(head) > r.Buffered() {
			return batch, size, nil
		}
	}
}

// addressed refuses a raft message in another node's name, or to another node: the core believes
// both fields.
func (p *peer) addressed(m wire.Message) error {
	if m.Raft == nil {
		return nil
	}
	if m.Raft.From != p.id || uint64(m.Raft.To) != p.t.self {
		return fmt.Errorf("node %d sent a message from node %d to node %d", p.id, m.Raft.From,
			m.Raft.To)
	}
	return nil
}
