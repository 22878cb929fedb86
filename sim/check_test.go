package sim

import (
	"strings"
	"testing"

	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
	"drystone/store"
)

// breaks demands that f breaks a property.
func breaks(t *testing.T, property string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		broken, ok := recover().(failure)
		switch {
		case !ok:
			t.Errorf("%s: not noticed", property)
		case broken.property != property:
			t.Errorf("%s: taken for %s: %s", property, broken.property, broken.detail)
		case broken.detail == "" || strings.Contains(broken.detail, "%!"):
			t.Errorf("%s: said as %q", property, broken.detail)
		}
	}()
	f()
}

// ended is a run that went well, with its leader and a follower.
func ended(t *testing.T) (w *world, leader, follower *host) {
	t.Helper()
	w = scripted(3, 3)
	mustHold(t, w, "the run")
	for _, h := range w.hosts {
		if h.seen.status.Role == raft.Leader {
			leader = h
		} else {
			follower = h
		}
	}
	if leader == nil || follower == nil {
		t.Fatal("the run ended without a leader")
	}
	return w, leader, follower
}

// TestCheckerNotices breaks each property of the logs once, by hand.
func TestCheckerNotices(t *testing.T) {
	for property, sabotage := range map[string]func(w *world, l, f *host){
		electionSafety: func(w *world, l, f *host) {
			f.seen.status.Hard.CurrentTerm = l.seen.status.Hard.CurrentTerm
			w.check.elected(f)
		},
		leaderAppendOnly: func(w *world, l, f *host) {
			m := &l.record.handed
			w.check.ready(l, &replica.Effects{Ready: raft.Ready{Append: raft.Append{
				Seq: l.seen.seq + 1, Hard: m.hard,
				Entries: []raft.Entry{{Index: m.last(), Term: m.lastTerm()}},
			}}})
		},
		logMatching: func(w *world, l, f *host) {
			m := &f.record.handed
			m.terms = m.terms[:len(m.terms)-1]
			f.seen.status.Commit = 0
			w.check.ready(f, &replica.Effects{Ready: raft.Ready{Append: raft.Append{
				Seq: f.seen.seq + 1, Hard: m.hard,
				Entries: []raft.Entry{{Index: m.last() + 1, Term: m.lastTerm(), Data: []byte("?")}},
			}}})
		},
		leaderCompleteness: func(w *world, l, f *host) {
			f.record.handed.terms = f.record.handed.terms[:len(f.record.handed.terms)-1]
			f.seen.status.Hard.CurrentTerm++
			w.check.elected(f)
		},
		stateMachineSafety: func(w *world, l, f *host) {
			at := raft.Index(len(w.check.committed))
			w.check.applying(f, &raft.Entry{
				Index: at, Term: w.check.committed[at-1].term, Data: []byte("?"),
			})
		},
		committedOnQuorum: func(w *world, l, f *host) {
			for _, h := range w.hosts[1:] {
				h.record.durable.terms = nil
			}
			w.check.onQuorum(l, raft.Index(len(w.check.committed)))
		},
		durableFirst: func(w *world, l, f *host) {
			w.check.leaves(f, &raft.Message{
				From: f.id, To: l.id, Term: f.record.durable.hard.CurrentTerm + 1,
				Body: raft.AppendReply{},
			})
		},
		honestAcks: func(w *world, l, f *host) {
			m := &f.record.handed
			m.terms = append(m.terms, m.lastTerm())
			w.check.leaves(f, &raft.Message{
				From: f.id, To: l.id, Term: m.hard.CurrentTerm,
				Body: raft.AppendReply{Success: true, MatchIndex: m.last()},
			})
		},
		ownTerm: func(w *world, l, f *host) {
			l.seen.status.Hard.CurrentTerm++
			w.check.counted(l)
		},
		oneVote: func(w *world, l, f *host) {
			f.record.durable.hard = raft.HardState{CurrentTerm: 1 << 20, VotedFor: l.id}
			w.check.voted(f, 1<<20, l.id)
			f.record.durable.hard.VotedFor = f.id
			w.check.voted(f, 1<<20, f.id)
		},
		monotony: func(w *world, l, f *host) {
			w.check.ready(f, &replica.Effects{Ready: raft.Ready{
				Apply: []raft.Entry{{Index: f.seen.applied + 2}},
			}})
		},
		equalState: func(w *world, l, f *host) {
			w.check.committed[f.state.Point().Index-1].hash++
			w.check.applied(f, f.state)
		},
		durability: func(w *world, l, f *host) {
			d := &f.record.durable
			found := raft.Restored{Hard: d.hard}
			for i := raft.Index(1); i < d.last(); i++ {
				term, _ := d.term(i)
				found.Entries = append(found.Entries, raft.Entry{Index: i, Term: term})
			}
			w.check.restored(f, &found)
		},
	} {
		w, l, f := ended(t)
		breaks(t, property, func() { sabotage(w, l, f) })
	}
}

