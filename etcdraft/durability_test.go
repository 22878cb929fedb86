package etcdraft

import (
	"testing"

	"drystone/raft"
)

// appends is the AppendEntries of a leader, entries first..last of a term behind prev.
func appends(term raft.Term, prev raft.Position, last raft.Index) raft.Message {
	b := raft.AppendEntries{PrevLogIndex: prev.Index, PrevLogTerm: prev.Term}
	for i := prev.Index + 1; i <= last; i++ {
		b.Entries = append(b.Entries, raft.Entry{Index: i, Term: term, Data: []byte{byte(i)}})
	}
	from := raft.NodeID(1 + term%2)
	return raft.Message{From: from, To: 3, Term: term, Body: b}
}

// An acknowledgement that waits for a write goes when the term does: the log may be truncated
// before that write begins, and the old leader must not count what this disk never held.
func TestNewTermTakesOldAnswersAlong(t *testing.T) {
	onBoth(t, 3, voters(3), func(t *testing.T, c *cluster) {
		n := c.node(3)
		n.engine.Step(appends(2, raft.Position{}, 4))
		n.engine.Step(appends(3, raft.Position{}, 2))
		rd, _ := n.engine.Ready()
		if len(rd.Append.Entries) != 2 || rd.Append.Entries[1].Term != 3 {
			t.Fatalf("writes %v", rd.Append.Entries)
		}
		for _, m := range rd.Append.After {
			if b, ok := m.Body.(raft.AppendReply); !ok || m.Term != 3 || b.MatchIndex != 2 {
				t.Errorf("the write releases %v", m)
			}
		}
		if len(rd.Send) > 0 {
			t.Errorf("leaves before the write: %v", rd.Send)
		}
	})
}

// Writes overtaken by a truncation say nothing of the indexes that were written anew, whichever of
// them are acknowledged together.
func TestClamp(t *testing.T) {
	onBoth(t, 3, voters(3), func(t *testing.T, c *cluster) {
		for _, acks := range [][]uint64{{1, 2, 3}, {2, 3}, {3}, {1, 3}, {2, 2, 1, 3}} {
			n := c.node(3)
			*n = simNode{id: 3, snap: raft.SnapshotMeta{Members: voters(3)}}
			c.boot(n)
			n.engine.Step(appends(2, raft.Position{}, 6))
			first, _ := n.engine.Ready()
			n.engine.Step(appends(3, raft.Position{}, 2))
			second, _ := n.engine.Ready()
			n.engine.Step(appends(3, raft.Position{Index: 2, Term: 3}, 4))
			third, _ := n.engine.Ready()
			if first.Append.Seq != 1 || second.Append.Seq != 2 || third.Append.Seq != 3 {
				t.Fatalf("writes %d %d %d", first.Append.Seq, second.Append.Seq, third.Append.Seq)
			}
			done := uint64(0)
			for _, seq := range acks {
				n.engine.Persisted(seq)
				done = max(done, seq)
				want := []raft.Index{0, 0, 2, 4}[done]
				if got := n.engine.Status().Durable; got != want {
					t.Errorf("%v: after %d durable is %d, want %d", acks, seq, got, want)
				}
			}
		}
	})
}

// A candidate's request for votes, and its own vote, wait for its disk: or it could lead a term
// that it does not know after a crash, and lead it again.
func TestCandidacyWaitsForTheDisk(t *testing.T) {
	onBoth(t, 3, voters(3), func(t *testing.T, c *cluster) {
		n := c.node(1)
		n.hangs = true
		for range 30 {
			c.do(n, n.engine.Tick)
			c.settle()
			if st := n.engine.Status(); st.Role == raft.Leader || st.Hard.CurrentTerm > 1 {
				c.fail("n1 is in term %d, and its disk knows none: %v", st.Hard.CurrentTerm, st.Role)
			}
			if c.role(1) == raft.Candidate {
				break
			}
		}
		if c.role(1) != raft.Candidate || c.node(2).hard.VotedFor != 0 {
			c.fail("n1 does not stand, or was voted for already:%s", c.describe())
		}
		n.hangs = false
		c.settle()
		if c.role(1) != raft.Leader {
			c.fail("n1 is not elected:%s", c.describe())
		}
	})
}

// A leader counts its own disk when it is done, and may commit on others' before; its machine
// gets an entry only when its own disk has it (DIFFERS(8)).
func TestOthersFirst(t *testing.T) {
	onBoth(t, 3, voters(3), func(t *testing.T, c *cluster) {
		lead := c.elected(1)
		lead.hangs = true
		c.offer(lead, 1)
		if st := lead.engine.Status(); st.Commit != 2 || st.Durable != 1 || lead.applied != 1 {
			c.fail("n1 applied %d: %v", lead.applied, st)
		}
		lead.hangs = false
		c.settle()
		c.applied(1)

		for _, id := range []raft.NodeID{2, 3} {
			c.node(id).hangs = true
		}
		c.offer(lead, 1)
		if st := lead.engine.Status(); st.Commit != 2 || st.Durable != 3 {
			c.fail("its own disk alone commits: %v", st)
		}
	})
}
