// Package replica joins an Engine, the requests of its node and the reads into one replica,
// without I/O: the node's loop and the simulator drive the same code.
//
// A request enters at any node with Submit and waits there. Each node sends its requests to the
// leader in one stream of numbered batches (origin.go), which rsm applies strictly in order and
// once. The leader packs what arrives into one entry at a time (leader.go). Answers come from the
// node's own apply stream, never from the leader: the result came out, or the deadline passed
// (deadline.go). Reads ask the leader for an index and wait until it is applied (reads.go).
package replica

import (
	"drystone/raft"
	"drystone/rsm"
)

// Config is what a Replica is started with.
type Config struct {
	ID               raft.NodeID
	Boot             uint64       // grows at every start; durable before the start; below 2^32
	MaxInflightBytes int          // of commands waiting on this node; more is refused as overload
	MaxEntryBytes    int          // of batches packed into one log entry; one request may exceed it
	RetryMs          uint64       // a batch or read without progress is sent again after this
	TickMs           uint64       // between two Ticks; deadlines are met early by up to this
	Settings         rsm.Settings // proposed when this node leads first in a cluster without any
}

// Replica is one node's part in the service. Its methods come from one goroutine; none blocks.
// now is monotonic milliseconds since any fixed moment of this boot.
type Replica struct {
	config Config
	engine Engine
	now    uint64 // the latest any input came with

	status   raft.Status // as of the last observe
	touched  bool        // the engine had an input since
	heard    bool        // a leader was known at some time in this boot
	heardAt  uint64      // when a leader was heard last, or this node led
	tickedAt uint64      // when Tick was called last
	route    route
	lead     *leadership // nil: this node does not lead

	clock       logClock
	applied     uint64    // index of the last entry applied
	appliedTerm raft.Term // and its term
	handed      uint64    // index of the last entry handed out to be applied
	settled     bool      // the cluster has settings, or they are handed out

	origin        origin
	reads         reads
	inflightBytes int    // of requests without a result and reads that have not run
	earliest      uint64 // no deadline is before this
	draining      bool
	fenced        bool

	forward []Outgoing
	queries []Query
	answers []Answer
	failed  []ReadFailed
}

// route is where requests and read questions go. Another term of the same leader is another
// route: what it had not proposed it has forgotten.
type route struct {
	leader raft.NodeID // 0: nobody is known
	term   raft.Term
}

// New returns the replica of an engine and a state machine that stands at p: where the snapshot
// that the engine was restored with left it, so that Effects.Apply goes on from there.
func New(c Config, e Engine, p rsm.Point, now uint64) *Replica {
	assert(c.ID != 0 && c.Boot != 0 && c.RetryMs != 0, "configuration")
	assert(c.MaxEntryBytes > 0 && c.MaxInflightBytes > 0, "configuration of bounds")
	r := &Replica{
		config: c, engine: e, now: now, touched: true, earliest: never,
		clock:   logClock{stamp: p.LogTime, at: now},
		applied: p.Index, appliedTerm: raft.Term(p.Term), handed: p.Index,
		// Settings are the first request of every log.
		settled: p.Op > 0,
	}
	r.origin.retryMs = c.RetryMs
	return r
}

// advance takes the time of an input. A clock that goes back stands still instead.
func (r *Replica) advance(now uint64) { r.now = max(r.now, now) }

// Tick passes a tick to the engine, and answers whoever's deadline is before the next.
func (r *Replica) Tick(now uint64) {
	r.advance(now)
	r.tickedAt = r.now
	r.engine.Tick()
	r.touched = true
	if r.lead != nil {
		r.lead.stalled = false
	}
	r.expire(r.now + r.config.TickMs)
	r.observe()
	r.retryBatches()
	r.retryReads()
}

// Step takes a message of consensus.
func (r *Replica) Step(now uint64, m raft.Message) {
	r.advance(now)
	r.engine.Step(m)
	r.touched = true
}

// Receive takes a message of another replica. It keeps nothing of a Forward's bytes.
func (r *Replica) Receive(now uint64, from raft.NodeID, m rsm.PeerMessage) {
	r.advance(now)
	if from == r.config.ID || from == 0 {
		return
	}
	switch m := m.(type) {
	case rsm.Forward:
		r.onForward(from, m)
	case rsm.Refusal:
		r.onRefusal(from, m)
	case rsm.ReadAsk:
		r.onReadAsk(from, m.ID)
	case rsm.ReadAnswer:
		r.onReadAnswer(m)
	default:
		assert(false, "unknown peer message")
	}
}

// Persisted says that the Append of this Seq, and all before, are durable.
func (r *Replica) Persisted(seq uint64) {
	r.engine.Persisted(seq)
	r.touched = true
}

