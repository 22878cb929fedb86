package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"drystone/raft"
	"drystone/wire"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Shipment is a snapshot to be sent, as the file it is (§7).
type Shipment struct {
	Meta    raft.SnapshotMeta
	Bytes   int64
	Content io.ReaderAt // an error of it ends the shipment and comes out of Ship
}

// ShipError is a peer's verdict on a snapshot that it did not take. An Incoming and Config.Accept
// may return one to be told to the sender as it is.
type ShipError struct {
	Code   wire.ShipCode
	Detail string
}

func (e *ShipError) Error() string {
	return fmt.Sprintf("the snapshot was not taken (%s): %s", e.Code, e.Detail)
}

// Ship sends a snapshot over a connection of its own, and returns nil once the peer says that it
// is durable and whole there. What the peer has of it from an earlier try is not sent again. Other
// errors than a *ShipError are those of the connection, of ctx and of Content; nothing moving for
// Config.ShipTimeout is one. It holds one chunk in memory, whatever the size.
func (t *Transport) Ship(ctx context.Context, to raft.NodeID, s Shipment) error {
	assert(s.Bytes > 0 && s.Meta.LastIncludedIndex > 0, "a snapshot of nothing")
	t.mu.Lock()
	p := t.peers[to]
	t.mu.Unlock()
	if p == nil {
		return fmt.Errorf("ship a snapshot: node %d is no peer", to)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	if err := p.ship(ctx, s); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("ship a snapshot to node %d: %w", to, err)
	}
	return nil
}

func (p *peer) ship(ctx context.Context, s Shipment) error {
	p.mu.Lock()
	address, dialled := p.address, p.cancel != nil
	p.mu.Unlock()
	if !dialled {
		return errors.New("its address is not known")
	}
	conn, err := p.t.config.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	shaken, err := p.t.shake(conn, p.id, wire.FeatureShip)
	if err != nil {
		return err
	}
	l := newLink(conn, shaken.hello)
	if !p.track(l) {
		return errors.New("overtaken by a newer start of the peer")
	}
	defer p.untrack(l)
	b := newBulk(conn, bufio.NewReaderSize(conn, handshakeBuffer), p.t.config.ShipTimeout)
	return b.send(s)
}

// send is the sender's side of a shipment.
func (b *bulk) send(s Shipment) error {
	if err := b.say(wire.ShipOffer{Meta: s.Meta, Bytes: uint64(s.Bytes)}); err != nil {
		return err
	}
	m, err := b.hear()
	if err != nil {
		return err
	}
	if v, ok := m.(wire.ShipVerdict); ok {
		return verdictError(v)
	}
	have, ok := m.(wire.ShipHave)
	if !ok {
		return unexpected(m)
	}
	from, sum := int64(0), uint32(0)
	err = b.busy(func() (err error) {
		from, sum, err = s.agree(have)
		return err
	})
	if err != nil {
		return err
	}
	// The verdict may come at any time: a receiver does not wait for the end to say no.
	verdict := make(chan error, 1)
	var listening sync.WaitGroup
	listening.Go(func() {
		verdict <- b.verdict()
		b.conn.Close()
	})
	defer listening.Wait()
	defer b.conn.Close()
	broke := b.sendFrom(s, from, sum)
	if broke == nil {
		return <-verdict
	}
	// What the peer said before the connection broke may be on its way.
	defer time.AfterFunc(verdictLinger, func() { b.conn.Close() }).Stop()
	said := <-verdict
	var refused *ShipError
	if errors.As(said, &refused) || said != nil && errors.Is(broke, net.ErrClosed) {
		return said
	}
	return broke
}

const verdictLinger = time.Second

// agree says from where on the receiver lacks this file, and the checksum of what it has.
func (s Shipment) agree(have wire.ShipHave) (int64, uint32, error) {
	if have.Bytes > uint64(s.Bytes) {
		return 0, 0, nil
	}
	sum := uint32(0)
	err := s.read(0, int64(have.Bytes), make([]byte, wire.ShipChunkBytes),
		func(_ int64, piece []byte) error {
			sum = crc32.Update(sum, castagnoli, piece)
			return nil
		})
	if err != nil || sum != have.Sum {
		return 0, 0, err
	}
	return int64(have.Bytes), sum, nil
}

