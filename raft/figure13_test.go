package raft_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drystone/disk"
	"drystone/raft"
	"drystone/storage"
	"drystone/transport"
	"drystone/wire"
)

// Steps 2 to 4 of Figure 13 move bytes. They are the host's, and no script shows them: here whole
// hosts do, with the files of package storage and the connections of package transport. Both import
// package raft, so these tests stand outside of it, and TestRules gets at them by a variable.

func init() { raft.ShowHostSteps = showHostSteps }

// server is a core and its host: files in memory, and messages delivered by hand.
type server struct {
	t      *testing.T
	id     raft.NodeID
	store  *storage.Store
	core   *raft.Raft
	out    []raft.Message
	ships  []raft.SnapshotSend
	traced []raft.Event
	// Of a received snapshot: what the machine was reset with.
	machine []byte
}

func newServer(t *testing.T, id raft.NodeID, mem *disk.Mem) *server {
	s := &server{t: t, id: id}
	store, found, err := storage.Open(mem.Dir(), storage.Identity{Node: uint64(id)},
		storage.Options{InitialMembers: raft.Members{Voters: []raft.NodeID{1, 2, 3}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s.store = store
	s.core = raft.New(raft.Config{
		ID: id, Trace: func(e raft.Event) { s.traced = append(s.traced, e) },
	}, found.Raft)
	return s
}

// work does all that the core asks for.
func (s *server) work() (worked bool) {
	for {
		rd, more := s.core.Ready()
		if !more {
			return worked
		}
		worked = true
		s.out = append(s.out, rd.Send...)
		s.ships = append(s.ships, rd.Ship...)
		if rd.Append.Seq != 0 {
			if err := s.store.Write([]raft.Append{rd.Append}); err != nil {
				s.t.Fatal(err)
			}
			s.out = append(s.out, rd.Append.After...)
			s.core.Persisted(rd.Append.Seq)
		}
		if m := rd.Append.Snapshot; m != nil {
			_, content, err := s.store.OpenInstalled(*m)
			if err != nil {
				s.t.Fatal(err)
			}
			if s.machine, err = io.ReadAll(content); err != nil {
				s.t.Fatal(err)
			}
			content.Close()
			s.core.Applied(m.LastIncludedIndex)
		}
		if n := len(rd.Apply); n > 0 {
			s.core.Applied(rd.Apply[n-1].Index)
		}
	}
}

// settle delivers messages between servers until none is under way; those to others are lost.
func settle(all ...*server) {
	for moved := true; moved; {
		moved = false
		for _, from := range all {
			moved = from.work() || moved
			sent := from.out
			from.out = nil
			for _, m := range sent {
				for _, to := range all {
					if to.id == m.To {
						to.core.Step(m)
					}
				}
			}
		}
	}
}

// until lets time pass for a leader to be, and for all that follows, until ok.
func until(t *testing.T, what string, ok func() bool, clock *server, all ...*server) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		clock.core.Tick()
		settle(all...)
	}
	t.Fatalf("it never came to this: %s", what)
}

const (
	pieceBytes = wire.ShipChunkBytes
	pieces     = 4
)

// showHostSteps has a leader that forgot its log bring a new follower up to date, over a connection
// that breaks behind the first piece, and counts how often each of the host's steps was seen.
func showHostSteps(t *testing.T) map[raft.Rule]int {
	t.Helper()
	mem := disk.NewMem(3)
	leader, other := newServer(t, 1, disk.NewMem(1)), newServer(t, 2, disk.NewMem(2))
	until(t, "a leader", func() bool { return leader.core.Status().Role == raft.Leader },
		leader, leader, other)
	for range 5 {
		if err := leader.core.Propose([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	settle(leader, other)

	// The leader takes a snapshot, and its log forgets what is in it.
	at := leader.core.Status()
	meta := raft.SnapshotMeta{
		LastIncludedIndex: at.Applied, LastIncludedTerm: at.Hard.CurrentTerm, Members: at.Members,
	}
	content := make([]byte, (pieces-1)*pieceBytes)
	rand.NewChaCha8([32]byte{1}).Read(content)
	if _, err := leader.store.SaveSnapshot(meta, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	leader.core.Compact(meta)
	late := newServer(t, 3, mem)
	until(t, "the leader asks for a snapshot to be shipped",
		func() bool { return len(leader.ships) > 0 }, leader, leader, other, late)

	seen := receive(t, leader, late, mem, meta)
	leader.core.Shipped(late.id, meta, true)
	until(t, "the follower has what the leader has",
		func() bool { return late.core.Status().Applied == leader.core.Status().Applied },
		leader, leader, other, late)
	// With the bytes there, the core's steps follow: save it, discard the log, reset the machine.
	for _, rule := range []raft.Rule{raft.IS5, raft.IS7, raft.IS8} {
		if !slices.ContainsFunc(late.traced, func(e raft.Event) bool { return e.Rule == rule }) {
			t.Errorf("%v: the follower did not take this step", rule)
		}
	}
	if !bytes.Equal(late.machine, content) {
		t.Errorf("the machine was reset with %d bytes, not with the leader's %d", len(late.machine),
			len(content))
	}
	return seen
}

// receive ships the leader's snapshot in two tries, and watches the receiver's disk.
func receive(t *testing.T, leader, late *server, mem *disk.Mem, meta raft.SnapshotMeta,
) map[raft.Rule]int {
	t.Helper()
	w := &watched{first: make(chan struct{})}
	mem.SetHook(w.see)
	defer mem.SetHook(nil)
	from, to := connected(t, leader, late)
	o, err := leader.store.OpenOutgoing()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ship := func(file io.ReaderAt) error {
		return from.Ship(ctx, late.id, transport.Shipment{Meta: meta, Bytes: o.Bytes, Content: file})
	}
	seen := map[raft.Rule]int{}

	if err := ship(&cutOff{o, w.first}); !errors.Is(err, errCutOff) {
		t.Fatalf("the first try ended with %v", err)
	}
	if late.store.Holds(meta) {
		t.Error("a part of a snapshot counts as the whole")
	}
	second := &recorded{ReaderAt: o}
	if err := ship(second); err != nil {
		t.Fatalf("the second try: %v", err)
	}
	if !late.store.Holds(meta) {
		t.Error("the whole snapshot does not count")
	}
	from.Close()
	to.Close()

	// Step 2: with the first piece, and never again.
	if seen[raft.IS2] = w.created; w.created != 1 {
		t.Errorf("the file was created %d times", w.created)
	}
	// Step 3: every piece where the one before it ended.
	next := int64(0)
	for _, piece := range w.writes {
		if piece.Offset != next {
			t.Errorf("a piece went to offset %d, and %d was next", piece.Offset, next)
		}
		next += int64(piece.Length)
		seen[raft.IS3]++
	}
	if next != o.Bytes || len(w.writes) != pieces {
		t.Errorf("%d of %d bytes came, in %d pieces", next, o.Bytes, len(w.writes))
	}
	// Step 4: it answered what it has, and waited: for the rest, behind the first piece; and only
	// the last piece ended that, by a name.
	if !second.read(pieceBytes) || second.rereads > 0 {
		t.Errorf("the sender did not go on behind the first piece: it sent from %v", second.at)
	}
	for i, ends := range w.ends {
		if ends != len(w.writes) || i > 0 {
			t.Errorf("it became a snapshot after %d pieces of %d", ends, len(w.writes))
		}
	}
	if len(w.ends) == 1 {
		seen[raft.IS4] = len(w.writes) - 1
	}
	return seen
}

// watched is what a receiver does to its disk.
type watched struct {
	mu      sync.Mutex
	created int
	writes  []disk.Op
	ends    []int         // pieces written when it got its name
	first   chan struct{} // closed with the first piece
}

func (w *watched) see(op disk.Op) error {
	if !strings.HasPrefix(op.Name, "snap-") {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch op.Kind {
	case disk.OpCreate:
		w.created++
	case disk.OpWrite:
		if w.writes = append(w.writes, op); len(w.writes) == 1 {
			close(w.first)
		}
	case disk.OpRename:
		w.ends = append(w.ends, len(w.writes))
	}
	return nil
}

var errCutOff = errors.New("cut off")

// cutOff is a file whose second piece cannot be sent: the connection breaks once the first one has
// arrived.
type cutOff struct {
	io.ReaderAt
	arrived chan struct{}
}

func (c *cutOff) ReadAt(b []byte, off int64) (int, error) {
	if off > 0 {
		<-c.arrived
		return 0, errCutOff
	}
	return c.ReaderAt.ReadAt(b, off)
}

// recorded notes from where it is read.
type recorded struct {
	io.ReaderAt
	at      []int64
	rereads int // of the first piece, but for its checksum
}

func (r *recorded) ReadAt(b []byte, off int64) (int, error) {
	if off == 0 && len(r.at) > 0 {
		r.rereads++
	}
	r.at = append(r.at, off)
	return r.ReaderAt.ReadAt(b, off)
}

func (r *recorded) read(off int64) bool { return slices.Contains(r.at, off) }

// connected gives two servers a line: the second takes the snapshots of the first.
func connected(t *testing.T, a, b *server) (from, to *transport.Transport) {
	t.Helper()
	start := func(s *server, accept func(raft.NodeID, raft.SnapshotMeta, int64) (
		transport.Incoming, error)) *transport.Transport {
		tr, err := transport.Start(transport.Config{
			Listen: "127.0.0.1:0", Accept: accept,
			Hello: func() wire.Hello {
				return wire.Hello{
					Node: uint64(s.id), Boot: 1, Cluster: strings.Repeat("c", 32),
					Incarnation: strings.Repeat(string(rune('0'+s.id)), 32),
				}
			},
		}, trusting{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(tr.Close)
		return tr
	}
	from = start(a, nil)
	to = start(b, func(_ raft.NodeID, m raft.SnapshotMeta, n int64) (transport.Incoming, error) {
		return b.store.Receive(m, n)
	})
	addresses := map[raft.NodeID]string{a.id: from.Addr().String(), b.id: to.Addr().String()}
	to.SetPeers(addresses)
	from.SetPeers(addresses)
	return from, to
}

// trusting takes whoever calls.
type trusting struct{}

func (trusting) Check(wire.Hello) wire.HelloReply     { return wire.HelloReply{} }
func (trusting) Met(wire.Hello)                       {}
func (trusting) Receive(wire.Hello, []wire.Message)   {}
func (trusting) Lost(raft.NodeID)                     {}
func (trusting) Refused(raft.NodeID, wire.HelloReply) {}
