package transport

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"drystone/raft"
	"drystone/wire"
)

// Stats is what a Transport says of itself. Counts are since Start.
type Stats struct {
	Peers []PeerStats // ascending

	PendingHandshakes int
	FailedHandshakes  uint64 // accepted connections without a proper hello
	Evicted           uint64 // handshakes that made room for later ones
	Refused           uint64 // hellos that this node refused
	RefusedBy         uint64 // refusals that it got
	BadFrames         uint64 // each ended its connection
	Strayed           uint64 // messages to nodes that are no peers
}

// PeerStats is one peer's part of Stats.
type PeerStats struct {
	ID       raft.NodeID
	Address  string // dialled; "" if it is not
	Inbound  bool   // a connection from it stands
	Outbound bool   // a connection to it stands
	Hello    wire.Hello
	Refusal  wire.HelloReply // why no connection to it stands; the zero value otherwise

	QueuedBytes    int
	SentFrames     uint64
	SentBytes      uint64
	ReceivedFrames uint64
	ReceivedBytes  uint64
	Dropped        uint64 // messages
	Dials          uint64
	FailedDials    uint64
	Breaks         uint64 // times it was Lost
}

type counters struct {
	failedHandshakes, evicted, refused, refusedBy, badFrames, strayed atomic.Uint64
}

type peerCounters struct {
	sentFrames, sentBytes, receivedFrames, receivedBytes uint64
	dropped, dials, failedDials, breaks                  uint64
}

// Stats is a copy of the state of now.
func (t *Transport) Stats() Stats {
	s := Stats{
		PendingHandshakes: t.pending.count(),
		FailedHandshakes:  t.counters.failedHandshakes.Load(),
		Evicted:           t.counters.evicted.Load(),
		Refused:           t.counters.refused.Load(),
		RefusedBy:         t.counters.refusedBy.Load(),
		BadFrames:         t.counters.badFrames.Load(),
		Strayed:           t.counters.strayed.Load(),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.peers {
		s.Peers = append(s.Peers, p.stats())
	}
	slices.SortFunc(s.Peers, func(a, b PeerStats) int { return cmp.Compare(a.ID, b.ID) })
	return s
}

func (p *peer) stats() PeerStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PeerStats{
		ID: p.id, Inbound: p.in != nil, Outbound: p.out != nil, Hello: p.hello,
		QueuedBytes: p.queue.bytes(),
		SentFrames:  p.counters.sentFrames, SentBytes: p.counters.sentBytes,
		ReceivedFrames: p.counters.receivedFrames, ReceivedBytes: p.counters.receivedBytes,
		Dropped: p.counters.dropped, Dials: p.counters.dials,
		FailedDials: p.counters.failedDials, Breaks: p.counters.breaks,
	}
	if p.cancel != nil {
		s.Address = p.address
	}
	if p.out == nil {
		s.Refusal = p.refusal
	}
	return s
}

// countBad counts a frame that the stream itself cannot explain: not its end.
func (t *Transport) countBad(err error) {
	if errors.Is(err, wire.ErrChecksum) || errors.Is(err, wire.ErrTooLarge) ||
		errors.Is(err, wire.ErrMalformed) {
		t.counters.badFrames.Add(1)
	}
}

// logQuota lets one line of a kind through in a while, so that nobody fills the log from outside.
type logQuota struct {
	mu   sync.Mutex
	last map[logKey]time.Time
}

type logKey struct {
	what string
	peer raft.NodeID
}

const (
	logPause   = 10 * time.Second
	maxLogKeys = 256 // hellos may come under any number
)

func (q *logQuota) allow(k logKey, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if last, ok := q.last[k]; ok && now.Sub(last) < logPause {
		return false
	}
	if q.last == nil || len(q.last) >= maxLogKeys {
		q.last = make(map[logKey]time.Time)
	}
	q.last[k] = now
	return true
}

func (t *Transport) warn(what string, peer raft.NodeID, text string, args ...any) {
	if t.quota.allow(logKey{what, peer}, time.Now()) {
		t.log.Warn(text, args...)
	}
}
