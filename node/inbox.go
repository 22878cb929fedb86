package node

import (
	"slices"
	"sync"
	"sync/atomic"

	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
	"drystone/wire"
)

// receivedMax bounds what peers said and the loop has not taken, in bytes. The loop takes all of
// it at once, so that only a peer that floods ever waits.
const receivedMax = 32 << 20

// inbox gathers everything that happens to a node until its loop takes it: a burst is fed whole
// and drained once, so that it costs one write and one packet a peer.
type inbox struct {
	mu     sync.Mutex
	room   sync.Cond // for what peers say
	now    pile
	closed bool          // the loop has ended
	wake   chan struct{} // holds at most one token
}

// pile is what gathered. Its parts are fed in the order of the fields.
type pile struct {
	persisted uint64 // the highest Append known durable
	received  []received
	lost      []raft.NodeID
	done      []rsm.EntryDone
	restored  []restored // between those of done
	saved     []raft.SnapshotMeta
	shipped   []shipped
	submits   []submit
	reads     []read
	cancels   []replica.Ticket
	calls     []func() // to be made where the replica may be touched
	drain     bool

	receivedBytes int
}

type received struct {
	from        raft.NodeID
	incarnation string // of the directory that said it
	messages    []wire.Message
}

type submit struct {
	ticket    replica.Ticket
	serial    *atomic.Uint64 // to be set once the replica has it
	request   rsm.Request
	timeoutMs uint64
}

type read struct {
	ticket    replica.Ticket
	query     []byte
	options   rsm.ReadOptions
	timeoutMs uint64
}

func newInbox() *inbox {
	b := &inbox{wake: make(chan struct{}, 1)}
	b.room.L = &b.mu
	return b
}

// put changes the pile and wakes the loop. It is false, and nothing is changed, once the loop has
// ended.
func (b *inbox) put(change func(*pile)) bool {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return false
	}
	change(&b.now)
	b.mu.Unlock()
	b.signal()
	return true
}

func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// takeBack takes a request out again. It is false if the loop has it, or had it.
func (b *inbox) takeBack(t replica.Ticket) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := len(b.now.submits)
	b.now.submits = slices.DeleteFunc(b.now.submits, func(s submit) bool { return s.ticket == t })
	return len(b.now.submits) < before
}

// receive puts what a peer said, once there is room. Meanwhile its connection waits, and so in
// the end does the peer.
func (b *inbox) receive(r received) {
	b.mu.Lock()
	for b.now.receivedBytes > receivedMax && !b.closed {
		b.room.Wait()
	}
	if b.closed {
		b.mu.Unlock()
		return
	}
	b.now.received = append(b.now.received, r)
	for i := range r.messages {
		b.now.receivedBytes += weight(&r.messages[i])
	}
	b.mu.Unlock()
	b.signal()
}

// weight is about what a message takes in memory.
func weight(m *wire.Message) int {
	const fixed = 128
	if m.Raft == nil {
		if f, ok := m.Peer.(rsm.Forward); ok {
			return fixed + len(f.Batch)
		}
		return fixed
	}
	a, ok := m.Raft.Body.(raft.AppendEntries)
	if !ok {
		return fixed
	}
	n := fixed
	for i := range a.Entries {
		n += fixed + len(a.Entries[i].Data)
	}
	return n
}

// take gives everything that gathered, for the emptied pile of the last time.
func (b *inbox) take(emptied pile) pile {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.exchange(emptied)
}

// close gives what gathered last. Nothing is taken in any more.
func (b *inbox) close() pile {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return b.exchange(pile{})
}

func (b *inbox) exchange(emptied pile) pile {
	p := b.now
	b.now = emptied
	b.room.Broadcast()
	return p
}

// emptied drops what a pile refers to and keeps its room.
func (p pile) emptied() pile {
	clear(p.received)
	clear(p.done)
	clear(p.saved)
	clear(p.restored)
	clear(p.submits)
	clear(p.calls)
	clear(p.reads)
	return pile{
		received: p.received[:0], lost: p.lost[:0], done: p.done[:0], saved: p.saved[:0],
		restored: p.restored[:0], shipped: p.shipped[:0],
		submits: p.submits[:0], calls: p.calls[:0], reads: p.reads[:0], cancels: p.cancels[:0],
	}
}
