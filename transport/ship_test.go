package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drystone/disk"
	"drystone/raft"
	"drystone/storage"
	"drystone/wire"
)

// shelf is a node's snapshots on a disk in memory.
type shelf struct {
	*storage.Store
	t testing.TB
}

func newShelf(t testing.TB, node uint64) *shelf {
	t.Helper()
	s, _, err := storage.Open(disk.NewMem(node).Dir(), storage.Identity{Node: node},
		storage.Options{InitialMembers: raft.Members{Voters: []raft.NodeID{1, 2}}})
	if err != nil {
		t.Fatal(err)
	}
	return &shelf{s, t}
}

// snapshot saves one of entry 9 with so many bytes, and opens it to be shipped.
func (s *shelf) snapshot(size int, seed uint64) (*storage.Outgoing, Shipment) {
	s.t.Helper()
	a := raft.Append{Seq: 1, Hard: raft.HardState{CurrentTerm: 3}}
	for i := range raft.Index(9) {
		a.Entries = append(a.Entries, raft.Entry{Index: i + 1, Term: 3})
	}
	if err := s.Write([]raft.Append{a}); err != nil {
		s.t.Fatal(err)
	}
	content := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(content)
	meta := raft.SnapshotMeta{
		LastIncludedIndex: 9, LastIncludedTerm: 3,
		Members: raft.Members{Voters: []raft.NodeID{1, 2}},
	}
	if _, err := s.SaveSnapshot(meta, bytes.NewReader(content)); err != nil {
		s.t.Fatal(err)
	}
	o, err := s.OpenOutgoing()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { o.Close() })
	return o, Shipment{Meta: o.Meta, Bytes: o.Bytes, Content: o}
}

func (s *shelf) accept(_ raft.NodeID, meta raft.SnapshotMeta, size int64) (Incoming, error) {
	if s.Holds(meta) {
		return nil, nil
	}
	return s.Receive(meta, size)
}

// slow is an Incoming that calls before it writes and commits, and after it was closed.
type slow struct {
	Incoming
	write, commit, closed func()
}

func (s slow) Close() error {
	if s.closed != nil {
		defer s.closed()
	}
	return s.Incoming.Close()
}

func (s slow) Write(b []byte) error {
	if s.write != nil {
		s.write()
	}
	return s.Incoming.Write(b)
}

func (s slow) Commit(sum uint32) error {
	if s.commit != nil {
		s.commit()
	}
	return s.Incoming.Commit(sum)
}

func (s *shelf) slowly(how slow) func(*Config) {
	return func(c *Config) {
		c.Accept = func(from raft.NodeID, m raft.SnapshotMeta, n int64) (Incoming, error) {
			in, err := s.accept(from, m, n)
			if in != nil {
				how.Incoming = in
				in = how
			}
			return in, err
		}
	}
}

func takes(s *shelf) func(*Config) { return func(c *Config) { c.Accept = s.accept } }

// wires are the connections a node dials. A rule set on them holds for those dialled from then on.
type wires struct {
	written atomic.Int64 // on connections under the rule
	mu      sync.Mutex
	rule    func(at int64, b []byte) bool // may change b; false breaks the connection
}

func (w *wires) set(rule func(int64, []byte) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rule = rule
	w.written.Store(0)
}

func (w *wires) use(c *Config) {
	c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := dialTCP(ctx, address)
		w.mu.Lock()
		defer w.mu.Unlock()
		if err == nil && w.rule != nil {
			conn = &ruled{Conn: conn, wires: w, rule: w.rule}
		}
		return conn, err
	}
}

type ruled struct {
	net.Conn
	wires *wires
	rule  func(int64, []byte) bool
	at    int64
}

func (r *ruled) Write(b []byte) (int, error) {
	b = bytes.Clone(b)
	if !r.rule(r.at, b) {
		r.Conn.Close()
		return 0, net.ErrClosed
	}
	r.at += int64(len(b))
	r.wires.written.Add(int64(len(b)))
	return r.Conn.Write(b)
}

func anything(int64, []byte) bool { return true }

func ship(t *testing.T, from, to *host, s Shipment) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return from.tr.Ship(ctx, to.id(), s)
}

func (s *shelf) wants(o *storage.Outgoing) {
	s.t.Helper()
	if !s.Holds(o.Meta) {
		s.t.Error("the snapshot did not arrive")
	}
}

