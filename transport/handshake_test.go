package transport

import (
	"net"
	"strings"
	"testing"

	"drystone/raft"
	"drystone/wire"
)

func refusing(code wire.HelloCode) func(wire.Hello) wire.HelloReply {
	return func(wire.Hello) wire.HelloReply {
		return wire.HelloReply{Code: code, Detail: "because the test says so"}
	}
}

// Whatever the Handler of one side says arrives at the other as it was said, and nothing of a
// refused peer is delivered.
func TestRefusalsArriveTyped(t *testing.T) {
	for _, code := range []wire.HelloCode{
		wire.HelloOtherCluster, wire.HelloWiped, wire.HelloNotMember,
	} {
		t.Run(string(code), func(t *testing.T) {
			a, b := newHost(t, 1), newHost(t, 2)
			b.check = refusing(code)
			a.start()
			b.start()
			a.tr.SetPeers(map[raft.NodeID]string{2: b.address()})
			a.tr.Send(2, []wire.Message{beat(1, 2, 1)})
			a.await("a refusal", func() bool { return len(a.refused) == 1 })
			got := a.told().refused[0]
			if got.Code != code || got.Detail == "" || got.Hello.Node != 2 {
				t.Errorf("refused by %+v", got)
			}
			if s := a.stats(2); s.Refusal.Code != code || s.Outbound {
				t.Errorf("%+v", s)
			}
			if len(a.told().met)+len(b.told().met) != 0 {
				t.Errorf("met %v and %v", a.told().met, b.told().met)
			}
			if s := b.tr.Stats(); s.Refused != 1 || len(s.Peers) != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// The dialer judges too: an acceptor that takes everybody is told so by a dialer that does not
// take it, and neither has met the other.
func TestDialerRefuses(t *testing.T) {
	a, b := newHost(t, 1), newHost(t, 2)
	a.check = refusing(wire.HelloWiped)
	a.start()
	b.start()
	a.tr.SetPeers(map[raft.NodeID]string{2: b.address()})
	b.await("a refusal", func() bool { return len(b.refused) == 1 })
	if got := b.told().refused[0]; got.Code != wire.HelloWiped || got.Detail == "" {
		t.Errorf("refused by %+v", got)
	}
	if len(a.told().met)+len(b.told().met) != 0 {
		t.Errorf("met %v and %v", a.told().met, b.told().met)
	}
}

func TestWrongNodeIsRefusedByTheOneAddressed(t *testing.T) {
	a, b := newHost(t, 1).start(), newHost(t, 2).start()
	a.tr.SetPeers(map[raft.NodeID]string{3: b.address()})
	a.await("a refusal", func() bool { return len(a.refused) == 1 })
	if got := a.told().refused[0]; got.Code != wire.HelloWrongNode ||
		got.Detail != "this is node 2, not node 3" {
		t.Errorf("refused by %+v", got)
	}
}

// An acceptor that does not look whom it was meant for is found out by the dialer.
func TestWrongNodeIsRefusedByTheDialer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a := newHost(t, 1).start()
	a.tr.SetPeers(map[raft.NodeID]string{2: l.Addr().String()})
	s := accept(t, l)
	if _, err := wire.ReadFrame(s.r, wire.MaxHelloBytes, nil); err != nil {
		t.Fatal(err)
	}
	s.say(wire.AppendHelloReplyFrame(nil, wire.HelloReply{
		Hello: wire.Hello{Protocol: wire.Protocol, Node: 3, To: 1},
	}))
	r, err := readReply(s.r)
	if err != nil || r.Code != wire.HelloWrongNode || r.Detail == "" {
		t.Errorf("answered %+v, %v", r, err)
	}
	s.ended("after a refusal")
}

func TestHellosRefusedByTheTransport(t *testing.T) {
	h := newHost(t, 1).start()
	join(h, 5)
	good := newHost(t, 2).hello
	good.Protocol, good.To, good.Boot = wire.Protocol, 1, 5
	for _, c := range []struct {
		name   string
		change func(*wire.Hello)
		want   wire.HelloCode
	}{
		{"an old protocol", func(h *wire.Hello) { h.Protocol = wire.MinProtocol - 1 }, wire.HelloVersion},
		{"for another", func(h *wire.Hello) { h.To = 3 }, wire.HelloWrongNode},
		{"for nobody", func(h *wire.Hello) { h.To = 0 }, wire.HelloWrongNode},
		{"from itself", func(h *wire.Hello) { h.Node = 1 }, wire.HelloWrongNode},
		{"from nobody", func(h *wire.Hello) { h.Node = 0 }, wire.HelloWrongNode},
		{"an older boot", func(h *wire.Hello) { h.Boot = 4 }, wire.HelloWiped},
		{"a later protocol", func(h *wire.Hello) { h.Protocol = wire.Protocol + 1 }, wire.HelloOK},
	} {
		hello := good
		c.change(&hello)
		r := call(h).introduce(hello)
		if r.Code != c.want || (r.Detail == "") != (c.want == wire.HelloOK) {
			t.Errorf("%s: %+v, want %q", c.name, r, c.want)
		}
		if r.Hello.Node != 1 || r.Hello.To != hello.Node {
			t.Errorf("%s: the acceptor introduces itself as %+v", c.name, r.Hello)
		}
	}
}

func TestWhatIsNoHelloEndsTheConnection(t *testing.T) {
	h := newHost(t, 1).start()
	tooLong := wire.AppendHelloFrame(nil, wire.Hello{
		Cluster: strings.Repeat("c", wire.MaxHelloBytes),
	})
	for name, bytes := range map[string][]byte{
		"http":        []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"a message":   wire.AppendFrame(nil, beat(2, 1, 1)),
		"a long one":  tooLong,
		"an answer":   wire.AppendHelloReplyFrame(nil, wire.HelloReply{}),
		"zeros":       make([]byte, 64),
		"bad a check": {2, 0, 0, 0, 0, 0, 0, 0, 1, 32},
	} {
		s := call(h)
		s.say(bytes)
		s.ended(name)
	}
	if len(h.told().met)+len(h.told().received) != 0 {
		t.Errorf("met %v, received %v", h.told().met, h.told().received)
	}
}

// A term is looked at only once both sides agreed: here the dialer never does.
func TestNothingIsReadBeforeBothAgree(t *testing.T) {
	h := newHost(t, 1).start()
	s := call(h)
	hello := newHost(t, 2).hello
	hello.Protocol, hello.To = wire.Protocol, 1
	s.introduce(hello)
	s.say(wire.AppendFrame(nil, beat(2, 1, 1)))
	s.ended("a message in place of the dialer's verdict")
	if len(h.told().met)+len(h.told().received) != 0 {
		t.Errorf("met %v, received %v", h.told().met, h.told().received)
	}
}

func TestSilentCrowdKeepsNobodyOut(t *testing.T) {
	h := newHost(t, 1).start()
	first := call(h)
	for range maxHandshakes {
		call(h)
	}
	first.ended("the oldest of a crowd")
	peer := join(h, 1)
	for range 2 * maxHandshakes {
		call(h)
	}
	peer.say(wire.AppendFrame(nil, beat(2, 1, 1)))
	h.await("a message of a peer in a crowd", func() bool { return len(h.received[2]) == 1 })
	if s := h.tr.Stats(); s.Evicted < 1 || s.PendingHandshakes > maxHandshakes {
		t.Errorf("%+v", s)
	}
}

// accept takes one connection of l.
func accept(t testing.TB, l net.Listener) *stranger {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return newStranger(t, conn)
}

// receive is an acceptor's whole handshake, as node 2.
func receive(t testing.TB, l net.Listener) *stranger {
	t.Helper()
	s := accept(t, l)
	if _, err := wire.ReadFrame(s.r, wire.MaxHelloBytes, nil); err != nil {
		t.Fatal(err)
	}
	hello := newHost(t, 2).hello
	hello.Protocol, hello.To = wire.Protocol, 1
	s.say(wire.AppendHelloReplyFrame(nil, wire.HelloReply{Hello: hello}))
	if r, err := readReply(s.r); err != nil || r.Code != wire.HelloOK {
		t.Fatalf("answered %+v, %v", r, err)
	}
	return s
}
