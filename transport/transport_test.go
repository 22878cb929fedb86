package transport

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drystone/raft"
	"drystone/rsm"
	"drystone/wire"
)

func TestTwoTalk(t *testing.T) {
	a, b := newHost(t, 1).start(), newHost(t, 2).start()
	meet(a, b)
	said := []wire.Message{
		beat(1, 2, 7),
		{Raft: &raft.Message{From: 1, To: 2, Term: 3, Body: raft.AppendEntries{
			PrevLogIndex: 4,
			Entries: []raft.Entry{
				{Index: 5, Term: 3, Data: []byte("five")}, {Index: 6, Term: 3, Data: []byte("six")},
			},
		}}},
		{Peer: rsm.Forward{Batch: []byte("batch")}},
		{Peer: rsm.ReadAsk{ID: 8}},
	}
	a.tr.Send(2, said)
	b.await("all of it", func() bool { return len(b.received[1]) == len(said) })
	if diff := cmp.Diff(said, b.told().received[1]); diff != "" {
		t.Errorf("(-sent +got):\n%s", diff)
	}
	b.tr.Send(1, []wire.Message{beat(2, 1, 9)})
	a.await("an answer", func() bool { return len(a.received[2]) == 1 })
	if got := a.told().met[0]; got.Node != 2 || got.To != 1 || got.HTTP == "" ||
		got.Protocol != wire.Protocol {
		t.Errorf("a met %+v", got)
	}
}

func TestThreeTalk(t *testing.T) {
	hosts := []*host{newHost(t, 1).start(), newHost(t, 2).start(), newHost(t, 3).start()}
	meet(hosts...)
	const count = 100
	for _, h := range hosts {
		for n := range uint64(count) {
			for _, to := range hosts {
				if to != h {
					h.tr.Send(to.id(), []wire.Message{beat(h.id(), to.id(), n)})
				}
			}
		}
	}
	for _, h := range hosts {
		for _, from := range hosts {
			if from == h {
				continue
			}
			h.await("everything", func() bool { return len(h.received[from.id()]) == count })
			for n, m := range h.told().received[from.id()] {
				if number(m) != uint64(n) {
					t.Fatalf("message %d of node %d is number %d", n, from.id(), number(m))
				}
			}
		}
	}
}

func TestManySenders(t *testing.T) {
	a, b := newHost(t, 1).start(), newHost(t, 2).start()
	meet(a, b)
	const senders, count = 8, 200
	var wg sync.WaitGroup
	for s := range uint64(senders) {
		wg.Go(func() {
			for n := range uint64(count) {
				a.tr.Send(2, []wire.Message{beat(1, 2, s<<32|n)})
			}
		})
	}
	wg.Wait()
	b.await("everything", func() bool { return len(b.received[1]) == senders*count })
	var next [senders]uint64
	for _, m := range b.told().received[1] {
		s, n := number(m)>>32, number(m)&(1<<32-1)
		if n != next[s] {
			t.Fatalf("sender %d: got %d, want %d", s, n, next[s])
		}
		next[s]++
	}
	a.tr.Close() // the writer has counted what it wrote
	if s := a.stats(2); s.SentFrames != senders*count || s.Dropped != 0 {
		t.Errorf("sent %d, dropped %d", s.SentFrames, s.Dropped)
	}
}

func TestRestartedPeerIsMetAgain(t *testing.T) {
	a, b := newHost(t, 1).start(), newHost(t, 2).start()
	meet(a, b)
	address := b.address()
	b.tr.Close()
	a.await("to lose node 2", func() bool { return len(a.lost) == 1 })

	again := newHost(t, 2)
	again.hello.Boot = 2
	again.start(func(c *Config) { c.Listen = address })
	again.tr.SetPeers(map[raft.NodeID]string{1: a.address()})
	a.await("the second boot, both ways", func() bool { return a.connected(1) })
	a.tr.Send(2, []wire.Message{beat(1, 2, 5)})
	again.await("a message", func() bool { return len(again.received[1]) == 1 })
	if last := a.told().met[len(a.told().met)-1]; last.Boot != 2 {
		t.Errorf("met boot %d last", last.Boot)
	}
	if len(a.told().lost) != 1 || len(again.told().lost) != 0 {
		t.Errorf("lost %v and %v, want one break on one side", a.told().lost, again.told().lost)
	}
	if s := a.stats(2); s.Breaks != 1 {
		t.Errorf("%d breaks counted", s.Breaks)
	}
}

