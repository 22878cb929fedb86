package sim

import (
	"testing"

	"drystone/raft"
	"drystone/replica"
	"drystone/roster"
	"drystone/rsm"
	"drystone/wire"
)

// put hands a configuration of these members to a node's disk, as the next entry of its log.
func put(h *host, m raft.Members) {
	log := &h.record.handed
	h.world.check.handedOver(h, &raft.Append{
		Seq: h.seen.seq + 1, Hard: log.hard,
		Entries: []raft.Entry{{
			Index: log.last() + 1, Term: log.lastTerm(), Kind: raft.EntryConfig,
			Data: raft.EncodeMembers(nil, m),
		}},
	})
}

// TestMembershipNotices breaks each property of the membership once, by hand.
func TestMembershipNotices(t *testing.T) {
	change := func(w *world, f func(m *raft.Members, r *roster.Roster)) raft.Members {
		m := raft.Members{Voters: []raft.NodeID{1, 2, 3}}
		r := w.check.first.roster
		f(&m, &r)
		m.Directory = r.Encode(nil)
		return m
	}
	joint := func(w *world, next ...raft.NodeID) raft.Members {
		return change(w, func(m *raft.Members, _ *roster.Roster) { m.Next = next })
	}
	decide := func(w *world, h *host, m raft.Members) {
		put(h, m)
		log := &h.record.handed
		w.check.decide(h, raft.Position{Index: log.last(), Term: log.lastTerm()})
	}
	for name, c := range map[string]struct {
		property string
		sabotage func(w *world, l, f *host)
	}{
		"two changes at once": {oneChange, func(w *world, l, f *host) {
			put(l, joint(w, 1, 2))
			put(l, joint(w, 1, 3))
			w.check.proposedChanges(l)
		}},
		"before its first commit": {oneChange, func(w *world, l, f *host) {
			w.check.committed = w.check.committed[:0]
			put(l, joint(w, 1, 2))
			w.check.proposedChanges(l)
		}},
		"without joint": {oneChange, func(w *world, l, f *host) {
			decide(w, l, change(w, func(m *raft.Members, _ *roster.Roster) {
				m.Voters = []raft.NodeID{1, 2}
			}))
		}},
		"not by its log": {logDecides, func(w *world, l, f *host) {
			put(l, joint(w, 1, 2))
			w.check.configured(l)
		}},
		"a snapshot of others": {logDecides, func(w *world, l, f *host) {
			found := raft.Restored{Hard: f.record.durable.hard}
			for i := f.record.durable.base + 1; i <= f.record.durable.last(); i++ {
				term, _ := f.record.durable.term(i)
				found.Entries = append(found.Entries, raft.Entry{Index: i, Term: term})
			}
			found.Snapshot = raft.SnapshotMeta{
				LastIncludedIndex: f.record.durable.base, LastIncludedTerm: f.record.durable.baseTerm,
				Members: raft.Members{Voters: []raft.NodeID{1}},
			}
			f.record.saved, found.Entries = 0, nil
			f.record.durable.cut(f.record.durable.base + 1)
			w.check.restored(f, &found)
		}},
		"one that has nothing counts": {caughtUpFirst, func(w *world, l, f *host) {
			put(l, change(w, func(m *raft.Members, r *roster.Roster) {
				m.Next = []raft.NodeID{1, 2, 3, 9}
				*r = append(*r, roster.Entry{Node: 9, Incarnation: w.incarnation()})
			}))
		}},
		"the rest is down": {enoughLeft, func(w *world, l, f *host) {
			w.plan.echo, w.plan.replay = false, 0
			f.up, f.halted = false, -2*silentMax
			put(l, joint(w, l.id, f.id))
		}},
		"a directory that is forgotten": {directories, func(w *world, l, f *host) {
			decide(w, l, change(w, func(_ *raft.Members, r *roster.Roster) { *r = (*r)[:2] }))
		}},
		"a directory that changes": {directories, func(w *world, l, f *host) {
			decide(w, l, change(w, func(_ *raft.Members, r *roster.Roster) {
				*r = append(*r, roster.Entry{Node: 3, Generation: 1, Incarnation: w.incarnation()})
			}))
		}},
		"a boot that is used twice": {directories, func(w *world, l, f *host) {
			w.check.opened(f)
		}},
		"votes of another directory": {electedByQuorum, func(w *world, l, f *host) {
			for b := range w.check.votes {
				if b.voter != l.record {
					delete(w.check.votes, b)
				}
			}
			w.check.electedBy(l)
		}},
		"one that nobody named votes": {oldDirectory, func(w *world, l, f *host) {
			f.record.incarnation = "?"
			f.record.durable.hard = raft.HardState{CurrentTerm: 1 << 20, VotedFor: l.id}
			w.check.voted(f, 1<<20, l.id)
		}},
		"a removed one is heard": {oldDirectory, func(w *world, l, f *host) {
			s := *l.standing
			s.Members.Voters = []raft.NodeID{l.id}
			l.steward.stood = &s
			w.check.hears(l, f.record, &wire.Message{})
		}},
		"one set back is heard": {oldDirectory, func(w *world, l, f *host) {
			f.record.rolledBack = true
			w.check.hears(l, f.record, &wire.Message{})
		}},
		"a leader that is heard is left": {noDisruption, func(w *world, l, f *host) {
			f.heard = heard{leader: l.id, term: f.seen.status.Hard.CurrentTerm - 1, tick: f.ticks}
			w.check.stepped(f, &raft.Message{Body: raft.RequestVote{}}, true)
		}},
		"told that somebody is gone": {toldMembers, func(w *world, l, f *host) {
			w.check.told(&answered{by: l.id, request: rsm.AdminRequest{Op: rsm.AdminRemove, Node: 2},
				reply: rsm.AdminReply{Outcome: rsm.Applied, Index: 1}})
		}},
		"told of what is not committed": {toldMembers, func(w *world, l, f *host) {
			w.check.told(&answered{by: l.id, request: rsm.AdminRequest{Op: rsm.AdminList},
				reply: rsm.AdminReply{Outcome: rsm.Applied, Index: 1 << 20}})
		}},
		"told of a transfer that was none": {toldMembers, func(w *world, l, f *host) {
			clear(w.check.leaders)
			w.check.leaders[l.seen.status.Hard.CurrentTerm] = office{l.index, l.boot}
			w.check.told(&answered{by: l.id, elected: 1,
				request: rsm.AdminRequest{Op: rsm.AdminTransfer, Node: uint64(f.id)},
				reply:   rsm.AdminReply{Outcome: rsm.Applied, Index: 1}})
		}},
		"a stale read is older than it says": {honestAge, func(w *world, l, f *host) {
			w.clients.ops = append(w.clients.ops, operation{read: true, stale: true})
			w.clients.attempts = append(w.clients.attempts, attempt{op: len(w.clients.ops) - 1})
			f.word = f.clock() - 2*ageSlackMs
			w.check.ages(f, &replica.Query{Ticket: replica.Ticket(len(w.clients.attempts))})
		}},
		"a stale read is older than was wanted": {honestAge, func(w *world, l, f *host) {
			w.clients.ops = append(w.clients.ops, operation{read: true, stale: true})
			w.clients.attempts = append(w.clients.attempts,
				attempt{op: len(w.clients.ops) - 1, maxStaleMs: 10})
			w.check.ages(f, &replica.Query{
				Ticket: replica.Ticket(len(w.clients.attempts)), StaleMs: 11,
			})
		}},
		"a hung disk leads on": {diskTimeout, func(w *world, l, f *host) {
			w.tryStuck(l)
			w.now += w.trialBound() + 1
			l.writer.queue = []raft.Append{{}}
			w.stuckOver()
		}},
		"a slow disk does not": {diskTimeout, func(w *world, l, f *host) {
			w.trySlow(l)
			w.elections++
			w.slowOver()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, l, f := ended(t)
			breaks(t, c.property, func() { c.sabotage(w, l, f) })
		})
	}
}