// acknowledgedWrite is a write of the run that its client was told of.
func acknowledgedWrite(t *testing.T, w *world) *operation {
	t.Helper()
	for i := range w.clients.ops {
		if op := &w.clients.ops[i]; op.outcome == rsm.Applied && op.key != "" {
			return op
		}
	}
	t.Fatal("no write under a key was acknowledged")
	return nil
}

// TestOracleNotices tells clients something wrong, once in every way.
func TestOracleNotices(t *testing.T) {
	open := func(w *world, h *host, op int) replica.Ticket {
		w.clients.attempts = append(w.clients.attempts, attempt{op: op, node: h.index, boot: h.boot})
		return replica.Ticket(len(w.clients.attempts))
	}
	for name, c := range map[string]struct {
		property string
		sabotage func(w *world, h *host, op *operation)
	}{
		"acknowledged, never committed": {exactlyOnce, func(w *world, h *host, op *operation) {
			ticket, result := open(w, h, w.clients.indexOf(op)), op.result
			op.done = nil
			w.clients.onAnswer(h, ticket, &result)
		}},
		"executed twice": {exactlyOnce, func(w *world, h *host, op *operation) {
			r := rsm.Request{Command: op.command}
			r.Identity.Key = op.key
			w.clients.executed(&r, &execution{index: op.done.index + 1})
		}},
		"refused, then executed": {exactlyOnce, func(w *world, h *host, op *operation) {
			r := rsm.Request{Command: op.command}
			r.Identity.Key = op.key
			op.done, op.outcome = nil, rsm.NotApplied
			w.clients.executed(&r, &execution{index: 1 << 20})
		}},
		"executed in the past": {linearizability, func(w *world, h *host, op *operation) {
			r := rsm.Request{Command: op.command}
			r.Identity.Key = op.key
			op.done, op.floor = nil, 1<<20
			w.clients.executed(&r, &execution{index: 7})
		}},
		"another reply": {rightAnswer, func(w *world, h *host, op *operation) {
			ticket, result := open(w, h, w.clients.indexOf(op)), op.result
			result.Reply = store.EncodeReply(nil, store.Reply{Size: 1 << 20})
			w.clients.onAnswer(h, ticket, &result)
		}},
		"answered twice": {rightAnswer, func(w *world, h *host, op *operation) {
			ticket, result := open(w, h, w.clients.indexOf(op)), op.result
			w.clients.onAnswer(h, ticket, &result)
			w.clients.onAnswer(h, ticket, &result)
		}},
		"a stale read": {linearizability, func(w *world, h *host, op *operation) {
			ticket := open(w, h, w.clients.indexOf(op))
			w.clients.attempts[ticket-1].floor = 9
			w.clients.onRead(h, ticket, &rsm.ReadResult{Index: 8})
		}},
		"a wrong read": {rightAnswer, func(w *world, h *host, op *operation) {
			ticket := open(w, h, w.clients.indexOf(op))
			w.clients.onRead(h, ticket, &rsm.ReadResult{
				Index: w.truth.index, Reply: store.EncodeReply(nil, store.Reply{Size: 1 << 20}),
			})
		}},
		"an item too many": {equalState, func(w *world, h *host, op *operation) {
			s := w.truth.stacks[w.clients.names[0]]
			s.exists, s.items = true, append(s.items, []byte("more"))
			w.truth.compare(h)
		}},
		"no answer": {"Deadline", func(w *world, h *host, op *operation) {
			ticket := open(w, h, w.clients.indexOf(op))
			w.clients.attempts[ticket-1].began = w.now
			x := &w.clients.all[0]
			x.op, x.ticket, x.waiting = w.clients.indexOf(op), ticket, true
			w.clients.onTimeout(0, uint64(ticket))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, l, _ := ended(t)
			op := acknowledgedWrite(t, w)
			breaks(t, c.property, func() { c.sabotage(w, l, op) })
		})
	}
}

// TestAssertionIsReported: a panic anywhere ends one world, with its words and a replay command.
func TestAssertionIsReported(t *testing.T) {
	w := scripted(4, 3)
	w.script = func() { panic("a rule of ours") }
	w.always(100*ms, evScript, 0, 0, 0)
	r := w.report()
	if r.Property != "Assertion" || !strings.HasPrefix(r.Detail, "a rule of ours\n") {
		t.Errorf("%q: %q", r.Property, r.Detail)
	}
	if r.OK() || !strings.Contains(r.String(), "FAIL Assertion") {
		t.Errorf("report %v", &r)
	}
}
