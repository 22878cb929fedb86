package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"drystone/rsm"
	"drystone/store"
)

func stream(t testing.TB, s *store.Store) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := s.Snapshot().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestBadSnapshotsAreRefused restores every truncation of a snapshot, and it with every byte
// changed: the content stays what it was.
func TestBadSnapshotsAreRefused(t *testing.T) {
	from, s := store.New(), store.New()
	for i := range 20 {
		name := fmt.Sprint("stack ", i%3)
		apply(t, from, store.Push{Stack: name, Values: values("x", fmt.Sprint(i))})
		apply(t, from, store.Push{Stack: name, Values: values("y"), End: store.Bottom})
	}
	good := stream(t, from)
	apply(t, s, store.Push{Stack: "before", Values: values("1")})
	hash, size := s.Hash(), s.Bytes()
	refused := func(bad []byte, what string, at int) {
		t.Helper()
		if err := s.Restore(bytes.NewReader(bad)); err == nil {
			t.Fatalf("%s at %d of %d is not noticed", what, at, len(good))
		}
		if s.Hash() != hash || s.Bytes() != size {
			t.Fatalf("%s at %d changed the store", what, at)
		}
	}
	for i := range good {
		refused(good[:i], "a truncation", i)
		for _, flip := range []byte{1, 0x80} {
			bad := bytes.Clone(good)
			bad[i] ^= flip
			refused(bad, "a change", i)
		}
	}
	refused(append(bytes.Clone(good), 0), "a trailing byte", len(good))
	later := bytes.Clone(good)
	later[len("drystone store ")]++
	if err := s.Restore(bytes.NewReader(later)); !errors.Is(err, rsm.ErrNeedsUpgrade) {
		t.Fatalf("a later version is %v", err)
	}
	if err := s.Restore(bytes.NewReader(good)); err != nil || s.Hash() != from.Hash() {
		t.Fatalf("Restore: %v", err)
	}
	if r := query(t, s, store.GetStack{Stack: "before"}); r.Code != store.NoSuchStack {
		t.Fatal("a stack outlived the restore")
	}
}

// TestSnapshotsAreWrittenWhileTheStoreGoesOn is for the race detector, and compares what was
// written late with what would have been written at once.
func TestSnapshotsAreWrittenWhileTheStoreGoesOn(t *testing.T) {
	s := store.New()
	var writers sync.WaitGroup
	for i := range 2000 {
		end := store.End(i / 7 % 2)
		apply(t, s, store.Push{Stack: fmt.Sprint(i % 5), End: end, Values: values("a", "b")})
		apply(t, s, store.Push{Stack: "long", End: end, Values: values("c", "d", "e")})
		apply(t, s, store.Pop{Stack: fmt.Sprint(i % 3), End: 1 - end, Count: uint64(i%4 + 1)})
		if i%97 == 0 {
			apply(t, s, store.DeleteStack{Stack: fmt.Sprint(i % 4)})
		}
		if i%50 == 0 {
			view := s.Snapshot()
			var want bytes.Buffer
			if _, err := view.WriteTo(&want); err != nil {
				t.Fatal(err)
			}
			writers.Add(1)
			go func() {
				defer writers.Done()
				var got bytes.Buffer
				if _, err := view.WriteTo(&got); err != nil {
					t.Error(err)
				}
				if !bytes.Equal(got.Bytes(), want.Bytes()) {
					t.Error("a snapshot changed after it was taken")
				}
			}()
		}
	}
	writers.Wait()
}
