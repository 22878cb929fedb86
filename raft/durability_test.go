package raft

import "testing"

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