// read takes the file from one offset to another through buf.
func (s Shipment) read(from, to int64, buf []byte, take func(int64, []byte) error) error {
	for from < to {
		piece := buf[:min(int64(len(buf)), to-from)]
		if n, err := s.Content.ReadAt(piece, from); n < len(piece) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("read the snapshot: %w", err)
		}
		if err := take(from, piece); err != nil {
			return err
		}
		from += int64(len(piece))
	}
	return nil
}

func (b *bulk) sendFrom(s Shipment, from int64, sum uint32) error {
	err := s.read(from, s.Bytes, make([]byte, wire.ShipChunkBytes),
		func(offset int64, piece []byte) error {
			sum = crc32.Update(sum, castagnoli, piece)
			return b.say(wire.ShipChunk{Offset: uint64(offset), Data: piece})
		})
	if err != nil {
		return err
	}
	return b.say(wire.ShipEnd{Sum: sum})
}

// verdict waits for the end of a shipment.
func (b *bulk) verdict() error {
	m, err := b.hear()
	if err != nil {
		return err
	}
	if v, ok := m.(wire.ShipVerdict); ok {
		return verdictError(v)
	}
	return unexpected(m)
}

func verdictError(v wire.ShipVerdict) error {
	if v.Code == wire.ShipOK {
		return nil
	}
	return &ShipError{Code: v.Code, Detail: v.Detail}
}

func unexpected(m wire.ShipMessage) error {
	return fmt.Errorf("%w: a %T is out of turn", wire.ErrMalformed, m)
}

// bulk is a connection that carries one snapshot. It is given up when nothing at all has moved for
// the timeout, however long the whole takes.
type bulk struct {
	conn    net.Conn
	in      *bufio.Reader
	timeout time.Duration
	moved   atomic.Int64 // when anything last did, either way; ns since began
	began   time.Time
	body    []byte // of the last frame heard

	mu  sync.Mutex // held over a frame's write
	out []byte
}

func newBulk(conn net.Conn, r *bufio.Reader, timeout time.Duration) *bulk {
	b := &bulk{conn: conn, timeout: timeout, began: time.Now()}
	b.in = bufio.NewReaderSize(patient{b, r}, 2*handshakeBuffer)
	return b
}

func (b *bulk) moves() { b.moved.Store(int64(time.Since(b.began))) }

func (b *bulk) idle() time.Duration { return time.Since(b.began) - time.Duration(b.moved.Load()) }

// patient reads as long as anything moves: bytes that come slowly are bytes that come, and who
// waits for a verdict while this side sends waits for the end of that.
type patient struct {
	b *bulk
	r *bufio.Reader
}

func (p patient) Read(buf []byte) (int, error) {
	p.b.moves() // a wait begins
	for {
		p.b.conn.SetReadDeadline(time.Now().Add(p.b.timeout - p.b.idle()))
		n, err := p.r.Read(buf)
		var timeout net.Error
		if n == 0 && errors.As(err, &timeout) && timeout.Timeout() && p.b.idle() < p.b.timeout {
			continue
		}
		p.b.moves()
		return n, err
	}
}

// shipWriteBytes is written under one deadline.
const shipWriteBytes = 32 << 10

func (b *bulk) say(m wire.ShipMessage) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.out = wire.AppendShipFrame(b.out[:0], m)
	for rest := b.out; len(rest) > 0; {
		piece := rest[:min(len(rest), shipWriteBytes)]
		b.conn.SetWriteDeadline(time.Now().Add(b.timeout))
		if _, err := b.conn.Write(piece); err != nil {
			return err
		}
		b.moves()
		rest = rest[len(piece):]
	}
	return nil
}

// hear gives the next message that says anything. What it refers to is valid until the next call.
func (b *bulk) hear() (wire.ShipMessage, error) {
	for {
		body, err := wire.ReadFrame(b.in, wire.MaxShipBytes, b.body)
		if err != nil {
			return nil, err
		}
		b.body = body[:0]
		m, err := wire.DecodeShip(body)
		if err != nil {
			return nil, err
		}
		if _, alive := m.(wire.ShipAlive); !alive {
			return m, nil
		}
	}
}

// busy does what takes its time on this side's disk, while the other side learns that it goes on.
func (b *bulk) busy(f func() error) error {
	done := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		again := time.NewTicker(max(b.timeout/4, time.Millisecond))
		defer again.Stop()
		for {
			select {
			case <-done:
				return
			case <-again.C:
				if b.say(wire.ShipAlive{}) != nil {
					return // f's next word finds the same
				}
			}
		}
	})
	err := f()
	close(done)
	telling.Wait()
	return err
}
