package sim

import (
	"testing"

	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
)

// TestAlsoNotices breaks more properties, by hand.
func TestAlsoNotices(t *testing.T) {
	for name, c := range map[string]struct {
		property string
		sabotage func(w *world, l, f *host)
	}{
		"a vote for nobody that stands": {oneVote, func(w *world, l, f *host) {
			hard := raft.HardState{CurrentTerm: 1 << 20, VotedFor: l.id}
			w.check.ready(f, &replica.Effects{Ready: raft.Ready{
				Append: raft.Append{Seq: f.seen.seq + 1, Hard: hard},
			}})
		}},
		"a match that falls": {monotony, func(w *world, l, f *host) {
			was := append([]raft.Progress(nil), l.seen.status.Progress...)
			was[1].Match++
			w.check.matches(l, was)
		}},
		"a match that falls beside a new member": {monotony, func(w *world, l, f *host) {
			was := append([]raft.Progress(nil), l.seen.status.Progress...)
			was[1].Match++
			w.check.matches(l, was[1:])
		}},
		"refused, and stored": {exactlyOnce, func(w *world, l, f *host) {
			op := acknowledgedWrite(t, w)
			w.clients.attempts = append(w.clients.attempts,
				attempt{op: w.clients.indexOf(op), node: l.index, boot: l.boot})
			w.clients.onAnswer(l, replica.Ticket(len(w.clients.attempts)), &rsm.Result{
				Outcome: rsm.NotApplied, Code: rsm.CodeExpired, Index: op.done.index + 1,
			})
		}},
		"another result": {rightAnswer, func(w *world, l, f *host) {
			id := numbered{session{uint64(l.id), l.identity.Boot}, 1 << 20}
			x := acknowledgedWrite(t, w).done
			w.truth.ruled[id] = ruled{x.index, []verdict{{x: x}}}
			w.truth.results(l, &rsm.EntryDone{Index: x.index, Batches: []rsm.BatchDone{{
				Number: id.number, Status: rsm.BatchApplied, Results: []rsm.Result{{
					Outcome: rsm.NotApplied, Code: rsm.CodeExpired, Index: x.index,
				}},
			}}})
		}},
		"a batch that was not its session's next": {rightAnswer, func(w *world, l, f *host) {
			w.truth.results(l, &rsm.EntryDone{Index: 7, Batches: []rsm.BatchDone{{
				Number: 1 << 20, Status: rsm.BatchApplied,
			}}})
		}},
		"another draw on another replica": {equalDraws, func(w *world, l, f *host) {
			w.draws.of[2]++
			w.draws.drew(2, w.draws.of[2]-1)
			w.draws.check()
		}},
		"one draw for two requests": {equalDraws, func(w *world, l, f *host) {
			w.draws.drew(1<<40, w.draws.of[2])
			w.draws.check()
		}},
		"one that is no voter stands": {votersOnly, func(w *world, l, f *host) {
			w.check.first.Voters = []raft.NodeID{l.id}
			w.check.ready(f, &replica.Effects{Ready: raft.Ready{Send: []raft.Message{{
				From: f.id, To: l.id, Term: 1 << 20, Body: raft.RequestVote{PreVote: true},
			}}}})
		}},
		"another directory of its number stands": {votersOnly, func(w *world, l, f *host) {
			f.record = &record{node: f.id}
			w.check.stands(f)
		}},
		"a leader that is removed leads on": {votersOnly, func(w *world, l, f *host) {
			l.seen.status.Members.Voters = []raft.NodeID{f.id}
			w.check.leads(l)
		}},
		"a voter that is silent": {votersOnly, func(w *world, l, f *host) {
			f.seen.since, f.seen.stirred = 1, false
			f.ticks = 1000
			f.writer.busy = false
			w.check.mustStand(f)
		}},
		"a log with another end than its disk": {logMatching, func(w *world, l, f *host) {
			m := &f.record.handed
			m.terms[len(m.terms)-1]--
			w.check.observe(f)
		}},
		"a wiped one is met": {oldDirectory, func(w *world, l, f *host) {
			w.check.met(l, w.incarnation())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, l, f := ended(t)
			breaks(t, c.property, func() { c.sabotage(w, l, f) })
		})
	}
}

// indexOf finds an operation.
func (c *clients) indexOf(op *operation) int {
	for i := range c.ops {
		if &c.ops[i] == op {
			return i
		}
	}
	return -1
}
