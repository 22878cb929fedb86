package transport

import (
	"bufio"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"drystone/raft"
	"drystone/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come; it bounds failures only.
const patience = 20 * time.Second

// host is a node as far as its transport can tell: it notes what it is told.
type host struct {
	t     testing.TB
	tr    *Transport
	check func(wire.Hello) wire.HelloReply // nil accepts

	receive func(from raft.NodeID, ms []wire.Message) // nil notes them

	mu      sync.Mutex
	changed chan struct{} // closed at every note
	hello   wire.Hello
	notes
}

type notes struct {
	met      []wire.Hello
	lost     []raft.NodeID
	refused  []wire.HelloReply
	received map[raft.NodeID][]wire.Message
	order    []string // met, lost and receive, in the order they came
}

// told is a copy of what h was told so far.
func (h *host) told() notes {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.notes
	n.received = maps.Clone(n.received)
	return n
}

func newHost(t testing.TB, id uint64) *host {
	return &host{
		t: t, changed: make(chan struct{}),
		notes: notes{received: make(map[raft.NodeID][]wire.Message)},
		hello: wire.Hello{
			Node: id, Boot: 1, Cluster: strings.Repeat("c", 32),
			Incarnation: strings.Repeat(string(rune('0'+id)), 32), HTTP: "127.0.0.1:1",
		},
	}
}

// start runs h on a free port, until the test ends.
func (h *host) start(change ...func(*Config)) *host {
	h.t.Helper()
	c := Config{
		Listen: "127.0.0.1:0",
		Hello: func() wire.Hello {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.hello
		},
	}
	for _, f := range change {
		f(&c)
	}
	tr, err := Start(c, h)
	if err != nil {
		h.t.Fatal(err)
	}
	h.tr = tr
	h.t.Cleanup(tr.Close)
	return h
}

func (h *host) id() raft.NodeID { return raft.NodeID(h.hello.Node) }
func (h *host) address() string { return h.tr.Addr().String() }

func (h *host) note(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
	h.again()
}

// again makes await look once more. Called with mu held, as the conditions of await are.
func (h *host) again() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *host) Check(hello wire.Hello) wire.HelloReply {
	if h.check == nil {
		return wire.HelloReply{}
	}
	return h.check(hello)
}

func (h *host) Met(hello wire.Hello) {
	h.note(func() {
		h.met = append(h.met, hello)
		h.order = append(h.order, "met")
	})
}

func (h *host) Receive(hello wire.Hello, ms []wire.Message) {
	from := raft.NodeID(hello.Node)
	if h.receive != nil {
		h.receive(from, ms)
		return
	}
	h.note(func() {
		h.received[from] = append(h.received[from], ms...)
		h.order = append(h.order, "receive")
	})
}

func (h *host) Lost(id raft.NodeID) {
	h.note(func() {
		h.lost = append(h.lost, id)
		h.order = append(h.order, "lost")
	})
}

func (h *host) Refused(_ raft.NodeID, r wire.HelloReply) {
	h.note(func() { h.refused = append(h.refused, r) })
}

// await waits until what h was told is as done says.
func (h *host) await(what string, done func() bool) {
	h.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		h.mu.Lock()
		changed := h.changed
		ok := done()
		h.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			h.t.Fatalf("node %d waits in vain: %s", h.hello.Node, what)
		}
	}
}

// meet makes all hosts peers of each other and waits until each has both connections to each.
func meet(hosts ...*host) {
	addresses := make(map[raft.NodeID]string)
	for _, h := range hosts {
		addresses[h.id()] = h.address()
	}
	for _, h := range hosts {
		h.tr.SetPeers(addresses)
	}
	for _, h := range hosts {
		h.await("to meet everybody, both ways", func() bool { return h.connected(len(hosts) - 1) })
	}
}

// connected says whether connections to and from n peers stand.
func (h *host) connected(n int) bool {
	both := 0
	for _, p := range h.tr.Stats().Peers {
		if p.Inbound && p.Outbound {
			both++
		}
	}
	return both >= n
}

func (h *host) stats(id raft.NodeID) PeerStats {
	all := h.tr.Stats().Peers
	i := slices.IndexFunc(all, func(p PeerStats) bool { return p.ID == id })
	if i < 0 {
		h.t.Fatalf("node %d knows nothing of node %d", h.hello.Node, id)
	}
	return all[i]
}

// beat is a small message with a number in it.
func beat(from, to raft.NodeID, n uint64) wire.Message {
	return wire.Message{Raft: &raft.Message{
		From: from, To: to, Term: 1, Body: raft.Heartbeat{Read: n},
	}}
}

func number(m wire.Message) uint64 { return m.Raft.Body.(raft.Heartbeat).Read }

// stranger is the bare end of a connection.
type stranger struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

// call connects to h without a word.
func call(h *host) *stranger {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.address())
	if err != nil {
		h.t.Fatal(err)
	}
	return newStranger(h.t, conn)
}

func newStranger(t testing.TB, conn net.Conn) *stranger {
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &stranger{Conn: conn, t: t, r: bufio.NewReader(conn)}
}

func (s *stranger) say(b []byte) {
	s.t.Helper()
	if _, err := s.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

// introduce says hello and gives the answer.
func (s *stranger) introduce(h wire.Hello) wire.HelloReply {
	s.t.Helper()
	s.say(wire.AppendHelloFrame(nil, h))
	r, err := readReply(s.r)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// join is a whole handshake as node 2 of that boot.
func join(h *host, boot uint64) *stranger {
	h.t.Helper()
	s := call(h)
	hello := newHost(h.t, 2).hello
	hello.Protocol, hello.To, hello.Boot = wire.Protocol, h.hello.Node, boot
	if r := s.introduce(hello); r.Code != wire.HelloOK {
		h.t.Fatalf("refused: %+v", r)
	}
	s.say(wire.AppendHelloReplyFrame(nil, wire.HelloReply{}))
	h.await("the stranger", func() bool {
		return len(h.met) > 0 && h.met[len(h.met)-1].Boot == boot
	})
	return s
}

// ended waits until the other side closes the connection.
func (s *stranger) ended(why string) {
	s.t.Helper()
	if b, err := s.r.ReadByte(); err == nil {
		s.t.Fatalf("%s: got byte %d", why, b)
	} else if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		s.t.Fatalf("%s: the connection still stands", why)
	}
}
