package roster

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

func incarnation(c string) string { return strings.Repeat(c, 32) }

func sample() Roster {
	return Roster{
		{1, 0, incarnation("a"), "10.0.0.1:1"}, {1, 1, incarnation("b"), "10.0.0.1:1"},
		{2, 0, incarnation("c"), ""}, {3, 7, "", "host:3"},
	}
}

func TestEncodingRoundTrip(t *testing.T) {
	for _, r := range []Roster{{}, sample(), sample()[2:3]} {
		b := r.Encode(nil)
		got, err := Decode(b)
		if err != nil || !slices.Equal(got, r) {
			t.Errorf("%v came back as %v, %v", r, got, err)
		}
		for i := 1; i < len(b); i++ {
			if got, err := Decode(b[:i]); err == nil {
				t.Errorf("%v cut at %d is read as %v", r, i, got)
			}
		}
		if _, err := Decode(append(b, 0)); err == nil {
			t.Errorf("%v with something behind it is read", r)
		}
	}
	if r, err := Decode(nil); err != nil || len(r) != 0 {
		t.Errorf("nothing is read as %v, %v", r, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(sample().Encode(nil))
	f.Add([]byte{1, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Decode(b)
		if err != nil || len(b) == 0 {
			return
		}
		if cap(r) > len(b) {
			t.Errorf("%d bytes make room for %d entries", len(b), cap(r))
		}
		if again := r.Encode(nil); !bytes.Equal(again, b) {
			t.Errorf("%x becomes %x", b, again)
		}
	})
}

// TestNumbersAreUsedOnce follows one number through all that may happen to it.
func TestNumbersAreUsedOnce(t *testing.T) {
	var r Roster
	admit := func(node uint64, who string, member bool, want error) Entry {
		t.Helper()
		next, e, err := r.Admit(node, incarnation(who), "", member)
		if !errors.Is(err, want) {
			t.Fatalf("node %d, directory %s: %v, want %v", node, who, err, want)
		}
		if err == nil {
			r = next
		}
		return e
	}
	admit(2, "a", false, nil)
	admit(1, "b", false, nil)
	admit(2, "a", true, nil)    // asks again
	admit(2, "c", true, Member) // wiped
	admit(2, "a", false, Gone)  // removed, and back
	admit(2, "c", false, Spent) // another directory for a removed number
	if _, err := r.Invite(2, "", false); !errors.Is(err, Spent) {
		t.Errorf("a number in use is invited: %v", err)
	}
	next, err := r.Invite(2, "h:1", true)
	if err != nil || !next.Vacant(2) {
		t.Fatalf("replace: %v, %v", next, err)
	}
	r = next
	if held, ok := r.Holder(2); !ok || held.Incarnation != incarnation("a") {
		t.Errorf("while the number waits, %v holds it", held)
	}
	admit(2, "a", false, Gone)
	if e := admit(2, "c", false, nil); e.Generation != 1 {
		t.Errorf("the new directory is of generation %d", e.Generation)
	}
	if r.Vacant(2) {
		t.Error("the number waits although it was taken")
	}
	if !slices.IsSortedFunc(r, compare) || len(r) != 3 {
		t.Errorf("the roster is %v", r)
	}
	next, err = r.Invite(9, "h:9", false)
	if err != nil || !next.Vacant(9) || r.Vacant(9) {
		t.Errorf("invite: %v, %v", next, err)
	}
}

func TestLocated(t *testing.T) {
	got := sample().Located(func(e Entry) string {
		if e.Node == 1 {
			return "new:1"
		}
		return e.Peer
	})
	want := sample()
	want[1].Peer = "new:1"
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
