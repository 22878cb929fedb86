package raft

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A follower between two leaders that overwrite each other's entries, and a disk that is slow.
// Whatever the core believes to be durable must be on the disk at every crash point: as the disk
// stands, and with any further write of those in flight.
func TestTicketAndClamp(t *testing.T) {
	histories := 2000
	if testing.Short() {
		histories = 300
	}
	for seed := range uint64(histories) {
		rng := rand.New(rand.NewPCG(seed, 7))
		r := New(Config{ID: 1, Seed: seed}, Restored{
			Snapshot: SnapshotMeta{Members: Members{Voters: []NodeID{1, 2, 3}}},
		})
		var disk []Entry
		var queue []Append
		write := func(disk []Entry, a Append) []Entry {
			if a.Snapshot != nil {
				disk = nil
			}
			if len(a.Entries) == 0 {
				return disk
			}
			i := slices.IndexFunc(disk, func(e Entry) bool { return e.Index == a.Entries[0].Index })
			if i >= 0 {
				disk = disk[:i:i]
			}
			return append(slices.Clip(disk), a.Entries...)
		}
		holds := func(disk []Entry) bool {
			base := r.log.base.Index
			for _, e := range r.log.slice(base+1, max(base, r.disk.durable)) {
				if !slices.ContainsFunc(disk, func(d Entry) bool {
					return d.Index == e.Index && d.Term == e.Term
				}) {
					return false
				}
			}
			return true
		}
		term := Term(1)
		for range 60 {
			switch rng.IntN(8) {
			case 0: // another leader
				term += Term(1 + rng.IntN(2))
			case 1, 2, 3: // which overwrites from somewhere behind the commit on
				first := r.commitIndex + Index(rng.IntN(int(r.log.lastIndex()-r.commitIndex)+1))
				prev := r.log.position(first)
				if term == r.currentTerm {
					prev = r.log.last()
				}
				var es []Entry
				for k := range rng.IntN(4) {
					es = append(es, Entry{Index: prev.Index + Index(k) + 1, Term: term})
				}
				r.Step(Message{From: NodeID(2 + term%2), To: 1, Term: term, Body: AppendEntries{
					PrevLogIndex: prev.Index, PrevLogTerm: prev.Term, Entries: es,
					LeaderCommit: r.commitIndex + Index(rng.IntN(2)),
				}})
			case 4:
				if rng.IntN(8) == 0 {
					r.Step(Message{From: NodeID(2 + term%2), To: 1, Term: term, Body: InstallSnapshot{
						SnapshotMeta{r.commitIndex + 1 + Index(rng.IntN(3)), term, r.members()},
					}})
				}
			case 5:
				if rd, ok := r.Ready(); ok && rd.Append.Seq != 0 {
					queue = append(queue, rd.Append)
				}
			case 6, 7: // some writes end, the last is acknowledged
				if len(queue) > 0 {
					k := 1 + rng.IntN(len(queue))
					for _, a := range queue[:k] {
						disk = write(disk, a)
					}
					seq := queue[k-1].Seq
					queue = queue[k:]
					r.Persisted(seq)
				}
			}
			for k := range len(queue) + 1 {
				crashed := disk
				for _, a := range queue[:k] {
					crashed = write(crashed, a)
				}
				if !holds(crashed) {
					t.Fatalf("seed %d: %v believes in %d, the disk after %d writes has %v", seed, r,
						r.disk.durable, k, crashed)
				}
			}
		}
		// In the end, everything written, the whole log is durable.
		for {
			rd, ok := r.Ready()
			if !ok {
				break
			}
			if rd.Append.Seq != 0 {
				queue = append(queue, rd.Append)
			}
		}
		if len(queue) > 0 {
			r.Persisted(queue[len(queue)-1].Seq)
		}
		if r.disk.durable != r.log.lastIndex() || len(r.disk.writes) != 0 {
			t.Fatalf("seed %d: durable %d of %d", seed, r.disk.durable, r.log.lastIndex())
		}
	}
}

// follower returns n1 of three, in the given term under leader n2.
func newFollower(term Term) *Raft {
	r := New(Config{ID: 1}, Restored{
		Hard:     HardState{CurrentTerm: term},
		Snapshot: SnapshotMeta{Members: Members{Voters: []NodeID{1, 2, 3}}},
	})
	return r
}

func drainOne(t *testing.T, r *Raft) Ready {
	t.Helper()
	rd, ok := r.Ready()
	if !ok {
		t.Fatal("nothing to do")
	}
	if more, ok := r.Ready(); ok {
		t.Fatalf("more to do: %+v", more)
	}
	return rd
}

