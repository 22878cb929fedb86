package explore

import (
	"fmt"
	"slices"
	"strings"

	"drystone/raft"
)

// faults stand between a core and its host, so that tests can show what is found if a host, or a
// core, does not do what it must. The zero value has none.
type faults struct {
	crash   func(*durable)                              // what a crash leaves
	release bool                                        // messages don't wait for the disk
	report  bool                                        // writes are reported done at once
	send    func(*durable, raft.Message) []raft.Message // what leaves in place of a message
	receive func(*node, raft.Message) raft.Message      // what arrives in place of a message
}

// host works out what one input does to a node. It is node's mirror image of a program that feeds
// a core, and does everything at once but what a late disk keeps back.
type host struct {
	node
	bounds *Bounds
	faults *faults
	ignore []string
	config raft.Config
	input  raft.Message // being delivered
	sent   []raft.Message
	broken *Violation
}

func config(id raft.NodeID) raft.Config {
	return raft.Config{ID: id, Seed: 1, HeartbeatTicks: 1, ElectionTicks: 2}
}

// start is the node as its disk has it.
func (h *host) start() {
	h.core = raft.New(h.config, h.disk.restored())
	h.writes, h.late = nil, false
}

// fail notes a broken property, unless one was broken before.
func (h *host) fail(property, format string, args ...any) {
	if h.broken == nil && !slices.Contains(h.ignore, property) {
		h.broken = &Violation{Property: property, Detail: fmt.Sprintf(format, args...)}
	}
}

// run does what an input wants and all that follows from it at this node. An assertion of the
// core is a violation. It reports whether the input was taken.
func (h *host) run(in input, hold bool) (taken bool) {
	defer func() {
		if e := recover(); e != nil {
			text, ok := e.(string)
			if !ok || !strings.HasPrefix(text, "raft: ") {
				panic(e)
			}
			h.fail(Assertion, "n%d: %s", h.config.ID, text)
			taken = h.broken != nil // or the node has stopped: nothing comes of it
		}
	}()
	if !h.feed(in) {
		return false
	}
	h.drain()
	if hold {
		h.late = len(h.writes) > 0
		return h.late
	}
	for !h.late && len(h.writes) > 0 {
		h.finish()
	}
	h.late = len(h.writes) > 0
	return true
}

// feed gives the core one input; false if it has no use for it.
func (h *host) feed(in input) bool {
	switch in.kind {
	case deliver:
		if h.faults.receive != nil {
			h.input = h.faults.receive(&h.node, h.input)
		}
		h.core.Step(h.input)
	case timeout:
		return h.timeout()
	case write:
		if len(h.writes) == 0 {
			return false
		}
		h.finish()
	case crash:
		if in.arg > len(h.writes) {
			return false
		}
		for i := range h.writes[:in.arg] {
			h.disk.write(&h.writes[i])
		}
		if h.faults.crash != nil {
			h.faults.crash(&h.disk)
		}
		h.start()
	case propose:
		return h.core.Propose([]byte("x")) == nil
	case add, remove, replace:
		m := h.status.Members
		wanted := in.wanted(m.Voters)
		return !m.Joint() && len(wanted) > 0 &&
			h.core.Reconfigure(raft.Members{Voters: wanted}) == nil
	case snapshot:
		return h.snapshot()
	}
	return true
}

// timeout makes the node a candidate. What it says before it stands is lost.
func (h *host) timeout() bool {
	term := h.status.Hard.CurrentTerm
	const patience = 20
	for i := 0; h.core.Status().Role == raft.Leader || h.core.Status().Role == raft.Candidate; i++ {
		if i == patience {
			return false // a leader that needs nobody
		}
		h.core.Tick()
		if h.core.Status().Hard.CurrentTerm > term {
			return true // a voter that needs nobody
		}
		h.core.Ready()
	}
	// The sender's name does not matter: anybody but the node itself.
	h.core.Step(raft.Message{
		From: h.config.ID%maxNodes + 1, To: h.config.ID, Term: term, Body: raft.TimeoutNow{},
	})
	return h.core.Status().Hard.CurrentTerm > term
}

// snapshot takes one of all that is applied.
func (h *host) snapshot() bool {
	at := h.status.Applied
	term, ok := h.log.at(int(at))
	if !ok || at <= h.disk.snap.LastIncludedIndex {
		return false
	}
	meta := raft.SnapshotMeta{LastIncludedIndex: at, LastIncludedTerm: term.term}
	meta.Members = h.disk.snap.Members
	for i := range h.disk.entries {
		if e := &h.disk.entries[i]; e.Kind == raft.EntryConfig && e.Index <= at {
			meta.Members, _ = raft.DecodeMembers(e.Data)
		}
	}
	h.disk.compact(meta)
	h.core.Compact(meta)
	return true
}

// drain takes everything out of the core.
func (h *host) drain() {
	for {
		rd, ok := h.core.Ready()
		if !ok {
			return
		}
		h.send(rd.Send)
		if rd.Append.Seq != 0 {
			h.writes = append(slices.Clip(h.writes), rd.Append)
			if h.faults.release {
				h.send(rd.Append.After)
			}
			if h.faults.report {
				h.core.Persisted(rd.Append.Seq)
			}
		}
		if n := len(rd.Apply); n > 0 {
			h.core.Applied(rd.Apply[n-1].Index)
		}
		for _, s := range rd.Ship {
			// The bytes arrive with the message that tells of them.
			h.core.Shipped(s.To, h.disk.snap, true)
		}
	}
}

// finish makes the oldest write durable, and does what waited for that.
func (h *host) finish() {
	a := h.writes[0]
	h.writes = h.writes[1:]
	h.disk.write(&a)
	if !h.faults.release {
		h.send(a.After)
	}
	h.core.Persisted(a.Seq)
	if a.Snapshot != nil {
		h.core.Applied(a.Snapshot.LastIncludedIndex)
	}
	h.drain()
}

func (h *host) send(messages []raft.Message) {
	for _, m := range messages {
		if h.faults.send == nil {
			h.leaves(m)
			continue
		}
		for _, other := range h.faults.send(&h.disk, m) {
			h.leaves(other)
		}
	}
}

// leaves checks a message and puts it under way, if it can matter to anybody.
func (h *host) leaves(m raft.Message) {
	h.checkMessage(m)
	teaches := m.Term > h.input.Term
	switch b := m.Body.(type) {
	case raft.TimeoutNow:
		return
	case raft.VoteReply:
		if !h.bounds.Exact && !b.Granted && !teaches {
			return
		}
	case raft.HeartbeatReply:
		if !h.bounds.Exact && !teaches {
			return
		}
	}
	h.sent = append(h.sent, m)
}
