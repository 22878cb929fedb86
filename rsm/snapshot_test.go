package rsm_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"drystone/rsm"
)

// full returns a replica that has some of everything a snapshot holds.
func full(t testing.TB) *replica {
	r := plain(t)
	for _, request := range []rsm.Request{
		{Kind: rsm.OpenSession, Serial: 1, Identity: rsm.Identity{Scope: "me"}},
		{Kind: rsm.OpenSession, Serial: 2},
		inSession(r.Point().Op+2, 1, 0, "in a session"), inSession(r.Point().Op+2, 3, 1, "in a session"),
		fenceOf(rsm.RequestID{Key: "fenced"}), fenceOf(rsm.RequestID{Node: 3, Boot: 4, Serial: 5}),
		fenceOf(rsm.RequestID{Session: r.Point().Op + 2, Seq: 7}),
	} {
		if got := r.do(21, request); got.Outcome != rsm.Applied {
			t.Fatalf("%+v came to %+v", request, got)
		}
	}
	b := batch(2, 2, 3, 2)
	b.Keep = []uint64{1, 2}
	b.Requests = []rsm.Request{{Serial: 3}}
	r.apply(22, b)
	return r
}

// plain returns a replica that has some of everything that version 1 of a snapshot holds.
func plain(t testing.TB) *replica {
	r := newReplica(t)
	r.do(1, setting(rsm.SettingsChange{Settings: rsm.DefaultSettings()}))
	for i := range uint64(5) {
		r.do(10+i, keyed(fmt.Sprint("key ", i%4), "x"))
		b := batch(2, 1+i/3, 1+i%3, i/2, "y", "z")
		b.Requests[0].Serial, b.Requests[1].Serial = 2*i%6+1, 2*i%6+2
		r.apply(20, b)
	}
	r.applyKind(rsm.EntryConfig, []byte("config 1"))
	return r
}

func stream(t testing.TB, w io.WriterTo) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestBadSnapshotsAreRefused restores every truncation of a snapshot, and it with every byte
// changed. No change may pass: the hash covers all of it.
func TestBadSnapshotsAreRefused(t *testing.T) {
	t.Run("version 1", func(t *testing.T) { badSnapshots(t, stream(t, plain(t).Snapshot()), 1) })
	t.Run("version 2", func(t *testing.T) { badSnapshots(t, stream(t, full(t).Snapshot()), 2) })
}