// A duplicate of what is durable is acknowledged at once; of what is not yet, behind its write.
func TestDuplicateIsAcknowledgedWhenDurable(t *testing.T) {
	r := newFollower(1)
	m := Message{From: 2, To: 1, Term: 1, Body: AppendEntries{Entries: []Entry{{Index: 1, Term: 1}}}}
	r.Step(m)
	first := drainOne(t, r)
	if len(first.Send) != 0 || len(first.Append.After) != 1 {
		t.Fatalf("not behind the write: %+v", first)
	}
	r.Step(m)
	second := drainOne(t, r)
	if len(second.Send) != 0 || len(second.Append.After) != 1 || len(second.Append.Entries) != 0 {
		t.Fatalf("not behind the write in flight: %+v", second)
	}
	r.Persisted(second.Append.Seq) // the last of the two stands for both
	r.Step(m)
	third := drainOne(t, r)
	if len(third.Send) != 1 || third.Append.Seq != 0 {
		t.Fatalf("waits for nothing: %+v", third)
	}
}

// A vote that waits for its write is dropped when the term is over before the write begins: the
// write that would release it does not hold it.
func TestVoteIsReleasedByItsOwnWriteOnly(t *testing.T) {
	r := newFollower(1)
	r.Step(Message{From: 2, To: 1, Term: 2, Body: RequestVote{}})
	r.Step(Message{From: 3, To: 1, Term: 3, Body: RequestVote{}})
	rd := drainOne(t, r)
	if len(rd.Append.After) != 1 || rd.Append.After[0].Term != 3 || rd.Append.After[0].To != 3 ||
		rd.Append.Hard != (HardState{3, 3}) {
		t.Fatalf("%+v", rd.Append)
	}
}

// A heartbeat's answer says that its sender's term is known here, so it waits for that; later
// ones wait for nothing.
func TestHeartbeatReplyWaitsForItsTermAlone(t *testing.T) {
	r := newFollower(1)
	beat := Message{From: 2, To: 1, Term: 2, Body: Heartbeat{Read: 5}}
	r.Step(beat)
	rd := drainOne(t, r)
	if len(rd.Send) != 0 || len(rd.Append.After) != 1 {
		t.Fatalf("%+v", rd)
	}
	r.Persisted(rd.Append.Seq)
	r.Step(Message{From: 2, To: 1, Term: 2, Body: AppendEntries{
		Entries: []Entry{{Index: 1, Term: 2}},
	}})
	r.Step(beat)
	rd = drainOne(t, r)
	if len(rd.Send) != 1 || len(rd.Append.After) != 1 {
		t.Fatalf("a heartbeat waits for the log: %+v", rd)
	}
}

// Acknowledgements of one burst are one.
func TestBurstIsAcknowledgedOnce(t *testing.T) {
	r := newFollower(1)
	for i := range Index(5) {
		r.Step(Message{From: 2, To: 1, Term: 1, Body: AppendEntries{
			PrevLogIndex: i, PrevLogTerm: min(1, Term(i)), Entries: []Entry{{Index: i + 1, Term: 1}},
		}})
	}
	rd := drainOne(t, r)
	want := AppendReply{Success: true, MatchIndex: 5}
	if len(rd.Append.After) != 1 || rd.Append.After[0].Body != Body(want) ||
		len(rd.Append.Entries) != 5 {
		t.Fatalf("%+v", rd.Append)
	}
}

// What is applied and not reported stays within MaxApplyBytes.
func TestApplyIsBounded(t *testing.T) {
	const most = 3 * entryOverheadBytes
	r := New(Config{ID: 1, MaxApplyBytes: most}, Restored{
		Snapshot: SnapshotMeta{Members: Members{Voters: []NodeID{1, 2, 3}}},
	})
	var es []Entry
	for i := range Index(10) {
		es = append(es, Entry{Index: i + 1, Term: 1})
	}
	es[5].Data = make([]byte, 10*most)
	r.Step(Message{From: 2, To: 1, Term: 1, Body: AppendEntries{Entries: es, LeaderCommit: 10}})
	rd, _ := r.Ready()
	r.Persisted(rd.Append.Seq)
	applied := Index(0)
	for applied < 10 {
		rd, _ := r.Ready()
		total := 0
		for _, e := range rd.Apply {
			if e.Index != applied+1 {
				t.Fatalf("applies %v after %d", e, applied)
			}
			applied, total = e.Index, total+e.bytes()
		}
		if len(rd.Apply) == 0 || len(rd.Apply) > 1 && total > most {
			t.Fatalf("%d entries of %d bytes at once", len(rd.Apply), total)
		}
		if rd, ok := r.Ready(); ok && len(rd.Apply) > 0 && total > most-entryOverheadBytes {
			t.Fatalf("hands out %d more before any was reported", len(rd.Apply))
		}
		r.Applied(applied)
	}
	if r.applying.bytes != 0 || len(r.applying.chunks) != 0 {
		t.Errorf("%+v is never given back", r.applying)
	}
}
