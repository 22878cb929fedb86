package replica

import (
	"drystone/raft"
	"drystone/rsm"
)

// Ticket names a caller's request or read; chosen by the host, never reused in a boot.
type Ticket uint64

// Effects is what the host must now do. All parts but Queries are independent of each other.
type Effects struct {
	raft.Ready            // Reads is consumed by the replica and always empty here
	Forward    []Outgoing // to other replicas
	Queries    []Query    // hand to the applier behind everything of Apply so far, in order
	Answers    []Answer   // to callers
	ReadFailed []ReadFailed
}

// Outgoing is a peer message and its receiver.
type Outgoing struct {
	To   raft.NodeID
	Body rsm.PeerMessage
}

// Query is a read that may run now.
type Query struct {
	Ticket  Ticket
	Kind    rsm.QueryKind
	Query   []byte
	StaleMs uint64 // of a stale read: since a leader was heard, or NeverHeardMs
}

// Answer is the outcome of a Submit.
type Answer struct {
	Ticket Ticket
	Result rsm.Result
}

// ReadFailed is a read that found no answer within its time.
type ReadFailed struct {
	Ticket Ticket
	Code   rsm.Code
}

// Ready takes what is to be done since the last call, and whether there is anything. Feed a burst
// of inputs, then call it until it reports false: one call may make room for the next batch or
// round of reads. Nothing in Effects is touched again by the replica.
func (r *Replica) Ready(now uint64) (Effects, bool) {
	r.advance(now)
	r.expire(r.now)
	r.observe()
	if r.lead != nil {
		r.propose()
	} else {
		r.sendForwards()
	}
	r.askReads()

	rd, ok := r.engine.Ready()
	if ok {
		r.touched = true
		r.onApply(rd.Apply)
		r.onReadGrants(rd.Reads)
		rd.Reads = nil
	}
	r.serveReads()

	e := Effects{
		Ready: rd, Forward: r.forward, Queries: r.queries, Answers: r.answers,
		ReadFailed: r.failed,
	}
	r.forward, r.queries, r.answers, r.failed = nil, nil, nil, nil
	ok = ok || len(e.Forward)+len(e.Queries)+len(e.Answers)+len(e.ReadFailed) > 0
	return e, ok
}

// onApply notes what is handed out to be applied.
func (r *Replica) onApply(entries []raft.Entry) {
	if len(entries) == 0 {
		return
	}
	assert(uint64(entries[0].Index) > r.handed, "an entry was handed out twice")
	r.handed = uint64(entries[len(entries)-1].Index)
	for i := 0; i < len(entries) && !r.settled; i++ {
		r.settled = entries[i].Kind == raft.EntryCommand
	}
}

func (r *Replica) send(to raft.NodeID, m rsm.PeerMessage) {
	assert(to != 0 && to != r.config.ID, "a message to nobody, or to oneself")
	r.forward = append(r.forward, Outgoing{To: to, Body: m})
}