// Lost says that the connection to a peer broke. What was sent to it may not have arrived.
func (r *Replica) Lost(now uint64, peer raft.NodeID) {
	r.advance(now)
	r.engine.Unreachable(peer)
	r.touched = true
	if peer == r.route.leader {
		r.rerouteBatches()
		r.rerouteReads()
	}
}

// Compact says that a durable snapshot replaces the log up to its index.
func (r *Replica) Compact(m raft.SnapshotMeta) {
	r.engine.Compact(m)
	r.touched = true
}

// Shipped reports the end of a shipment that Effects.Ship asked for.
func (r *Replica) Shipped(to raft.NodeID, m raft.SnapshotMeta, ok bool) {
	r.engine.Shipped(to, m, ok)
	r.touched = true
}

// Reconfigure proposes other members; the error is the engine's.
func (r *Replica) Reconfigure(m raft.Members) error {
	r.touched = true
	return r.engine.Reconfigure(m)
}

// Transfer hands leadership over; the error is the engine's.
func (r *Replica) Transfer(to raft.NodeID) error {
	r.touched = true
	return r.engine.Transfer(to)
}

// AppliedEntries says what came of entries that Effects.Apply handed out, in order.
func (r *Replica) AppliedEntries(now uint64, done []rsm.EntryDone) {
	if len(done) == 0 {
		return
	}
	r.advance(now)
	for i := range done {
		d := &done[i]
		assert(d.Index == r.applied+1 && d.Index <= r.handed, "applied what was not next")
		r.applied, r.appliedTerm = d.Index, raft.Term(d.Term)
		r.clock.learn(d.LogTime, r.now)
		for j := range d.Batches {
			r.onBatchDone(d.Batches[j])
		}
	}
	r.fillGap()
	r.engine.Applied(raft.Index(r.applied))
	r.touched = true
}

// Restored says that the state now is a received snapshot's, at p, so that the results of entries
// before it will not come out. lookup is rsm's State.Lookup for this node and boot, on the restored
// state. Every caller whose batch is in the snapshot is answered here.
func (r *Replica) Restored(
	now uint64, p rsm.Point, lookup func(number uint64) ([]rsm.Result, bool),
) {
	r.advance(now)
	assert(p.Index >= r.applied, "restored a state older than the one applied")
	o := &r.origin
	// A session drops results only up to an Ack, and a batch whose result this node has not seen
	// was never covered by one: what lookup does not find was not applied.
	for len(o.ring) > 0 {
		results, applied := lookup(o.ring[0].number)
		if !applied {
			break
		}
		assert(len(results) == len(o.ring[0].waiters), "a batch with another's results")
		r.finish(results)
	}
	r.applied, r.appliedTerm = p.Index, raft.Term(p.Term)
	r.handed = max(r.handed, p.Index)
	r.settled = r.settled || p.Op > 0
	r.clock.learn(p.LogTime, r.now)
	r.engine.Applied(raft.Index(p.Index))
	r.touched = true
}

// Status is the engine's.
func (r *Replica) Status() raft.Status { return r.engine.Status() }

// LogTime is the log time this node would read now, in ms.
func (r *Replica) LogTime(now uint64) uint64 {
	r.advance(now)
	return r.clock.read(r.now)
}

// InflightBytes is how much waits here, of MaxInflightBytes.
func (r *Replica) InflightBytes() int { return r.inflightBytes }

// Fenced says that a newer boot of this node has replaced this one in the log, so that it can take
// no requests any more: the process must end.
func (r *Replica) Fenced() bool { return r.fenced }

// stoodStillTicks without a tick: the process was stopped, or its machine was.
const stoodStillTicks = 5

// observe takes notice of what inputs did to the engine: who leads, and what is committed.
func (r *Replica) observe() {
	if !r.touched {
		return
	}
	r.touched = false
	s := r.engine.Status()
	if s.QuietTicks == 0 || s.QuietTicks < r.status.QuietTicks { // since the last tick
		r.heardAt = r.now
		if r.now-r.tickedAt > stoodStillTicks*r.config.TickMs {
			r.heardAt = r.tickedAt // perhaps before this process stood still
		}
	}
	r.status = s
	leads, term := s.Role == raft.Leader, s.Hard.CurrentTerm
	next := route{leader: s.Leader, term: term}
	if leads {
		next.leader = r.config.ID
	}
	changed := next != r.route
	r.route = next
	r.heard = r.heard || next.leader != 0
	// §5.2: at most one leadership a term, so another term is another leadership.
	if r.lead != nil && (!leads || r.lead.term != term) {
		r.stepDown()
	}
	if leads && r.lead == nil {
		r.lead = &leadership{term: term}
	}
	r.advanceFlight(s.Commit)
	if changed {
		r.rerouteBatches()
		r.rerouteReads()
	}
}