const snapshotBytes = 3 << 20

func TestShip(t *testing.T) {
	a, b := newShelf(t, 1), newShelf(t, 2)
	o, s := a.snapshot(snapshotBytes, 1)
	h1, h2 := newHost(t, 1).start(), newHost(t, 2).start(takes(b))
	meet(h1, h2)
	for range 2 { // the second finds it there
		if err := ship(t, h1, h2, s); err != nil {
			t.Fatal(err)
		}
		b.wants(o)
	}
	if n := len(h2.told().met); n != 2 || len(h2.told().lost) > 0 {
		t.Errorf("a shipment counts as a connection for messages: %v", h2.told().order)
	}
}

func TestShipGoesOnAfterABreak(t *testing.T) {
	a, b := newShelf(t, 1), newShelf(t, 2)
	o, s := a.snapshot(snapshotBytes, 1)
	w := &wires{}
	closed := make(chan struct{}, 3)
	h1 := newHost(t, 1).start(w.use)
	h2 := newHost(t, 2).start(b.slowly(slow{closed: func() { closed <- struct{}{} }}))
	meet(h1, h2)
	for range 2 {
		w.set(func(at int64, _ []byte) bool { return at < snapshotBytes/3 })
		if err := ship(t, h1, h2, s); err == nil {
			t.Fatal("it arrived over a connection that broke")
		}
		<-closed // the next would end this one with bytes on their way
	}
	w.set(anything)
	if err := ship(t, h1, h2, s); err != nil {
		t.Fatal(err)
	}
	b.wants(o)
	if n := w.written.Load(); n > snapshotBytes*2/3 {
		t.Errorf("the third try sent %d bytes of %d", n, o.Bytes)
	}
}

// TestShipAlteredPiece: it is refused at once, and the next try goes on with the good ones.
func TestShipAlteredPiece(t *testing.T) {
	a, b := newShelf(t, 1), newShelf(t, 2)
	o, s := a.snapshot(snapshotBytes, 1)
	w := &wires{}
	h1, h2 := newHost(t, 1).start(w.use), newHost(t, 2).start(takes(b))
	meet(h1, h2)
	w.set(func(at int64, p []byte) bool {
		if at <= 1<<20 && 1<<20 < at+int64(len(p)) {
			p[1<<20-at] ^= 0x10
		}
		return true
	})
	var refused *ShipError
	if err := ship(t, h1, h2, s); !errors.As(err, &refused) || refused.Code != wire.ShipDamaged {
		t.Fatalf("an altered piece: %v", err)
	}
	if b.Holds(o.Meta) || h2.tr.Stats().BadFrames != 1 {
		t.Errorf("held %v, %+v", b.Holds(o.Meta), h2.tr.Stats())
	}
	w.set(anything)
	if err := ship(t, h1, h2, s); err != nil {
		t.Fatal(err)
	}
	b.wants(o)
	if n := w.written.Load(); n > snapshotBytes*4/5 {
		t.Errorf("the second try sent %d bytes of %d", n, o.Bytes)
	}
}

// TestShipAnotherFile: what there is comes from another leader's file of the same entry.
func TestShipAnotherFile(t *testing.T) {
	a, b, c := newShelf(t, 1), newShelf(t, 2), newShelf(t, 3)
	_, other := c.snapshot(snapshotBytes, 2)
	o, s := a.snapshot(snapshotBytes, 1)
	w := &wires{}
	h1, h2 := newHost(t, 1).start(w.use), newHost(t, 2).start(takes(b))
	meet(h1, h2)
	w.set(func(at int64, _ []byte) bool { return at < snapshotBytes/2 })
	if err := ship(t, h1, h2, other); err == nil {
		t.Fatal("it arrived over a connection that broke")
	}
	w.set(anything)
	if err := ship(t, h1, h2, s); err != nil {
		t.Fatal(err)
	}
	b.wants(o)
	if n := w.written.Load(); n < snapshotBytes {
		t.Errorf("%d bytes of %d were sent onto another file's", n, o.Bytes)
	}
}

