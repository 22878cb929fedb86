package transport

import (
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"drystone/raft"
	"drystone/rsm"
	"drystone/wire"
)

func TestPeerThatDiesIsLost(t *testing.T) {
	h := newHost(t, 1).start()
	s := join(h, 1)
	s.say(wire.AppendFrame(nil, beat(2, 1, 1)))
	s.Close()
	h.await("to lose it", func() bool { return len(h.lost) == 1 })
	if want := []string{"met", "receive", "lost"}; !slices.Equal(h.told().order, want) {
		t.Errorf("told %v, want %v", h.told().order, want)
	}
}

// The dialer only sends, and still learns of a death before it has anything to send.
func TestAcceptorThatDiesIsLost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := newHost(t, 1).start()
	h.tr.SetPeers(map[raft.NodeID]string{2: l.Addr().String()})
	s := receive(t, l)
	h.await("to meet it", func() bool { return len(h.met) == 1 })
	s.Close()
	h.await("to lose it", func() bool { return len(h.lost) == 1 })
	receive(t, l) // it is dialled again
	h.await("to meet it again", func() bool { return len(h.met) == 2 })
}

// Both connections break when a process dies; that is one loss.
func TestDeathIsToldOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, 1).start()
	in := join(h, 1)
	h.tr.SetPeers(map[raft.NodeID]string{2: l.Addr().String()})
	out := receive(t, l)
	h.await("both connections", func() bool { return h.connected(1) })
	l.Close()
	in.Close()
	out.Close()
	h.await("to lose it", func() bool {
		h.again() // nothing tells of the second break, and that is the point
		s := h.stats(2)
		return len(h.lost) > 0 && !s.Inbound && !s.Outbound
	})
	h.tr.Close() // waits for whatever the second break decided to tell
	if len(h.told().lost) != 1 {
		t.Errorf("lost %v", h.told().lost)
	}
}

func TestNewBootEndsTheOldOnesConnections(t *testing.T) {
	h := newHost(t, 1).start()
	first := join(h, 1)
	join(h, 2)
	first.ended("the connection of the boot before")
	if want := []string{"met", "lost", "met"}; !slices.Equal(h.told().order, want) {
		t.Errorf("told %v, want %v", h.told().order, want)
	}
}

func TestSecondConnectionOfOneBootIsNoLoss(t *testing.T) {
	h := newHost(t, 1).start()
	first := join(h, 1)
	second := call(h)
	hello := newHost(t, 2).hello
	hello.Protocol, hello.To = wire.Protocol, 1
	second.introduce(hello)
	second.say(wire.AppendHelloReplyFrame(nil, wire.HelloReply{}))
	first.ended("the connection before")
	second.say(wire.AppendFrame(nil, beat(2, 1, 3)))
	h.await("a message over the second", func() bool { return len(h.received[2]) == 1 })
	if len(h.told().lost) != 0 {
		t.Errorf("lost %v", h.told().lost)
	}
}

func TestBadFramesEndTheConnection(t *testing.T) {
	good := wire.AppendFrame(nil, beat(2, 1, 1))
	corrupt := slices.Clone(good)
	corrupt[len(corrupt)-1] ^= 1
	large := slices.Clone(good)
	large[3] = 0xff
	for _, c := range []struct {
		name string
		bad  []byte
	}{
		{"a flipped bit", corrupt},
		{"a frame above the limit", large},
		{"a hello", wire.AppendHelloFrame(nil, wire.Hello{})},
		{"in another's name", wire.AppendFrame(nil, beat(3, 1, 1))},
		{"to another", wire.AppendFrame(nil, beat(2, 3, 1))},
		{"an empty frame", make([]byte, 16)},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t, 1).start()
			s := join(h, 1)
			s.say(slices.Concat(good, c.bad, good))
			s.ended(c.name)
			h.await("to lose it", func() bool { return len(h.lost) == 1 })
			if len(h.told().received[2]) != 1 {
				t.Errorf("%d messages delivered, want the one before", len(h.told().received[2]))
			}
			if n := h.tr.Stats().BadFrames; n != 1 {
				t.Errorf("%d bad frames counted", n)
			}
		})
	}
}

func TestAcceptorThatSpeaksIsCutOff(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := newHost(t, 1).start()
	h.tr.SetPeers(map[raft.NodeID]string{2: l.Addr().String()})
	s := receive(t, l)
	s.say(wire.AppendFrame(nil, beat(2, 1, 1)))
	s.ended("an acceptor that sends")
	h.await("to lose it", func() bool { return len(h.lost) == 1 })
	if len(h.told().received) != 0 || h.tr.Stats().BadFrames != 1 {
		t.Errorf("received %v, %+v", h.told().received, h.tr.Stats())
	}
}

// A paused peer takes what fits into the system's buffers and then nothing. Send does not wait for
// it, its queue stays within bounds, and in the end it is given up.
func TestPeerThatReadsNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const limit = 1 << 20
	h := newHost(t, 1).start(func(c *Config) {
		c.MaxQueueBytes = limit
		c.WriteTimeout = 200 * time.Millisecond
	})
	h.tr.SetPeers(map[raft.NodeID]string{2: l.Addr().String()})
	s := receive(t, l)
	h.await("to meet it", func() bool { return len(h.met) == 1 })
	piece := make([]byte, limit/4)
	h.await("to lose it", func() bool {
		h.tr.Send(2, []wire.Message{{Peer: rsm.Forward{Batch: piece}}})
		if n := h.stats(2).QueuedBytes; n > limit {
			t.Fatalf("%d bytes queued", n)
		}
		h.again()
		return len(h.lost) == 1
	})
	if h.stats(2).Dropped == 0 {
		t.Error("nothing was dropped")
	}
	io.Copy(io.Discard, s) // what had been taken, then the end
}

func TestConnectedPeersAreNotKicked(t *testing.T) {
	a, b := newHost(t, 1).start(), newHost(t, 2).start()
	meet(a, b)
	p := a.tr.peer(2)
	p.lives()
	if len(p.kick) != 0 {
		t.Error("a peer with a connection is dialled again")
	}
}