func badSnapshots(t *testing.T, good []byte, version byte) {
	if at := len("drystone state "); good[at] != version {
		t.Fatalf("it is of version %d", good[at])
	}
	r := newReplica(t)
	r.do(1, command("before"))
	hash := r.Hash()
	refused := func(bad []byte, what string, at int) {
		t.Helper()
		if err := r.Restore(bytes.NewReader(bad)); err == nil {
			t.Fatalf("%s at %d of %d is not noticed", what, at, len(good))
		}
		if r.Hash() != hash {
			t.Fatalf("%s at %d changed the state", what, at)
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
	later[len("drystone state ")] = 3
	if err := r.Restore(bytes.NewReader(later)); !errors.Is(err, rsm.ErrNeedsUpgrade) {
		t.Fatalf("a later version is %v", err)
	}
	if err := r.Restore(bytes.NewReader(good)); err != nil {
		t.Fatal(err)
	}
}

// brokenReader fails where others end.
type brokenReader struct{ r io.Reader }

func (b brokenReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if errors.Is(err, io.EOF) {
		err = errBroken
	}
	return n, err
}

var errBroken = errors.New("the checksum differs")

// A snapshot file finds rot in its last piece only at its end: the machine must not have been
// replaced by then.
func TestAFailureAtTheVeryEndIsNoticed(t *testing.T) {
	r := full(t)
	hash := r.Hash()
	other := newReplica(t)
	other.do(1, command("other"))
	err := r.Restore(brokenReader{bytes.NewReader(stream(t, other.Snapshot()))})
	if !errors.Is(err, errBroken) {
		t.Fatalf("Restore: %v", err)
	}
	if r.Hash() != hash {
		t.Fatal("the state changed")
	}
}

// fullDisk refuses to take more than so many bytes.
type fullDisk struct{ room int }

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.room -= len(b); d.room < 0 {
		return 0, errBroken
	}
	return len(b), nil
}

func TestAFailureToWriteIsReported(t *testing.T) {
	r := full(t)
	size := len(stream(t, r.Snapshot()))
	for room := range size {
		if _, err := r.Snapshot().WriteTo(&fullDisk{room}); !errors.Is(err, errBroken) {
			t.Fatalf("with room for %d of %d bytes: %v", room, size, err)
		}
	}
}

func TestRestoreReplacesEverything(t *testing.T) {
	from, to := full(t), newReplica(t)
	to.do(1, keyed("old", "x"))
	to.apply(1, batch(3, 3, 1, 0, "old"))
	if err := to.Restore(bytes.NewReader(stream(t, from.Snapshot()))); err != nil {
		t.Fatal(err)
	}
	if _, found := to.LookupKey("me", "old"); found {
		t.Fatal("a key outlived the restore")
	}
	if _, found := to.Lookup(3, 3, 1); found {
		t.Fatal("a session outlived the restore")
	}
	if to.Hash() != from.Hash() || string(to.Config()) != "config 1" {
		t.Fatal("the states differ")
	}
	if again := stream(t, to.Snapshot()); !bytes.Equal(again, stream(t, from.Snapshot())) {
		t.Fatal("equal states write different snapshots")
	}
}

// TestSnapshotsAreWrittenWhileTheStateGoesOn is for the race detector, and compares what was
// written late with what would have been written at once.
func TestSnapshotsAreWrittenWhileTheStateGoesOn(t *testing.T) {
	r := full(t)
	r.do(30, setting(rsm.SettingsChange{Settings: rsm.Settings{
		MaxRequestsBytes: 1 << 20, RequestRetentionMs: 40, MaxSessions: 9, SessionTTLMs: 1000}}))
	session := r.do(30, rsm.Request{Kind: rsm.OpenSession}).Op
	var writers sync.WaitGroup
	for i := range uint64(300) {
		if i%10 == 0 {
			snapshot := r.Snapshot()
			want := stream(t, snapshot)
			writers.Add(1)
			go func() {
				defer writers.Done()
				var got bytes.Buffer
				if _, err := snapshot.WriteTo(&got); err != nil {
					t.Error(err)
				}
				if !bytes.Equal(got.Bytes(), want) {
					t.Error("a snapshot changed after it was taken")
				}
			}()
		}
		r.do(40+i, keyed(fmt.Sprint(i%200), "x"))
		r.apply(40+i, batch(2, 10+i/50, 1+i%50, i%50, "y"))
		wantCode(t, r.do(40+i, inSession(session, 400-i, 0, "z")), "")
		wantCode(t, r.do(40+i, inSession(session, 401+i, i/3, "z")), "")
	}
	writers.Wait()
}

// unhashed is a journal that is no Hasher, and that leaves the end of its stream unread.
type unhashed struct{ journal *journal }

func (u unhashed) Apply(ctx *rsm.Context, cmd []byte) []byte { return u.journal.Apply(ctx, cmd) }
func (u unhashed) Query(ctx *rsm.Context, q []byte) []byte   { return u.journal.Query(ctx, q) }
func (u unhashed) Snapshot() io.WriterTo                     { return u.journal.Snapshot() }
func (u unhashed) Restore(r io.Reader) error {
	from := rsm.NewStreamReader(io.LimitReader(r, 1))
	if n := from.Uvarint(); n != 1 {
		return fmt.Errorf("%d lines, not 1", n)
	}
	return nil
}

func TestAMachineMayHaveNoHash(t *testing.T) {
	a := rsm.New(unhashed{&journal{}}, rsm.Options{})
	entry := rsm.EncodeEntry(nil, rsm.Entry{Batches: [][]byte{
		rsm.EncodeBatch(nil, batch(1, 1, 1, 0, "x"))}})
	if _, err := a.Apply(1, 1, rsm.EntryCommand, entry); err != nil {
		t.Fatal(err)
	}
	good := stream(t, a.Snapshot())
	b := rsm.New(unhashed{&journal{}}, rsm.Options{})
	if err := b.Restore(bytes.NewReader(good)); err != nil || b.Hash() != a.Hash() {
		t.Fatalf("Restore: %v", err)
	}
	for cut := range good {
		if err := b.Restore(bytes.NewReader(good[:cut])); err == nil {
			t.Fatalf("cut to %d of %d bytes it is restored", cut, len(good))
		}
	}
	// A machine that takes the stream for another content is found out.
	if err := newReplica(t).Restore(bytes.NewReader(good)); err == nil {
		t.Fatal("a machine with another hash is not noticed")
	}
}