// TestShipDamagedAtTheSender: its bytes arrive as they are, and are not taken.
func TestShipDamagedAtTheSender(t *testing.T) {
	a, b := newShelf(t, 1), newShelf(t, 2)
	o, s := a.snapshot(snapshotBytes, 1)
	h1, h2 := newHost(t, 1).start(), newHost(t, 2).start(takes(b))
	meet(h1, h2)
	s.Content = altered{o}
	if err := ship(t, h1, h2, s); err == nil || b.Holds(o.Meta) {
		t.Errorf("%v, held %v", err, b.Holds(o.Meta))
	}
	s.Content = o
	if err := ship(t, h1, h2, s); err != nil {
		t.Fatal(err)
	}
	b.wants(o)
}

type altered struct{ io.ReaderAt }

func (a altered) ReadAt(b []byte, off int64) (int, error) {
	n, err := a.ReaderAt.ReadAt(b, off)
	b[n/2] ^= 1
	return n, err
}

// TestShipSlowReceiver: while a receiver's disk takes nothing, messages go on as ever, and the
// sender holds one piece.
func TestShipSlowReceiver(t *testing.T) {
	a, b := newShelf(t, 1), newShelf(t, 2)
	o, s := a.snapshot(16<<20, 1)
	var read atomic.Int64
	s.Content = counting{o, &read}
	open, waits := make(chan struct{}), make(chan struct{}, 1000)
	h1 := newHost(t, 1).start()
	h2 := newHost(t, 2).start(b.slowly(slow{write: func() { waits <- struct{}{}; <-open }}))
	meet(h1, h2)
	shipped := make(chan error, 1)
	go func() { shipped <- ship(t, h1, h2, s) }()
	<-waits
	for n := range uint64(50) {
		h1.tr.Send(2, []wire.Message{beat(1, 2, n)})
		h2.tr.Send(1, []wire.Message{beat(2, 1, n)})
		for _, h := range []*host{h1, h2} {
			h.await("a heartbeat beside the snapshot", func() bool {
				return len(h.received[3-h.id()]) > int(n)
			})
		}
	}
	// What the sender has read and the receiver not written is in the connection's buffers.
	if n := read.Load(); n > 14<<20 {
		t.Errorf("%d bytes were read for a receiver that takes none", n)
	}
	close(open)
	if err := <-shipped; err != nil {
		t.Fatal(err)
	}
	b.wants(o)
}

type counting struct {
	io.ReaderAt
	n *atomic.Int64
}

func (c counting) ReadAt(b []byte, off int64) (int, error) {
	c.n.Add(int64(len(b)))
	return c.ReaderAt.ReadAt(b, off)
}

// TestShipBusyIsNotDead: a receiver whose disk takes longer than the timeout says that it lives.
func TestShipBusyIsNotDead(t *testing.T) {
	a, b := newShelf(t, 1), newShelf(t, 2)
	o, s := a.snapshot(snapshotBytes, 1)
	brief := func(c *Config) { c.ShipTimeout = 500 * time.Millisecond }
	h1 := newHost(t, 1).start(brief)
	h2 := newHost(t, 2).start(brief, b.slowly(slow{
		commit: func() { <-time.After(1200 * time.Millisecond) },
	}))
	meet(h1, h2)
	if err := ship(t, h1, h2, s); err != nil {
		t.Fatal(err)
	}
	b.wants(o)
}

// TestShipNothingMoves: a peer that takes nothing any more is given up.
func TestShipNothingMoves(t *testing.T) {
	a := newShelf(t, 1)
	_, s := a.snapshot(32<<20, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := newHost(t, 1).start(func(c *Config) { c.ShipTimeout = 50 * time.Millisecond })
	h.tr.SetPeers(map[raft.NodeID]string{2: l.Addr().String()})
	messages := receive(t, l)
	defer messages.Close()
	done := make(chan error, 1)
	go func() { done <- ship(t, h, newHost(t, 2), s) }()
	silent, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	x := newStranger(t, silent)
	hello := newHost(t, 2).hello
	hello.Protocol, hello.To, hello.Features = wire.Protocol, 1, wire.FeatureShip
	x.say(wire.AppendHelloReplyFrame(nil, wire.HelloReply{Hello: hello}))
	x.say(wire.AppendShipFrame(nil, wire.ShipHave{}))
	var timeout net.Error
	if err := <-done; !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a receiver that takes nothing: %v", err)
	}
}

