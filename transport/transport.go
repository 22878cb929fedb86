// Package transport carries wire.Messages between nodes over TCP.
//
// Two nodes hold two connections for messages, one for each direction: the dialer says a Hello, the
// acceptor answers with its verdict and its own Hello, the dialer answers with its verdict on that;
// from then on the dialer only sends and the acceptor only receives. Nothing but these three frames
// is looked at before both agree, so that a node of another cluster, or one whose directory was
// wiped, never gets a term or a vote across.
//
// Messages may be lost, as raft allows: when no connection stands, when a peer is slower than its
// queue is long, when a connection breaks. They are never altered, and one connection never doubles
// them. It keeps their order, but that raft's messages without entries (heartbeats, votes,
// acknowledgements) go ahead of all others: entries by the megabyte must not hold them up.
// Everything that waits is bounded.
//
// A snapshot has a connection of its own, so that it never delays a heartbeat: see Ship.
package transport

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"drystone/raft"
	"drystone/wire"
)

// Config is what a Transport is started with. Zero sizes and durations take their defaults.
type Config struct {
	Listen   string       // host:port to accept peers on
	Listener net.Listener // used, and closed, instead of Listen when not nil

	// Dial connects to a peer; nil is TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)

	// Hello says who this node is, afresh for every handshake. To and Protocol are filled in.
	// Node never changes.
	Hello func() wire.Hello

	// Accept decides on a snapshot that a peer offers, of so many bytes: where it goes, an error, or
	// neither when this node has it already. One is received at a time. Nil takes none.
	Accept func(from raft.NodeID, meta raft.SnapshotMeta, bytes int64) (Incoming, error)

	// Join decides on a node that asks to be let into the cluster; nil refuses as Check would.
	Join func(ctx context.Context, h wire.Hello) wire.HelloReply

	MaxQueueBytes    int           // waiting for one peer, 64 MiB; the oldest make room
	MaxFrameBytes    int           // of one message, 64 MiB; a larger one cannot be sent
	WriteTimeout     time.Duration // a peer that takes nothing for so long is given up, 5 s
	HandshakeTimeout time.Duration // for all three frames, 5 s
	ShipTimeout      time.Duration // a snapshot of which nothing moves for so long is given up, 10 s
	Logger           *slog.Logger  // nil: nothing is logged
}

// Handler is told what happens. Its methods are called from many goroutines. Receive of one
// connection comes in the order in which it carries the messages, and only after the Met of its
// handshake; Met and Lost of one peer come one at a time. While a method blocks, its connection
// waits. None may call Close, which waits for them all.
type Handler interface {
	// Check decides on a handshake, whoever dialled, before anything else of the peer is looked
	// at. Code HelloOK accepts; any other is sent to the peer with Detail. Version, addressee, and
	// a peer that goes back behind a boot already met are checked before.
	Check(wire.Hello) wire.HelloReply
	// Met tells of a handshake that both sides accepted. It returns before Receive is called.
	Met(wire.Hello)
	// Receive takes everything that had arrived on a connection, and who said hello on it: it may
	// come late, when another directory of that number has been met. The messages and the slice are
	// the Handler's to keep.
	Receive(from wire.Hello, messages []wire.Message)
	// Lost tells at once that an established connection with a peer broke, in either direction;
	// once until the next Met, however many connections break. Closing by this side is no break.
	Lost(raft.NodeID)
	// Refused tells that a peer does not take this node.
	Refused(by raft.NodeID, reply wire.HelloReply)
}

// Transport is the peers' side of a node.
type Transport struct {
	config   Config
	handler  Handler
	self     uint64 // this node's number
	log      *slog.Logger
	quota    logQuota
	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup
	pending  handshakes
	inbound  receiving // of snapshots
	counters counters

	mu    sync.Mutex
	peers map[raft.NodeID]*peer // never shrinks: Check lets in only nodes it knows
}

// Start listens, and accepts from then on. The error is that of listening.
func Start(c Config, h Handler) (*Transport, error) {
	setDefault(&c.MaxQueueBytes, 64<<20)
	setDefault(&c.MaxFrameBytes, 64<<20)
	setDefault(&c.WriteTimeout, 5*time.Second)
	setDefault(&c.HandshakeTimeout, 5*time.Second)
	setDefault(&c.ShipTimeout, 10*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = dialTCP
	}
	if c.Listener == nil {
		l, err := net.Listen("tcp", c.Listen)
		if err != nil {
			return nil, fmt.Errorf("listen for peers: %w", err)
		}
		c.Listener = l
	}
	t := &Transport{
		config: c, handler: h, self: c.Hello().Node, log: c.Logger, listener: c.Listener,
		peers: make(map[raft.NodeID]*peer),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.running.Go(t.accept)
	return t, nil
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Addr is where peers are accepted.
func (t *Transport) Addr() net.Addr { return t.listener.Addr() }

// SetPeers says whom to keep connections to, by address (host:port). Connections to and from a
// peer that is no longer named are closed, without Lost; a changed address is used for the next
// dial. This node itself may be among them and is left out.
func (t *Transport) SetPeers(addresses map[raft.NodeID]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil {
		return
	}
	for id, p := range t.peers {
		if _, ok := addresses[id]; !ok {
			p.undial()
		}
	}
	for id, address := range addresses {
		if uint64(id) != t.self {
			t.peerLocked(id).dialTo(address)
		}
	}
}

// Send queues messages for a peer. It never blocks, and encodes nothing: the slice is the caller's,
// but what the messages refer to must not change any more. What finds no peer, no connection coming
// up, or no room is dropped and counted.
func (t *Transport) Send(to raft.NodeID, messages []wire.Message) {
	t.mu.Lock()
	p := t.peers[to]
	t.mu.Unlock()
	if p == nil {
		t.counters.strayed.Add(uint64(len(messages)))
		return
	}
	p.send(messages)
}

// Close ends all connections and returns when every goroutine has ended and no method of the
// Handler runs or will run. What is queued is dropped.
func (t *Transport) Close() {
	t.mu.Lock() // no SetPeers starts a dialer from here on
	t.cancel()
	t.mu.Unlock()
	t.listener.Close()
	t.running.Wait()
}

// peer gives the record of a node, new if need be.
func (t *Transport) peer(id raft.NodeID) *peer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.peerLocked(id)
}

func (t *Transport) peerLocked(id raft.NodeID) *peer {
	p, ok := t.peers[id]
	if !ok {
		p = newPeer(t, id)
		t.peers[id] = p
	}
	return p
}

func assert(ok bool, msg string) {
	if !ok {
		panic("transport: " + msg)
	}
}
