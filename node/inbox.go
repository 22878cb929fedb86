package node

import (
	"sync"

	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
	"drystone/wire"
)

// inbox gathers everything that happens to a node until its loop takes it: a burst is fed whole
// and drained once, so that it costs one write and one packet a peer.
type inbox struct {
	mu   sync.Mutex
	now  pile
	wake chan struct{} // holds at most one token
}

// pile is what gathered. Its parts are fed in the order of the fields.
type pile struct {
	persisted uint64 // the highest Append known durable
	received  []received
	lost      []raft.NodeID
	done      []rsm.EntryDone
	saved     []raft.SnapshotMeta
	submits   []submit
	reads     []read
	cancels   []replica.Ticket
	drain     bool
}

type received struct {
	from     raft.NodeID
	messages []wire.Message
}

type submit struct {
	ticket    replica.Ticket
	request   rsm.Request
	timeoutMs uint64
}

type read struct {
	ticket    replica.Ticket
	query     []byte
	options   rsm.ReadOptions
	timeoutMs uint64
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// put changes the pile and wakes the loop.
func (b *inbox) put(change func(*pile)) {
	b.mu.Lock()
	change(&b.now)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take gives everything that gathered, for the emptied pile of the last time.
func (b *inbox) take(emptied pile) pile {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.now
	b.now = emptied
	return p
}

// emptied drops what a pile refers to and keeps its room.
func (p pile) emptied() pile {
	clear(p.received)
	clear(p.done)
	clear(p.submits)
	clear(p.reads)
	return pile{
		received: p.received[:0], lost: p.lost[:0], done: p.done[:0], saved: p.saved[:0],
		submits: p.submits[:0], reads: p.reads[:0], cancels: p.cancels[:0],
	}
}