func TestShipRefused(t *testing.T) {
	a := newShelf(t, 1)
	_, s := a.snapshot(1000, 1)
	h1, h2 := newHost(t, 1).start(), newHost(t, 2).start()
	h3 := newHost(t, 3).start(func(c *Config) {
		c.Accept = func(raft.NodeID, raft.SnapshotMeta, int64) (Incoming, error) {
			return nil, &ShipError{wire.ShipNotNow, "it bootstraps"}
		}
	})
	meet(h1, h2, h3)
	if err := ship(t, h1, h2, s); !errors.Is(err, errRefused) {
		t.Errorf("a node that takes none: %v", err)
	}
	var refused *ShipError
	if err := ship(t, h1, h3, s); !errors.As(err, &refused) ||
		*refused != (ShipError{wire.ShipNotNow, "it bootstraps"}) {
		t.Errorf("a refusal: %v", err)
	}
	if err := ship(t, h1, newHost(t, 4), s); err == nil {
		t.Error("shipped to a stranger")
	}
	if len(h1.told().refused) > 0 {
		t.Error("a refused snapshot counts as a refused peer")
	}
}

// dialShip is a sender that has offered a snapshot and says no more.
func dialShip(h *host, s Shipment) *stranger {
	h.t.Helper()
	x := call(h)
	hello := newHost(h.t, 3).hello
	hello.Protocol, hello.To, hello.Features = wire.Protocol, h.hello.Node, wire.FeatureShip
	if r := x.introduce(hello); r.Hello.Features&wire.FeatureShip == 0 {
		h.t.Fatalf("%+v", r)
	}
	x.say(wire.AppendHelloReplyFrame(nil, wire.HelloReply{}))
	x.say(wire.AppendShipFrame(nil, wire.ShipOffer{Meta: s.Meta, Bytes: uint64(s.Bytes)}))
	return x
}

// TestShipNewerOfferWins: a sender that says no more, whose connection still stands, keeps nobody
// out.
func TestShipNewerOfferWins(t *testing.T) {
	a, b := newShelf(t, 1), newShelf(t, 2)
	o, s := a.snapshot(1000, 1)
	h1, h2 := newHost(t, 1).start(), newHost(t, 2).start(takes(b))
	meet(h1, h2)
	old := dialShip(h2, s)
	if body, err := wire.ReadFrame(old.r, wire.MaxShipBytes, nil); err != nil {
		t.Fatal(body, err)
	}
	if err := ship(t, h1, h2, s); err != nil {
		t.Fatal(err)
	}
	b.wants(o)
	old.ended("the older sender")
}

// TestShipEndsWithEitherSide: nothing of a shipment outlives its transport, context or peer.
func TestShipEndsWithEitherSide(t *testing.T) {
	for name, end := range map[string]func(h1, h2 *host, cancel func()){
		"sender":    func(h1, _ *host, _ func()) { h1.tr.Close() },
		"context":   func(_, _ *host, cancel func()) { cancel() },
		"no peer":   func(h1, _ *host, _ func()) { h1.tr.SetPeers(nil) },
		"other end": func(_, h2 *host, _ func()) { h2.tr.SetPeers(nil) },
	} {
		a, b := newShelf(t, 1), newShelf(t, 2)
		o, s := a.snapshot(16<<20, 1)
		waits, open := make(chan struct{}, 1000), make(chan struct{})
		h1 := newHost(t, 1).start()
		h2 := newHost(t, 2).start(b.slowly(slow{write: func() { waits <- struct{}{}; <-open }}))
		meet(h1, h2)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- h1.tr.Ship(ctx, 2, s) }()
		<-waits
		end(h1, h2, cancel)
		if err := <-done; err == nil || b.Holds(o.Meta) {
			t.Errorf("%s: %v", name, err)
		}
		close(open)
		cancel()
	}
}

// TestShipOffersThatNobodyMakes end the connection.
func TestShipOffersThatNobodyMakes(t *testing.T) {
	b := newShelf(t, 2)
	h := newHost(t, 2).start(takes(b))
	for _, s := range []Shipment{{Bytes: 5}, {Meta: raft.SnapshotMeta{LastIncludedIndex: 1}}} {
		dialShip(h, s).ended("an offer of nothing")
	}
	if n := h.tr.Stats().BadFrames; n != 2 {
		t.Errorf("%d bad frames", n)
	}
}
