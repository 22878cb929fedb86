package rsm_test

import (
	"fmt"
	"testing"

	"drystone/rsm"
)

func TestAKeyIsRememberedForTheRetention(t *testing.T) {
	r := newReplica(t)
	r.do(1, setting(rsm.SettingsChange{Settings: rsm.Settings{
		MaxRequestsBytes: 1 << 20, RequestRetentionMs: 1000}}))
	first := r.do(100, keyed("k", "x"))
	if again := r.do(1099, keyed("k", "x")); !again.Replayed || again.Op != first.Op {
		t.Fatalf("a millisecond early: %+v", again)
	}
	if _, found := r.LookupKey("me", "k"); !found || r.Requests() != 1 {
		t.Fatal("it is forgotten early")
	}
	// A repeat does not prolong it.
	again := r.do(1100, keyed("k", "x"))
	if again.Replayed || again.Op != first.Op+1 {
		t.Fatalf("after the retention: %+v", again)
	}
	if got, _ := r.LookupKey("me", "k"); got.Op != again.Op || r.Requests() != 1 {
		t.Fatalf("the new row is %+v", got)
	}
}

func TestKeysAreScoped(t *testing.T) {
	r := newReplica(t)
	mine, theirs := keyed("k", "x"), keyed("k", "y")
	theirs.Identity.Scope = "them"
	a, b := r.do(1, mine), r.do(1, theirs)
	if a.Code != "" || b.Code != "" || b.Replayed {
		t.Fatalf("%+v, %+v", a, b)
	}
	// Scope and key are two strings, not one.
	glued := keyed("ek", "z")
	glued.Identity.Scope = "m"
	if c := r.do(1, glued); c.Replayed || c.Code != "" {
		t.Fatalf("%+v", c)
	}
	if _, found := r.LookupKey("", "k"); found {
		t.Fatal("a key is found in a scope it is not of")
	}
}

func TestRepeatsInOneBatchJoin(t *testing.T) {
	r := newReplica(t)
	r.apply(1, rsm.Batch{Node: 2, Boot: 1, Number: 1,
		Requests: []rsm.Request{keyed("k", "x"), keyed("k", "x"), keyed("k", "y")}})
	results, _ := r.Lookup(2, 1, 1)
	wantResult(t, results[0], rsm.Applied, "", "1/1@1 x")
	wantResult(t, results[1], rsm.Applied, "", "1/1@1 x")
	wantResult(t, results[2], rsm.NotApplied, rsm.CodeKeyReused, "")
	if results[0].Replayed || !results[1].Replayed {
		t.Fatal("the repeat is not told from the first")
	}
}

// The kind is part of what a key stands for.
func TestAKeyStandsForAKindToo(t *testing.T) {
	r := newReplica(t)
	change := setting(rsm.SettingsChange{Settings: rsm.DefaultSettings()})
	change.Identity.Key = "k"
	r.do(1, change)
	change.Kind = rsm.MachineCommand
	if got := r.do(1, change); got.Code != rsm.CodeKeyReused {
		t.Fatalf("%+v", got)
	}
}

func TestAFullTableRefusesNewKeysOnly(t *testing.T) {
	r := newReplica(t)
	const rows = 10
	r.do(0, setting(rsm.SettingsChange{Settings: rsm.Settings{
		MaxRequestsBytes: rows * (256 + 20), RequestRetentionMs: 1000}}))
	stored := 0
	for i := range 2 * rows {
		got := r.do(10, keyed(fmt.Sprintf("key %2d", i), "x"))
		if got.Code == rsm.CodeTableFull {
			break
		}
		stored++
	}
	if stored < rows-2 || stored > rows+1 {
		t.Fatalf("%d rows were stored", stored)
	}
	if b := r.RequestsBytes(); b > rows*(256+20)+256 || r.Requests() != uint64(stored) {
		t.Fatalf("%d rows take %d bytes", r.Requests(), b)
	}
	if got := r.do(1009, keyed("key  0", "x")); !got.Replayed {
		t.Fatalf("a known key came to %+v", got)
	}
	if got := r.do(1009, keyed("new", "x")); got.Code != rsm.CodeTableFull {
		t.Fatalf("a new key came to %+v", got)
	}
	if got := r.do(1010, keyed("new", "x")); got.Outcome != rsm.Applied || r.Requests() != 1 {
		t.Fatalf("after the retention it came to %+v, of %d", got, r.Requests())
	}
}

// Eviction is spread over entries. What is due counts as gone at once, and takes no room.
func TestWhatIsDueIsGoneBeforeItIsEvicted(t *testing.T) {
	const rows = 3000
	r := newReplica(t)
	r.do(0, setting(rsm.SettingsChange{Settings: rsm.Settings{
		MaxRequestsBytes: 1 << 20, RequestRetentionMs: 1000}}))
	b := rsm.Batch{Node: 2, Boot: 1, Number: 1}
	for i := range rows {
		b.Requests = append(b.Requests, keyed(fmt.Sprintf("%4d", i), "x"))
	}
	r.apply(10, b)
	if r.Requests() != rows {
		t.Fatalf("%d rows", r.Requests())
	}
	last := fmt.Sprintf("%4d", rows-1)
	got := r.do(1010, keyed(last, "y"))
	if got.Outcome != rsm.Applied || got.Replayed {
		t.Fatalf("a key that is due came to %+v", got)
	}
	if n := r.Requests(); n < 2 || n > rows {
		t.Fatalf("one entry left %d rows", n)
	}
	if row, _ := r.LookupKey("me", last); row.Op != got.Op {
		t.Fatalf("the key is %+v", row)
	}
	if _, found := r.LookupKey("me", fmt.Sprintf("%4d", rows-2)); found {
		t.Fatal("a row that is due is found")
	}
	// The new row of the key must survive the eviction of the old one, also after a restart.
	for _, r := range []*replica{r, r.restored()} {
		for range rows / 1000 {
			r.apply(1011)
		}
		if row, _ := r.LookupKey("me", last); row.Op != got.Op || r.Requests() != 1 {
			t.Fatalf("the key is %+v, of %d", row, r.Requests())
		}
	}
}
