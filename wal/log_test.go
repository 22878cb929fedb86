package wal

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"drystone/disk"
	"drystone/raft"
)

func TestOnRealDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	dir, err := disk.OS(path)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{SegmentBytes: 1 << 16, Node: 1}
	m := model{}
	s := newScript(1)
	for life := range uint64(4) {
		o.Salt = life
		l, r := mustOpen(t, dir, o)
		if err := m.equals(r); err != nil {
			t.Fatalf("life %d: %v", life, err)
		}
		if r.New != (life == 0) || r.Torn != nil {
			t.Fatalf("life %d: new %v, torn %v", life, r.New, r.Torn)
		}
		for range 100 {
			a := s.appends(m)
			mustAppend(t, l, a)
			m = m.apply(a)
		}
		if err := l.Prepare(); err != nil {
			t.Fatal(err)
		}
		m.released = s.committed
		if err := l.Release(s.committed); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Append(entries(99, m.last()+1, 1, "")); !errors.Is(err, errClosed) {
			t.Fatal(err)
		}
	}
	var size int64
	files, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatal(info, err)
		}
		size += info.Size()
	}
	if size > 8<<16 {
		t.Errorf("%d bytes on disk", size)
	}
}

// TestPrepareBesideAppend runs what the node runs in a goroutine of its own.
func TestPrepareBesideAppend(t *testing.T) {
	mem := disk.NewMem(1)
	l, _ := mustOpen(t, mem.Dir(), tiny(1))
	var group sync.WaitGroup
	group.Go(func() {
		for range 200 {
			if err := l.Prepare(); err != nil {
				t.Error(err)
			}
		}
	})
	m := model{}
	s := newScript(1)
	for range 300 {
		a := s.appends(m)
		mustAppend(t, l, a)
		m = m.apply(a)
		m.released = s.committed
		if err := l.Release(s.committed); err != nil {
			t.Fatal(err)
		}
		_ = l.Bytes()
	}
	group.Wait()
	mem.Crash()
	_, r := mustOpen(t, mem.Dir(), tiny(2))
	if err := m.equals(r); err != nil {
		t.Fatal(err)
	}
}

func TestOneWriteAndOneSync(t *testing.T) {
	mem := disk.NewMem(1)
	l, _ := mustOpen(t, mem.Dir(), Options{Node: 1})
	var ops []string
	mem.SetHook(func(op disk.Op) error {
		ops = append(ops, op.Kind.String())
		return nil
	})
	a := append(entries(1, 1, 5, "a"), entries(1, 6, 5, "b")...)
	a = append(a, entries(1, 8, 5, "c")...)
	mustAppend(t, l, a)
	if got := strings.Join(ops, " "); got != "write datasync" {
		t.Errorf("three appends took: %s", got)
	}
	ops = nil
	mustAppend(t, l, []raft.Append{{Seq: 4, Hard: raft.HardState{CurrentTerm: 1}}})
	if len(ops) > 0 {
		t.Errorf("an append that changes nothing took: %v", ops)
	}
}

// TestRotationUsesTheSpare: a ready spare is renamed, not written; a released segment becomes one.
func TestRotationUsesTheSpare(t *testing.T) {
	mem := disk.NewMem(1)
	l, _ := mustOpen(t, mem.Dir(), tiny(1))
	if err := l.Prepare(); err != nil {
		t.Fatal(err)
	}
	var renamed, created int
	mem.SetHook(func(op disk.Op) error {
		switch op.Kind {
		case disk.OpRename:
			renamed++
		case disk.OpCreate, disk.OpRemove:
			created++
		}
		return nil
	})
	for i := range raft.Index(100) {
		mustAppend(t, l, entries(1, i+1, 1, strings.Repeat("x", 500)))
		if err := l.Release(i + 1); err != nil {
			t.Fatal(err)
		}
	}
	if renamed < 40 || created > 1 {
		t.Errorf("%d renames, %d files created or removed", renamed, created)
	}
	mem.Crash()
	_, r := mustOpen(t, mem.Dir(), tiny(2))
	if last := r.PrevIndex + raft.Index(len(r.Entries)); last != 100 || len(r.Entries) > 6 {
		t.Errorf("%d entries up to %d", len(r.Entries), last)
	}
	// What the segment held in its last use is not mistaken for a torn write.
	if r.Torn != nil {
		t.Error(r.Torn)
	}
}