func TestLargestFrame(t *testing.T) {
	const limit = 1 << 20
	small := func(c *Config) { c.MaxFrameBytes = limit }
	a, b := newHost(t, 1).start(small), newHost(t, 2).start(small)
	meet(a, b)
	overhead := wire.FrameBound(wire.Message{Peer: rsm.Forward{}})
	largest := bytes.Repeat([]byte{'x'}, limit-overhead)
	a.tr.Send(2, []wire.Message{
		{Peer: rsm.Forward{Batch: append(slices.Clone(largest), 'y')}}, // cannot be sent
		{Peer: rsm.Forward{Batch: largest}},
		{Peer: rsm.ReadAsk{ID: 1}},
	})
	b.await("two messages", func() bool { return len(b.received[1]) == 2 })
	got, ok := b.told().received[1][0].Peer.(rsm.Forward)
	if !ok || !bytes.Equal(got.Batch, largest) {
		t.Errorf("the largest message came as %T", b.told().received[1][0].Peer)
	}
	if s := a.stats(2); s.Dropped != 1 {
		t.Errorf("%d messages dropped, want the one above the limit", s.Dropped)
	}
}

// What a message aliases stays as it was received, whatever arrives afterwards.
func TestEntriesOutliveTheirFrame(t *testing.T) {
	a, b := newHost(t, 1).start(), newHost(t, 2).start()
	meet(a, b)
	const count = 200
	for n := range uint64(count) {
		a.tr.Send(2, []wire.Message{{Peer: rsm.Forward{Batch: fmt.Appendf(nil, "batch %d", n)}}})
	}
	b.await("everything", func() bool { return len(b.received[1]) == count })
	for n, m := range b.told().received[1] {
		if got := string(m.Peer.(rsm.Forward).Batch); got != fmt.Sprintf("batch %d", n) {
			t.Fatalf("message %d became %q", n, got)
		}
	}
}

func TestForgottenPeerIsLeftQuietly(t *testing.T) {
	a, b := newHost(t, 1).start(), newHost(t, 2).start()
	meet(a, b)
	met := len(b.told().met)
	a.tr.SetPeers(nil)
	b.await("to lose node 1", func() bool { return len(b.lost) > 0 })
	b.await("to dial node 1 again", func() bool { return len(b.met) > met })
	if len(a.told().lost) != 0 {
		t.Errorf("a lost %v by its own doing", a.told().lost)
	}
	a.tr.Send(2, []wire.Message{beat(1, 2, 1)})
	a.tr.Send(9, []wire.Message{beat(1, 9, 1)})
	if s := a.stats(2); s.Dropped != 1 || s.Address != "" || s.Outbound {
		t.Errorf("to a forgotten peer: %+v", s)
	}
	if s := a.tr.Stats(); s.Strayed != 1 {
		t.Errorf("%d messages strayed, want 1", s.Strayed)
	}
	met = len(a.told().met)
	a.tr.SetPeers(map[raft.NodeID]string{2: b.address()})
	a.await("node 2 again", func() bool { return len(a.met) > met })
}

func TestNewAddressIsDialled(t *testing.T) {
	a, b := newHost(t, 1).start(), newHost(t, 2).start()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	a.tr.SetPeers(map[raft.NodeID]string{1: "itself", 2: nobody})
	a.tr.SetPeers(map[raft.NodeID]string{1: "itself", 2: b.address()})
	b.await("a connection", func() bool { return len(b.met) == 1 })
	if s := a.tr.Stats(); len(s.Peers) != 1 {
		t.Errorf("a keeps connections to %+v", s.Peers)
	}
}

func TestStartNamesABusyAddress(t *testing.T) {
	a := newHost(t, 1).start()
	_, err := Start(Config{Listen: a.address(), Hello: func() wire.Hello { return a.hello }}, a)
	if err == nil || !strings.Contains(err.Error(), a.address()) {
		t.Fatalf("listening where another listens: %v", err)
	}
}
