package storage

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"syscall"
	"testing"

	"drystone/disk"
	"drystone/raft"
	"drystone/snap"
)

// outgoing is a snapshot as another node's store gives it, and its bytes.
func outgoing(t *testing.T, index raft.Index, term raft.Term, content int) (*Outgoing, []byte) {
	t.Helper()
	s, _ := open(t, disk.NewMem(99), 1)
	must(t, s.Write([]raft.Append{{
		Seq: 1, Hard: raft.HardState{CurrentTerm: term},
		Entries: entriesUpTo(index, term),
	}}))
	body := bytes.Repeat([]byte("state "), content/6+1)
	_, err := s.SaveSnapshot(metaOf(index, term), bytes.NewReader(body))
	must(t, err)
	o, err := s.OpenOutgoing()
	must(t, err)
	t.Cleanup(func() { o.Close() })
	file, err := io.ReadAll(io.NewSectionReader(o, 0, o.Bytes))
	must(t, err)
	return o, file
}

func entriesUpTo(index raft.Index, term raft.Term) (all []raft.Entry) {
	for i := range index {
		all = append(all, raft.Entry{Index: i + 1, Term: term})
	}
	return all
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func receive(t *testing.T, s *Store, o *Outgoing) *Incoming {
	t.Helper()
	in, err := s.Receive(o.Meta, o.Bytes)
	must(t, err)
	return in
}

func have(t *testing.T, in *Incoming) int64 {
	t.Helper()
	n, _, err := in.Have()
	must(t, err)
	return n
}

func TestReceive(t *testing.T) {
	o, file := outgoing(t, 20, 3, 9000)
	m := disk.NewMem(1)
	s, _ := open(t, m, 1)
	must(t, s.Write(appendOf(1, 1, 6)))
	if s.Holds(o.Meta) {
		t.Fatal("it is there before it came")
	}
	in := receive(t, s, o)
	if n := have(t, in); n != 0 {
		t.Fatalf("%d bytes are there before any came", n)
	}
	must(t, in.Write(file[:4000]))
	must(t, in.Close())
	if s.Holds(o.Meta) {
		t.Fatal("a part counts as the whole")
	}

	// The connection broke; the next goes on.
	in = receive(t, s, o)
	n, sum, err := in.Have()
	if err != nil || n != 4000 || sum != checksum(file[:4000]) {
		t.Fatal(n, sum, err)
	}
	must(t, in.Write(file[4000:]))
	must(t, in.Commit(checksum(file)))
	must(t, in.Close())
	if !s.Holds(o.Meta) {
		t.Error("it came and is not there")
	}

	// The engine decides for it, over a log that knows nothing of it.
	must(t, s.Write([]raft.Append{{
		Seq: 2, Hard: raft.HardState{CurrentTerm: 3}, Snapshot: &o.Meta,
	}}))
	must(t, s.Release(21))
	m.Crash()
	s, r := open(t, m, 2)
	if r.Raft.Snapshot.LastIncludedIndex != 20 || s.SnapshotBytes() != o.Bytes {
		t.Fatalf("restored %+v, %d bytes", r.Raft.Snapshot, s.SnapshotBytes())
	}
	content, err := r.Snapshot()
	must(t, err)
	defer content.Close()
	if b, err := io.ReadAll(content); err != nil || len(b) < 9000 {
		t.Error(len(b), err)
	}
}

// TestReceiveDamaged: what does not check is refused and given up, so that the next try begins
// anew.
func TestReceiveDamaged(t *testing.T) {
	o, file := outgoing(t, 20, 3, 3000)
	other := metaOf(20, 3)
	other.Members = raft.Members{Voters: []raft.NodeID{1}}
	for name, try := range map[string]func(*Incoming) error{
		"short": func(in *Incoming) error {
			must(t, in.Write(file[:100]))
			return in.Commit(checksum(file[:100]))
		},
		"long": func(in *Incoming) error { return in.Write(append(bytes.Clone(file), 0)) },
		"unlike the sender's": func(in *Incoming) error {
			must(t, in.Write(file))
			return in.Commit(checksum(file) + 1)
		},
		"damaged at the sender": func(in *Incoming) error {
			bad := bytes.Clone(file)
			bad[1000] ^= 4
			must(t, in.Write(bad))
			return in.Commit(checksum(bad))
		},
		"of other members": func(in *Incoming) error {
			in.meta = other
			must(t, in.Write(file))
			return in.Commit(checksum(file))
		},
	} {
		m := disk.NewMem(1)
		s, _ := open(t, m, 1)
		in := receive(t, s, o)
		have(t, in)
		err := try(in)
		must(t, in.Close())
		var damage *disk.DamageError
		if !errors.As(err, &damage) || damage.File == "" || s.Holds(o.Meta) {
			t.Errorf("%s: %v, held %v", name, err, s.Holds(o.Meta))
		}
		in = receive(t, s, o)
		if n := have(t, in); n != 0 {
			t.Errorf("%s: %d bytes stay", name, n)
		}
		must(t, in.Close())
	}
}

// TestReceiveRestart: a part longer than the snapshot offered now is of another file, and so is one
// that the sender says begins otherwise.
func TestReceiveRestart(t *testing.T) {
	o, file := outgoing(t, 20, 3, 3000)
	s, _ := open(t, disk.NewMem(1), 1)
	longer := *o
	longer.Bytes += 10
	in := receive(t, s, &longer)
	have(t, in)
	must(t, in.Write(make([]byte, o.Bytes+3)))
	must(t, in.Close())
	in = receive(t, s, o)
	if n := have(t, in); n != 0 {
		t.Fatalf("%d bytes of a longer file", n)
	}
	must(t, in.Write(file[:7]))
	must(t, in.Restart())
	must(t, in.Write(file))
	must(t, in.Commit(checksum(file)))
	must(t, in.Close())
}

// TestPartsAtStart: the newest part stays for a sender to go on with, unless the log has passed it.
func TestPartsAtStart(t *testing.T) {
	m := disk.NewMem(1)
	s, _ := open(t, m, 1)
	for _, index := range []raft.Index{30, 20} { // a deposed leader's comes later
		o, file := outgoing(t, index, 3, 300)
		in := receive(t, s, o)
		have(t, in)
		must(t, in.Write(file[:50]))
		must(t, in.Close())
	}
	parts := func(want ...raft.Index) {
		t.Helper()
		list, err := snap.Parts(m.Dir())
		must(t, err)
		var got []raft.Index
		for _, p := range list {
			got = append(got, p.Index)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("parts of %v, want %v", got, want)
		}
	}
	parts(30, 20)
	m.Kill()
	s, _ = open(t, m, 2)
	parts(30)
	o, _ := outgoing(t, 30, 3, 300)
	in := receive(t, s, o)
	if n := have(t, in); n != 50 {
		t.Errorf("%d bytes of 50 after a restart", n)
	}
	must(t, s.Write(appendOf(1, 1, 40)))
	saveSnapshot(t, s, 31, 1)
	must(t, s.Release(32)) // while it is open
	must(t, in.Close())
	parts(30)
	must(t, s.Release(32))
	parts()
}

// TestOutgoingSurvives: a snapshot that is being shipped may be removed meanwhile.
func TestOutgoingSurvives(t *testing.T) {
	dir, err := disk.OS(t.TempDir())
	must(t, err)
	s, _, err := Open(dir, Identity{Node: 1}, Options{SegmentBytes: 2048, InitialMembers: members})
	must(t, err)
	defer s.Close()
	must(t, s.Write(appendOf(1, 1, 90)))
	saveSnapshot(t, s, 10, 1)
	o, err := s.OpenOutgoing()
	must(t, err)
	defer o.Close()
	for _, index := range []raft.Index{40, 70, 90} {
		saveSnapshot(t, s, index, 1)
		must(t, s.Release(index+1))
	}
	list, err := snap.List(dir)
	must(t, err)
	if len(list) == 0 || list[len(list)-1].Index == 10 {
		t.Fatal(list)
	}
	b, err := io.ReadAll(io.NewSectionReader(o, 0, o.Bytes))
	if err != nil || int64(len(b)) != o.Bytes || o.Meta.LastIncludedIndex != 10 {
		t.Error(len(b), o.Meta, err)
	}
}

// TestReceiveFullDisk: a full disk is told as one, and the room is given back.
func TestReceiveFullDisk(t *testing.T) {
	o, file := outgoing(t, 20, 3, 3000)
	m := disk.NewMem(1)
	s, _ := open(t, m, 1)
	in := receive(t, s, o)
	have(t, in)
	must(t, in.Write(file[:100]))
	m.SetHook(func(op disk.Op) error {
		if op.Kind == disk.OpWrite && snap.IsFile(op.Name) {
			return syscall.ENOSPC
		}
		return nil
	})
	if err := in.Write(file[100:]); !disk.IsFull(err) {
		t.Error(err)
	}
	must(t, in.Close())
	if list, err := snap.Parts(m.Dir()); err != nil || len(list) > 0 {
		t.Error(list, err)
	}
}

// TestCommitOnFullDisk: where no name has room the snapshot waits, whole, for the next try.
func TestCommitOnFullDisk(t *testing.T) {
	o, file := outgoing(t, 20, 3, 3000)
	m := disk.NewMem(1)
	s, _ := open(t, m, 1)
	in := receive(t, s, o)
	have(t, in)
	must(t, in.Write(file))
	m.SetQuota(m.Used())
	if err := in.Commit(checksum(file)); !disk.IsFull(err) || s.Holds(o.Meta) {
		t.Error(err)
	}
	must(t, in.Close())
	m.SetQuota(0)
	in = receive(t, s, o)
	if n, _, err := in.Have(); n != o.Bytes || err != nil {
		t.Error(n, err)
	}
	must(t, in.Commit(checksum(file)))
	if !s.Holds(o.Meta) {
		t.Error("it is not there")
	}
}

// TestReceiveCrashAnywhere: whatever operation a crash falls on, a start finds the snapshot whole
// or not at all, and what it finds of a part does not keep the snapshot from arriving.
func TestReceiveCrashAnywhere(t *testing.T) {
	o, file := outgoing(t, 20, 3, 6000)
	ship := func(s *Store) error {
		if s.Holds(o.Meta) {
			return nil
		}
		in, err := s.Receive(o.Meta, o.Bytes)
		if err != nil {
			return err
		}
		defer in.Close()
		n, sum, err := in.Have()
		if err != nil {
			return err
		}
		if sum != checksum(file[:n]) {
			if err := in.Restart(); err != nil {
				return err
			}
			n = 0
		}
		for rest := file[n:]; len(rest) > 0; {
			piece := rest[:min(1500, len(rest))]
			if err := in.Write(piece); err != nil {
				return err
			}
			rest = rest[len(piece):]
		}
		return in.Commit(checksum(file))
	}
	for seed := range uint64(10) {
		for n, done := 1, false; !done; n++ {
			m := disk.NewMem(seed<<16 + uint64(n))
			s, _ := open(t, m, 1)
			must(t, s.Write(appendOf(1, 1, 6)))
			left := n
			m.SetHook(func(op disk.Op) error {
				if op.Kind.Changes() {
					if left--; left == 0 {
						return disk.ErrCrashed
					}
				}
				return nil
			})
			err := ship(s)
			m.SetHook(nil)
			done = err == nil
			m.Crash()
			s, _ = open(t, m, 2)
			if done && !s.Holds(o.Meta) {
				t.Fatalf("seed %d: what was acknowledged is gone", seed)
			}
			if err := ship(s); err != nil {
				t.Fatalf("seed %d, operation %d: %v", seed, n, err)
			}
			must(t, s.Write([]raft.Append{{
				Seq: 1, Hard: raft.HardState{CurrentTerm: 3}, Snapshot: &o.Meta,
			}}))
			_, c, err := s.OpenSnapshot()
			must(t, err)
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Fatalf("seed %d, operation %d: %v", seed, n, err)
			}
			c.Close()
		}
	}
}
