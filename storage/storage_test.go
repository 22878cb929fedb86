package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"

	"drystone/disk"
	"drystone/raft"
	"drystone/snap"
)

var members = raft.Members{Voters: []raft.NodeID{1, 2, 3}}

// contentOf is what the snapshot of an index holds in these tests.
func contentOf(index raft.Index) io.WriterTo {
	return bytes.NewBufferString(fmt.Sprintf("the state after entry %d", index))
}

func metaOf(index raft.Index, term raft.Term) raft.SnapshotMeta {
	return raft.SnapshotMeta{LastIncludedIndex: index, LastIncludedTerm: term, Members: members}
}

func open(t *testing.T, m *disk.Mem, salt uint64) (*Store, Restored) {
	t.Helper()
	s, r, err := tryOpen(m, salt)
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

func tryOpen(m *disk.Mem, salt uint64) (*Store, Restored, error) {
	return Open(m.Dir(), Identity{Node: 1},
		Options{SegmentBytes: 2048, InitialMembers: members, Salt: salt})
}

func appendOf(term raft.Term, first raft.Index, n int) []raft.Append {
	a := raft.Append{Seq: 1, Hard: raft.HardState{CurrentTerm: term}}
	for i := range n {
		a.Entries = append(a.Entries, raft.Entry{Index: first + raft.Index(i), Term: term,
			Data: make([]byte, 100)})
	}
	return []raft.Append{a}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func saveSnapshot(t *testing.T, s *Store, index raft.Index, term raft.Term) {
	t.Helper()
	if n, err := s.SaveSnapshot(metaOf(index, term), contentOf(index)); err != nil || n <= 0 {
		t.Fatal(n, err)
	}
}

// checkContent reads the snapshot that a start found.
func checkContent(r Restored) error {
	index := r.Raft.Snapshot.LastIncludedIndex
	if (r.Snapshot == nil) != (index == 0) {
		return fmt.Errorf("snapshot %d has content: %v", index, r.Snapshot != nil)
	}
	if index == 0 {
		return nil
	}
	c, err := r.Snapshot()
	if err != nil {
		return err
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	if want := fmt.Sprint(contentOf(index)); err != nil || string(b) != want {
		return fmt.Errorf("%q, want %q: %w", b, want, err)
	}
	return nil
}

func TestRestart(t *testing.T) {
	m := disk.NewMem(1)
	s, r := open(t, m, 1)
	if fmt.Sprint(r.Raft.Snapshot.Members) != fmt.Sprint(members) || r.Snapshot != nil {
		t.Fatalf("%+v", r)
	}
	if _, _, err := s.OpenSnapshot(); !errors.Is(err, ErrNoSnapshot) {
		t.Error(err)
	}
	must(t, s.Write(appendOf(1, 1, 40)))
	saveSnapshot(t, s, 30, 1)
	must(t, s.Write(appendOf(1, 41, 2)))
	must(t, s.Release(21))
	meta, c, err := s.OpenSnapshot()
	must(t, err)
	if b, err := io.ReadAll(c); err != nil || string(b) != fmt.Sprint(contentOf(30)) {
		t.Error(string(b), err)
	}
	must(t, c.Close())
	if meta.LastIncludedIndex != 30 || s.Bytes() == 0 {
		t.Error(meta, s.Bytes())
	}
	m.Crash()
	_, r = open(t, m, 2)
	must(t, checkContent(r))
	last := r.Raft.Entries[len(r.Raft.Entries)-1].Index
	if r.Raft.Snapshot.LastIncludedIndex != 30 || last != 42 || r.Torn != "" {
		t.Errorf("snapshot %d, last %d, torn %q", r.Raft.Snapshot.LastIncludedIndex, last, r.Torn)
	}
}

// TestUndecided: a received snapshot that no Append names yet survives a restart, because its
// sender was told that it is durable, but nothing is restored from it unless the log agrees with
// it; its term may be above the hard state's.
func TestUndecided(t *testing.T) {
	for _, meta := range []raft.SnapshotMeta{metaOf(20, 9), metaOf(5, 2), metaOf(2, 1)} {
		m := disk.NewMem(1)
		s, _ := open(t, m, 1)
		must(t, s.Write(appendOf(1, 1, 6)))
		saveSnapshot(t, s, meta.LastIncludedIndex, meta.LastIncludedTerm)
		_, _, err := s.OpenSnapshot()
		agrees := meta.LastIncludedTerm == 1
		if (err == nil) != agrees {
			t.Error(err)
		}
		m.Crash()
		s, r := open(t, m, 2)
		must(t, checkContent(r))
		list, err := snap.List(m.Dir())
		must(t, err)
		if (r.Raft.Snapshot.LastIncludedIndex > 0) != agrees || len(list) != 1 {
			t.Errorf("%v: restored %v, %d files", meta, r.Raft.Snapshot, len(list))
		}
		// It comes again, and this time the engine takes it.
		saveSnapshot(t, s, 20, 9)
		must(t, s.Write([]raft.Append{{Seq: 1, Hard: raft.HardState{CurrentTerm: 9},
			Snapshot: &raft.SnapshotMeta{LastIncludedIndex: 20, LastIncludedTerm: 9, Members: members}}}))
		must(t, s.Write(appendOf(9, 21, 3)))
		must(t, s.Release(21))
		m.Crash()
		_, r = open(t, m, 3)
		must(t, checkContent(r))
		if r.Raft.Snapshot.LastIncludedIndex != 20 || len(r.Raft.Entries) != 3 {
			t.Errorf("restored %v with %d entries", r.Raft.Snapshot, len(r.Raft.Entries))
		}
	}
}

// TestDamagedSnapshot: an older one serves as long as the log reaches back to it.
func TestDamagedSnapshot(t *testing.T) {
	for _, released := range []bool{false, true} {
		m := disk.NewMem(1)
		s, _ := open(t, m, 1)
		for i := range raft.Index(30) {
			must(t, s.Write(appendOf(1, 10*i+1, 10)))
		}
		saveSnapshot(t, s, 100, 1)
		saveSnapshot(t, s, 200, 1)
		if released {
			must(t, s.Release(201))
		} else {
			must(t, s.Release(90))
		}
		m.Kill()
		must(t, m.Flip(snap.FileName(metaOf(200, 1)), 85, 1))
		_, r, err := tryOpen(m, 2)
		var damage *disk.DamageError
		if released {
			if !errors.As(err, &damage) || damage.File != snap.FileName(metaOf(200, 1)) {
				t.Errorf("without the log: %v", err)
			}
			continue
		}
		must(t, err)
		must(t, checkContent(r))
		if r.Raft.Snapshot.LastIncludedIndex != 100 || r.Torn == "" || r.Raft.Entries[0].Index > 101 {
			t.Errorf("restored %v, %q", r.Raft.Snapshot, r.Torn)
		}
	}
}

// TestMissingPieces: what can't be told from a loss of durable data is refused.
func TestMissingPieces(t *testing.T) {
	build := func() *disk.Mem {
		m := disk.NewMem(1)
		s, _ := open(t, m, 1)
		for i := range raft.Index(10) {
			must(t, s.Write(appendOf(1, 10*i+1, 10)))
		}
		saveSnapshot(t, s, 90, 1)
		must(t, s.Release(91))
		m.Kill()
		return m
	}
	for claim, remove := range map[string]func(string) bool{
		"the snapshot": snap.IsFile,
		"the log":      func(name string) bool { return name[:3] == "wal" },
	} {
		m := build()
		names, err := m.Dir().List()
		must(t, err)
		for _, name := range names {
			if remove(name) {
				must(t, m.Dir().Remove(name))
			}
		}
		var damage *disk.DamageError
		if _, _, err := tryOpen(m, 2); !errors.As(err, &damage) {
			t.Errorf("without %s: %v", claim, err)
		}
	}
}

// TestOldSnapshotsGo: the newest stays, one more as long as the log reaches it, and what the engine
// has not decided about.
func TestOldSnapshotsGo(t *testing.T) {
	m := disk.NewMem(1)
	s, _ := open(t, m, 1)
	for i := range raft.Index(30) {
		must(t, s.Write(appendOf(1, 10*i+1, 10)))
	}
	for _, index := range []raft.Index{50, 100, 150, 200} {
		saveSnapshot(t, s, index, 1)
	}
	saveSnapshot(t, s, 900, 4)
	names := func() (out []raft.Index) {
		list, err := snap.List(m.Dir())
		must(t, err)
		for _, i := range list {
			out = append(out, i.Index)
		}
		return out
	}
	must(t, s.Release(101))
	if got := fmt.Sprint(names()); got != "[900 200 150]" {
		t.Error(got)
	}
	must(t, s.Release(201))
	if got := fmt.Sprint(names()); got != "[900 200]" {
		t.Error(got)
	}
}

func TestMistakes(t *testing.T) {
	s, _ := open(t, disk.NewMem(1), 1)
	must(t, s.Write(appendOf(1, 1, 10)))
	meta := metaOf(20, 2)
	for claim, mistake := range map[string]func(){
		"a marker without its snapshot": func() {
			_ = s.Write([]raft.Append{{Hard: raft.HardState{CurrentTerm: 2}, Snapshot: &meta}})
		},
		"releasing what no snapshot holds": func() { _ = s.Release(5) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s went through", claim)
				}
			}()
			mistake()
		}()
	}
}

func TestForeignLog(t *testing.T) {
	m := disk.NewMem(1)
	s, _ := open(t, m, 1)
	must(t, s.Write(appendOf(1, 1, 1)))
	must(t, s.Close())
	var foreign *ForeignError
	if _, _, err := Open(m.Dir(), Identity{Node: 2}, Options{}); !errors.As(err, &foreign) {
		t.Error(err)
	}
}

// TestSnapshotOutlivesItsLog: an older snapshot that could not be removed is no way back once the
// log behind it is gone.
func TestSnapshotOutlivesItsLog(t *testing.T) {
	m := disk.NewMem(1)
	s, _ := open(t, m, 1)
	for i := range raft.Index(30) {
		must(t, s.Write(appendOf(1, 10*i+1, 10)))
	}
	saveSnapshot(t, s, 100, 1)
	saveSnapshot(t, s, 200, 1)
	m.SetHook(func(op disk.Op) error {
		if op.Kind == disk.OpRemove && snap.IsFile(op.Name) {
			return syscall.EIO
		}
		return nil
	})
	if err := s.Release(201); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	m.SetHook(nil)
	m.Kill()
	name := snap.FileName(metaOf(200, 1))
	must(t, m.Flip(name, 85, 1))
	var damage *disk.DamageError
	if _, _, err := tryOpen(m, 2); !errors.As(err, &damage) || damage.File != name {
		t.Error(err)
	}
}

// life is a node's disk and what it must still hold.
type life struct {
	*rand.Rand
	mem          *disk.Mem
	salt         uint64
	term         raft.Term
	acked, tried raft.Index // last entry: acknowledged, and written at
	ackedTerm    raft.Term
	snapshot     raft.Index
}

// run lives until an error, for n steps at most.
func (l *life) run(n int) error {
	l.salt++
	id, err := OpenIdentity(l.mem.Dir(), want(1))
	if err != nil {
		return err
	}
	o := Options{SegmentBytes: 2048, InitialMembers: members, Salt: l.salt}
	s, r, err := Open(l.mem.Dir(), id, o)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := l.check(r); err != nil {
		return err
	}
	for range n {
		if err := l.step(s); err != nil {
			return err
		}
	}
	return nil
}

func (l *life) check(r Restored) error {
	if err := checkContent(r); err != nil {
		return err
	}
	index, last := r.Raft.Snapshot.LastIncludedIndex, r.Raft.Snapshot.LastIncludedIndex
	for i, e := range r.Raft.Entries {
		if i == 0 && e.Index > index+1 || i > 0 && e.Index != r.Raft.Entries[i-1].Index+1 {
			return fmt.Errorf("entry %d leaves a gap behind snapshot %d", e.Index, index)
		}
		last = max(last, e.Index)
	}
	switch {
	case last != l.acked && last != l.tried:
		return fmt.Errorf("last entry %d; %d acknowledged, %d written", last, l.acked, l.tried)
	case index < l.snapshot:
		return fmt.Errorf("snapshot %d; %d was saved", index, l.snapshot)
	case r.Raft.Hard.CurrentTerm < l.ackedTerm || r.Raft.Hard.CurrentTerm > l.term:
		return fmt.Errorf("term %d; %d acknowledged", r.Raft.Hard.CurrentTerm, l.ackedTerm)
	}
	l.acked, l.tried, l.snapshot = last, last, index
	l.term, l.ackedTerm = r.Raft.Hard.CurrentTerm, r.Raft.Hard.CurrentTerm
	return nil
}

func (l *life) step(s *Store) error {
	switch l.IntN(12) {
	case 0:
		return s.Prepare()
	case 1: // the node's own snapshot
		if l.acked > l.snapshot {
			index := l.snapshot + 1 + raft.Index(l.IntN(int(l.acked-l.snapshot)))
			return l.save(s, index, 1)
		}
	case 2:
		return s.Release(l.snapshot + 1 - min(l.snapshot, raft.Index(l.IntN(10))))
	case 3: // a received one
		return l.receive(s)
	}
	l.term = max(l.term, 1) + raft.Term(l.IntN(2))
	l.tried = l.acked + raft.Index(1+l.IntN(4))
	a := appendOf(1, l.acked+1, int(l.tried-l.acked))
	a[0].Hard.CurrentTerm = l.term
	err := s.Write(a)
	if err == nil {
		l.acked, l.ackedTerm = l.tried, l.term
	}
	return err
}

func (l *life) save(s *Store, index raft.Index, term raft.Term) error {
	_, err := s.SaveSnapshot(metaOf(index, term), contentOf(index))
	if err == nil && index <= l.acked {
		l.snapshot = index
	}
	return err
}

func (l *life) receive(s *Store) error {
	index := l.acked + raft.Index(1+l.IntN(50))
	if err := l.save(s, index, 1); err != nil || l.IntN(2) == 0 {
		return err
	}
	meta := metaOf(index, 1)
	l.term, l.tried = max(l.term, 1), index
	err := s.Write([]raft.Append{{Seq: 1, Hard: raft.HardState{CurrentTerm: l.term}, Snapshot: &meta}})
	if err == nil {
		l.acked, l.snapshot, l.ackedTerm = index, index, l.term
	}
	return err
}

func newLife(seed uint64) *life {
	return &life{Rand: rand.New(rand.NewPCG(seed, 2)), mem: disk.NewMem(seed)}
}

// TestCrashAtEveryOperation: identity, log and snapshots together, from the very first start.
func TestCrashAtEveryOperation(t *testing.T) {
	seeds := uint64(5)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		for n := 1; ; n++ {
			l := newLife(seed)
			l.mem.Reseed(seed<<32 + uint64(n))
			left := n
			l.mem.SetHook(func(op disk.Op) error {
				if op.Kind.Changes() {
					if left--; left == 0 {
						return disk.ErrCrashed
					}
				}
				return nil
			})
			err := l.run(40)
			if err == nil {
				break
			}
			for range 3 {
				if !errors.Is(err, disk.ErrCrashed) {
					t.Fatalf("seed %d, operation %d: %v", seed, n, err)
				}
				if err = l.run(10); err == nil {
					l.mem.Crash()
					err = disk.ErrCrashed
				}
			}
		}
	}
}

func TestCrashLoop(t *testing.T) {
	for seed := range uint64(60) {
		l := newLife(500 + seed)
		for boot := range 25 {
			left := 1 + l.IntN(60)
			kill := l.IntN(3) == 0
			l.mem.SetHook(func(op disk.Op) error {
				if !op.Kind.Changes() {
					return nil
				}
				if left--; left == 0 && kill {
					l.mem.Kill()
				} else if left == 0 {
					return disk.ErrCrashed
				}
				return nil
			})
			if err := l.run(40); err != nil && !errors.Is(err, disk.ErrCrashed) {
				t.Fatalf("seed %d, start %d: %v", seed, boot, err)
			}
		}
	}
}