// TestBigEntry: what the writer takes, the reader takes, however small the segments are.
func TestBigEntry(t *testing.T) {
	mem := disk.NewMem(1)
	l, _ := mustOpen(t, mem.Dir(), tiny(1))
	big := strings.Repeat("drystone", 1<<20)
	mustAppend(t, l, entries(1, 1, 1, "small"))
	mustAppend(t, l, entries(1, 2, 1, big))
	mustAppend(t, l, entries(1, 3, 1, "small"))
	mem.Crash()
	l, r := mustOpen(t, mem.Dir(), tiny(2))
	if len(r.Entries) != 3 || string(r.Entries[1].Data) != big {
		t.Fatalf("%d entries", len(r.Entries))
	}
	// Nothing touches these pages: only the length counts.
	tooBig := entries(1, 4, 1, "")
	tooBig[0].Entries[0].Data = make([]byte, MaxEntryBytes+1)
	if err := l.Append(tooBig); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	mustAppend(t, l, entries(1, 4, 1, "fits"))
	if err := l.Release(4); err != nil {
		t.Fatal(err)
	}
	if l.Bytes() > 4096 {
		t.Errorf("%d bytes are kept", l.Bytes())
	}
}

// TestFullDisk: a full disk refuses, loses nothing, and is forgiven when space returns.
func TestFullDisk(t *testing.T) {
	for seed := range uint64(50) {
		w := newWorld(seed)
		l, err := w.boot()
		if err != nil {
			t.Fatal(err)
		}
		full, starting := false, false
		w.mem.SetHook(func(op disk.Op) error {
			if full && (op.Kind == disk.OpCreate || op.Kind == disk.OpWrite && !starting) {
				return syscall.ENOSPC
			}
			return nil
		})
		for range 60 {
			full = w.script.IntN(3) == 0
			if err := w.step(l); err != nil && (!disk.IsFull(err) || !errors.Is(err, syscall.ENOSPC)) {
				t.Fatalf("seed %d: %v", seed, err)
			}
			w.attempted = w.acked
			w.script.committed = min(w.script.committed, w.acked.last())
		}
		// A start needs no space: it only writes over what is there.
		w.mem.Crash()
		full, starting = true, true
		if l, err = w.boot(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		full, starting = false, false
		if err := w.append(l); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		w.mem.Crash()
		if err := w.survive(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestFailedSync: one sync fails, those after it report success, and what it should have written is
// gone. Nothing is acknowledged any more, neither in a segment nor at the beginning of the next. A
// start may find the group in the page cache; it then makes it durable in truth before it tells.
func TestFailedSync(t *testing.T) {
	for name, data := range map[string]string{
		"in a segment": "lost", "in a new one": strings.Repeat("lost ", 400),
	} {
		t.Run(name, func(t *testing.T) {
			mem := disk.NewMem(1)
			l, _ := mustOpen(t, mem.Dir(), tiny(1))
			mustAppend(t, l, entries(1, 1, 1, "durable"))
			mem.Arm(disk.SyncFails, "")
			for range 3 {
				err := l.Append(entries(2, 2, 1, data))
				if !errors.Is(err, syscall.EIO) || disk.IsFull(err) {
					t.Fatalf("after a failed sync: %v", err)
				}
			}
			if len(mem.Struck()) != 1 {
				t.Fatal("no sync failed")
			}
			if err := l.Release(1); !errors.Is(err, syscall.EIO) {
				t.Fatal(err)
			}
			lost := mem.Clone()
			lost.Crash()
			if _, r := mustOpen(t, lost.Dir(), tiny(2)); len(r.Entries) != 1 {
				t.Fatalf("a crash leaves %d entries: the sync did not lose any", len(r.Entries))
			}
			mem.Kill()
			_, r := mustOpen(t, mem.Dir(), tiny(2))
			told := len(r.Entries)
			mem.Crash()
			_, r = mustOpen(t, mem.Dir(), tiny(3))
			if told != 2 || len(r.Entries) != told || r.Hard.CurrentTerm != 2 {
				t.Fatalf("told of %d entries, and %d are durable, in term %d",
					told, len(r.Entries), r.Hard.CurrentTerm)
			}
		})
	}
}

// TestReleaseKeepsWhatItNames: the entry that Release names is the first that is still needed, also
// when it is the last of its segment.
func TestReleaseKeepsWhatItNames(t *testing.T) {
	const last = 60
	for first := raft.Index(1); first <= last; first++ {
		mem := disk.NewMem(1)
		l, _ := mustOpen(t, mem.Dir(), tiny(1))
		for i := raft.Index(1); i <= last; i++ {
			mustAppend(t, l, entries(1, i, 1, "some bytes"))
		}
		if err := l.Release(first); err != nil {
			t.Fatal(err)
		}
		mem.Crash()
		if _, r := mustOpen(t, mem.Dir(), tiny(2)); r.PrevIndex >= first {
			t.Fatalf("released before %d, and the log begins behind %d", first, r.PrevIndex)
		}
	}
}

func TestEngineMistakes(t *testing.T) {
	for claim, wrong := range map[string]raft.Append{
		"a gap": {Hard: raft.HardState{CurrentTerm: 2, VotedFor: 1},
			Entries: []raft.Entry{{Index: 5, Term: 2}}},
		"entries out of order": {Hard: raft.HardState{CurrentTerm: 2, VotedFor: 1},
			Entries: []raft.Entry{{Index: 2, Term: 2}, {Index: 2, Term: 2}}},
		"a term that falls": {Hard: raft.HardState{CurrentTerm: 1}},
		"another vote":      {Hard: raft.HardState{CurrentTerm: 2, VotedFor: 3}},
		"a log kept that ends too early": {Hard: raft.HardState{CurrentTerm: 2, VotedFor: 1},
			Snapshot: meta(9, 1), KeepLog: true},
	} {
		l, _ := mustOpen(t, disk.NewMem(1).Dir(), tiny(1))
		mustAppend(t, l, []raft.Append{{Seq: 1, Hard: raft.HardState{CurrentTerm: 2, VotedFor: 1},
			Entries: []raft.Entry{{Index: 1, Term: 2}}}})
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s was written", claim)
				}
			}()
			_ = l.Append([]raft.Append{wrong})
		}()
	}
}

// TestRestartsAreCheap: a node that starts again and again keeps no empty segments.
func TestRestartsAreCheap(t *testing.T) {
	mem := disk.NewMem(1)
	for life := range uint64(60) {
		l, r := mustOpen(t, mem.Dir(), Options{SegmentBytes: 1 << 16, Node: 1, Salt: life})
		if len(r.Entries) != int(life) || r.Torn != nil {
			t.Fatalf("life %d: %d entries, torn %v", life, len(r.Entries), r.Torn)
		}
		mustAppend(t, l, entries(1, raft.Index(life)+1, 1, "a line"))
		if err := l.Prepare(); err != nil {
			t.Fatal(err)
		}
		mem.Crash()
	}
	l, _ := mustOpen(t, mem.Dir(), Options{SegmentBytes: 1 << 16, Node: 1, Salt: 99})
	var size int64
	for i := range l.segments {
		size += l.segments[i].size
	}
	if size > 3<<16 {
		t.Errorf("%d bytes in %d segments", size, len(l.segments))
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{128, 4 << 10, 64 << 10} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			dir, err := disk.OS(filepath.Join(b.TempDir(), "data"))
			if err != nil {
				b.Fatal(err)
			}
			l, _, err := Open(dir, Options{Node: 1})
			if err != nil {
				b.Fatal(err)
			}
			if err := l.Append(entries(1, 1, 1, strings.Repeat("x", 1<<20))); err != nil {
				b.Fatal(err)
			}
			if err := l.Prepare(); err != nil {
				b.Fatal(err)
			}
			data := strings.Repeat("x", n)
			a := entries(1, 2, 1, data)
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				if err := l.Append(a); err != nil {
					b.Fatal(err)
				}
				a[0].Entries[0].Index++
			}
		})
	}
}
