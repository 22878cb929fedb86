package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"drystone/raft"
	"drystone/wire"
)

// frames makes frames of the fuzzer's bytes: a length of two bytes and as many bytes of body, again
// and again. One of length 0 ends them: what follows is sent as it is.
func frames(b []byte) (out []byte) {
	for len(b) >= 2 {
		n := int(binary.LittleEndian.Uint16(b))
		b = b[2:]
		if n == 0 {
			return append(out, b...)
		}
		body := b[:min(n, len(b))]
		b = b[len(body):]
		out = binary.LittleEndian.AppendUint32(out, uint32(len(body)))
		sum := crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
		out = append(binary.LittleEndian.AppendUint32(out, sum), body...)
	}
	return out
}

// script is what frames makes these bodies of.
func script(bodies ...[]byte) (b []byte) {
	for _, body := range bodies {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(body)))
		b = append(b, body...)
	}
	return b
}

// sink takes snapshots and keeps nothing but their length.
type sink struct{ have, size int64 }

func (s *sink) Have() (int64, uint32, error) { return 0, 0, nil }
func (s *sink) Restart() error               { s.have = 0; return nil }
func (s *sink) Commit(uint32) error          { return nil }
func (s *sink) Close() error                 { return nil }
func (s *sink) Write(piece []byte) error {
	if s.have += int64(len(piece)); s.have > s.size {
		return &ShipError{Code: wire.ShipDamaged, Detail: "more than was announced"}
	}
	return nil
}

// deaf is a listener that nobody reaches.
type deaf struct{ closed chan struct{} }

func (d deaf) Accept() (net.Conn, error) { <-d.closed; return nil, net.ErrClosed }
func (d deaf) Close() error              { close(d.closed); return nil }
func (d deaf) Addr() net.Addr            { return &net.TCPAddr{} }

// speech is a connection from which all that will ever be said can be read at once.
type speech struct {
	*bytes.Reader
	closed atomic.Bool
}

func (s *speech) Read(b []byte) (int, error) {
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	return s.Reader.Read(b)
}

func (s *speech) Write(b []byte) (int, error)      { return len(b), nil }
func (s *speech) Close() error                     { s.closed.Store(true); return nil }
func (s *speech) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *speech) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *speech) SetDeadline(time.Time) error      { return nil }
func (s *speech) SetReadDeadline(time.Time) error  { return nil }
func (s *speech) SetWriteDeadline(time.Time) error { return nil }

// FuzzConversation says anything at all to the peers' port. The connection ends, what is delivered
// comes from the node that said hello and is for this one, and strangers leave nothing behind.
func FuzzConversation(f *testing.F) {
	hello := newHost(f, 2).hello
	hello.Protocol, hello.To = wire.Protocol, 1
	say := func(h wire.Hello) []byte { return wire.EncodeHello(nil, h) }
	ok := wire.EncodeHelloReply(nil, wire.HelloReply{})
	first := wire.EncodeMessage(nil, beat(2, 1, 7))
	f.Add(script(say(hello), ok, first, first, wire.EncodeMessage(nil, beat(3, 1, 7))))
	f.Add(script(say(hello), wire.EncodeHelloReply(nil, wire.HelloReply{Code: wire.HelloWiped})))
	ship, join, other := hello, hello, hello
	ship.Features, join.Features, other.To = wire.FeatureShip, wire.FeatureJoin, 9
	offer := wire.EncodeShip(nil, wire.ShipOffer{Bytes: 3, Meta: raft.SnapshotMeta{
		LastIncludedIndex: 4, LastIncludedTerm: 1, Members: raft.Members{Voters: []raft.NodeID{1}}}})
	f.Add(script(say(ship), ok, offer, wire.EncodeShip(nil, wire.ShipChunk{Data: []byte("abc")}),
		wire.EncodeShip(nil, wire.ShipEnd{Sum: 0x364b3fb7})))
	f.Add(script(say(join)))
	f.Add(script(say(other), ok, first))
	f.Add(append([]byte{0, 0}, "GET / HTTP/1.1\r\n\r\n"...))
	f.Add(script(say(hello), ok, []byte{wire.Version, 16}, first))

	f.Fuzz(func(t *testing.T, b []byte) {
		h := newHost(t, 1)
		h.check = func(theirs wire.Hello) wire.HelloReply {
			if theirs.Node > 5 {
				return wire.HelloReply{Code: wire.HelloNotMember, Detail: "nobody knows it"}
			}
			return wire.HelloReply{}
		}
		h.start(func(c *Config) {
			c.Listener, c.MaxFrameBytes = deaf{make(chan struct{})}, 1<<12
			c.Join = func(_ context.Context, h wire.Hello) wire.HelloReply {
				return wire.HelloReply{Grant: h.Incarnation}
			}
			c.Accept = func(_ raft.NodeID, _ raft.SnapshotMeta, size int64) (Incoming, error) {
				return &sink{size: size}, nil
			}
		})
		h.tr.serve(&speech{Reader: bytes.NewReader(frames(b))})
		for from, messages := range h.told().received {
			for _, m := range messages {
				if m.Raft != nil && (m.Raft.From != from || m.Raft.To != 1) {
					t.Errorf("node %d says %+v", from, m)
				}
			}
		}
		for _, p := range h.tr.Stats().Peers {
			if p.ID == 0 || p.ID > 5 {
				t.Errorf("node %d is refused, and known", p.ID)
			}
		}
	})
}
