package rsm_test

import (
	"testing"

	"drystone/rsm"
)

func batch(node, boot, number, ack uint64, texts ...string) rsm.Batch {
	b := rsm.Batch{Node: node, Boot: boot, Number: number, Ack: ack}
	for _, text := range texts {
		b.Requests = append(b.Requests, command(text))
	}
	return b
}

// thesis §6.3: a session's commands are numbered, and a repeat is not executed again.
func TestBatchesComeInOrderOnce(t *testing.T) {
	r := newReplica(t)
	for _, step := range []struct {
		number uint64
		want   rsm.BatchStatus
	}{
		{2, rsm.BatchGap}, {0, rsm.BatchRepeated}, {1, rsm.BatchApplied}, {1, rsm.BatchRepeated},
		{3, rsm.BatchGap}, {2, rsm.BatchApplied}, {1, rsm.BatchRepeated}, {3, rsm.BatchApplied},
	} {
		op := r.Point().Op
		done := r.apply(1, batch(thisNode, thisBoot, step.number, 0, "a", "b"))
		got := done.Batches[0]
		if got.Status != step.want || got.Number != step.number {
			t.Fatalf("batch %d came to %+v", step.number, got)
		}
		applied := step.want == rsm.BatchApplied
		if (len(got.Results) == 2) != applied || (r.Point().Op == op+2) != applied {
			t.Fatalf("batch %d came to %d results, op %d", step.number, len(got.Results),
				r.Point().Op)
		}
	}
	if r.journal.lines.Len() != 6 {
		t.Fatalf("%d commands were executed, not 6", r.journal.lines.Len())
	}
}

func TestRepeatsWithinOneEntry(t *testing.T) {
	r := newReplica(t)
	b := batch(thisNode, thisBoot, 1, 0, "a")
	done := r.apply(1, b, b, batch(thisNode, thisBoot, 2, 0, "b"), batch(2, 1, 1, 0, "c"), b)
	want := []rsm.BatchStatus{rsm.BatchApplied, rsm.BatchRepeated, rsm.BatchApplied,
		rsm.BatchRepeated}
	if len(done.Batches) != len(want) {
		t.Fatalf("%d batches of this boot, not %d", len(done.Batches), len(want))
	}
	for i := range want {
		if done.Batches[i].Status != want[i] {
			t.Fatalf("batch %d: %d, not %d", i, done.Batches[i].Status, want[i])
		}
	}
}

func TestOnlyOwnBatchesAreReported(t *testing.T) {
	r := newReplica(t)
	done := r.apply(1, batch(2, thisBoot, 1, 0, "a"), batch(thisNode, thisBoot+1, 1, 0, "b"))
	if len(done.Batches) != 0 {
		t.Fatalf("batches of others are reported: %+v", done.Batches)
	}
	if _, found := r.Lookup(2, thisBoot, 1); !found {
		t.Fatal("the other node's results are not kept")
	}
}

func TestResultsAreKeptUntilAcknowledged(t *testing.T) {
	r := newReplica(t)
	lookup := func(number uint64, want string) {
		t.Helper()
		results, found := r.Lookup(2, 1, number)
		if found != (want != "") || (found && string(results[0].Reply) != want) {
			t.Fatalf("batch %d: %v, %v", number, results, found)
		}
		first, all := r.Batches(2, 1)
		if kept := number >= first && number < first+uint64(len(all)); kept != found {
			t.Fatalf("batch %d: found %v, and %d are kept from %d on", number, found, len(all), first)
		} else if kept && &all[number-first][0] != &results[0] {
			t.Fatalf("batch %d: %v is kept", number, all[number-first])
		}
	}
	lookup(1, "")
	for number := uint64(1); number <= 4; number++ {
		r.apply(1, batch(2, 1, number, 0, "x"))
	}
	lookup(0, "")
	lookup(1, "1/1@1 x")
	lookup(4, "4/4@1 x")
	lookup(5, "")
	r.apply(1, batch(2, 1, 5, 3, "x"))
	lookup(3, "")
	lookup(4, "4/4@1 x")
	// It cannot know batch 6 when it sends it.
	r.apply(1, batch(2, 1, 6, 99, "x"))
	lookup(5, "")
	lookup(6, "6/6@1 x")
	// An acknowledgement never goes back.
	r.apply(1, batch(2, 1, 7, 0, "x"))
	lookup(5, "")
	lookup(6, "6/6@1 x")
	lookup(7, "7/7@1 x")
}

func TestAnOldBootIsServedForTheRetention(t *testing.T) {
	r := newReplica(t)
	r.do(1, setting(rsm.SettingsChange{Settings: rsm.Settings{
		MaxRequestsBytes: 1 << 20, RequestRetentionMs: 1000}}))
	status := func(stamp, boot, number uint64) rsm.BatchStatus {
		op := r.Point().Op
		r.apply(stamp, batch(2, boot, number, 0, "x"))
		_, kept := r.Lookup(2, boot, number)
		switch executed := r.Point().Op > op; {
		case executed && kept:
			return rsm.BatchApplied
		case kept:
			return rsm.BatchRepeated
		case executed:
			t.Fatal("executed, and not kept")
		}
		return rsm.BatchForgotten
	}
	for _, step := range []struct {
		stamp, boot, number uint64
		want                rsm.BatchStatus
	}{
		{100, 5, 1, rsm.BatchApplied},
		{200, 5, 1, rsm.BatchRepeated},
		{300, 8, 1, rsm.BatchApplied},    // a newer boot: 5 retires
		{400, 7, 1, rsm.BatchForgotten},  // never seen before a newer one
		{500, 5, 2, rsm.BatchApplied},    // what was on its way
		{1299, 5, 3, rsm.BatchApplied},   // a millisecond early
		{1300, 5, 4, rsm.BatchForgotten}, // gone
		{1300, 5, 1, rsm.BatchForgotten}, // and never to begin again
		{1300, 8, 2, rsm.BatchApplied},
		{9999, 8, 3, rsm.BatchApplied}, // the newest stays
		{9999, 9, 1, rsm.BatchApplied},
		{10998, 8, 3, rsm.BatchRepeated}, // retirement counts from the newer boot
		{10999, 8, 3, rsm.BatchForgotten},
	} {
		if got := status(step.stamp, step.boot, step.number); got != step.want {
			t.Fatalf("at %d batch %d of boot %d came to %d, not %d",
				step.stamp, step.number, step.boot, got, step.want)
		}
	}
}

func TestAForgottenBatchSaysSo(t *testing.T) {
	r := newReplica(t)
	r.apply(1, batch(thisNode, thisBoot+1, 1, 0, "newer"))
	done := r.apply(1, batch(thisNode, thisBoot, 1, 0, "x"))
	if got := done.Batches[0]; got.Status != rsm.BatchForgotten || got.Results != nil {
		t.Fatalf("it came to %+v", got)
	}
	// A gap of a boot that is new leaves the older one as it is.
	r.apply(1, batch(thisNode, thisBoot+2, 2, 0, "gap"))
	if r.Point().Op != 1 {
		t.Fatalf("op is %d", r.Point().Op)
	}
	if _, found := r.Lookup(thisNode, thisBoot+2, 2); found {
		t.Fatal("a gap made a session")
	}
}
