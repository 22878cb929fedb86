package storage

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"

	"drystone/disk"
	"drystone/raft"
	"drystone/wal"
)

// ledger is a store at work, what it has acknowledged, and, in its first life, a twin that works
// the same on a disk without faults.
type ledger struct {
	random   *rand.Rand
	mem      *disk.Mem
	store    *Store
	twinMem  *disk.Mem
	twin     *Store // nil after the first life
	salt     uint64
	states   []promised // what held after each acknowledged Write, oldest first
	tried    []promised // Writes since that were refused or cut off: a start may find one of them
	snapshot raft.Index
}

// promised is what a start must find.
type promised struct {
	hard    raft.HardState
	entries []raft.Entry // from index 1
}

func newLedger(seed uint64) *ledger {
	return &ledger{random: rand.New(rand.NewPCG(seed, 2)), mem: disk.NewMem(seed),
		twinMem: disk.NewMem(seed), states: []promised{{}}}
}

func (l *ledger) acked() *promised { return &l.states[len(l.states)-1] }

// boot opens the store and says whether it holds what it must. late Writes may be missing.
func (l *ledger) boot(late int) error {
	l.salt++
	l.twin = nil
	if l.salt == 1 {
		var err error
		if l.twin, _, err = tryOpen(l.twinMem, l.salt); err != nil {
			return err
		}
	}
	s, r, err := tryOpen(l.mem, l.salt)
	if err != nil {
		return err
	}
	l.store = s
	return l.judge(&r, late)
}

func (l *ledger) judge(r *Restored, late int) error {
	l.snapshot = r.Raft.Snapshot.LastIncludedIndex
	for i := range l.tried {
		if l.tried[i].equals(r) == nil {
			l.states, l.tried = append(l.states, l.tried[i]), nil
			return nil
		}
	}
	why := l.acked().equals(r)
	for ; late > 0 && why != nil && len(l.states) > 1; late-- {
		l.states = l.states[:len(l.states)-1]
		if l.acked().equals(r) == nil {
			why = nil
		}
	}
	l.tried = nil
	return why
}

func (p *promised) last() raft.Index { return raft.Index(len(p.entries)) }

func (p *promised) equals(r *Restored) error {
	if r.Raft.Hard != p.hard {
		return fmt.Errorf("hard state %v, acknowledged was %v", r.Raft.Hard, p.hard)
	}
	next := r.Raft.Snapshot.LastIncludedIndex + 1
	if n := len(r.Raft.Entries); n > 0 {
		if r.Raft.Entries[0].Index > next {
			return fmt.Errorf("entry %d follows the snapshot of %d", r.Raft.Entries[0].Index, next-1)
		}
		next = max(next, r.Raft.Entries[n-1].Index+1)
	}
	if next != raft.Index(len(p.entries))+1 {
		return fmt.Errorf("the log ends with %d, acknowledged was %d", next-1, len(p.entries))
	}
	for _, e := range r.Raft.Entries {
		want := p.entries[e.Index-1]
		if e.Term != want.Term || !bytes.Equal(e.Data, want.Data) {
			return fmt.Errorf("entry %d is not what was acknowledged", e.Index)
		}
	}
	return checkContent(*r)
}

// step does one thing to both stores, and returns what the one on the faulty disk said.
func (l *ledger) step() error {
	switch l.random.IntN(12) {
	case 0:
		return l.both(func(s *Store) error { return s.Prepare() })
	case 1:
		if n := len(l.acked().entries); n > 3 {
			return l.save(raft.Index(n - 3))
		}
	case 2:
		if l.snapshot > 0 {
			first := l.snapshot + 1 - raft.Index(l.random.IntN(2))
			return l.both(func(s *Store) error { return s.Release(first) })
		}
	}
	return l.write(l.draw())
}

func (l *ledger) both(do func(*Store) error) error {
	if err := do(l.store); err != nil {
		return err
	}
	if l.twin != nil {
		if err := do(l.twin); err != nil {
			panic(err)
		}
	}
	return nil
}

func (l *ledger) save(index raft.Index) error {
	meta := metaOf(index, l.acked().entries[index-1].Term)
	err := l.both(func(s *Store) error {
		_, err := s.SaveSnapshot(meta, contentOf(index))
		return err
	})
	if err == nil {
		l.snapshot = index
	}
	return err
}

// draw makes up a Write that an engine could ask for: what a snapshot includes is never replaced.
func (l *ledger) draw() []raft.Append {
	p := l.acked()
	a := raft.Append{Seq: 1, Hard: p.hard}
	if a.Hard.CurrentTerm == 0 || l.random.IntN(4) == 0 {
		a.Hard = raft.HardState{CurrentTerm: a.Hard.CurrentTerm + 1, VotedFor: 2}
	}
	first := raft.Index(len(p.entries)) + 1
	if l.random.IntN(6) == 0 && first > l.snapshot+3 {
		first -= 2
	}
	size := l.random.IntN(80)
	if l.random.IntN(8) == 0 {
		size = l.random.IntN(3000)
	}
	for i := range 1 + l.random.IntN(3) {
		data := make([]byte, size)
		for j := range data {
			data[j] = byte(l.random.Uint32())
		}
		a.Entries = append(a.Entries, raft.Entry{Index: first + raft.Index(i),
			Term: a.Hard.CurrentTerm, Data: data})
	}
	return []raft.Append{a}
}

func (l *ledger) write(appends []raft.Append) error {
	p := *l.acked()
	p.hard = appends[0].Hard
	p.entries = append(p.entries[:appends[0].Entries[0].Index-1:appends[0].Entries[0].Index-1],
		appends[0].Entries...)
	l.tried = append(l.tried, p)
	if err := l.both(func(s *Store) error { return s.Write(appends) }); err != nil {
		return err
	}
	l.states, l.tried = append(l.states, p), nil
	return nil
}

// run does n steps, and stops at an error.
func (l *ledger) run(n int) error {
	for range n {
		if err := l.step(); err != nil {
			return err
		}
	}
	return nil
}

// exposed is how many of the newest Writes damage at some places may take away without a trace, by
// the disk without faults.
func (l *ledger) exposed(places ...disk.Place) int {
	e, err := wal.FindExposed(l.twinMem.Dir(), places...)
	if err != nil {
		panic(err)
	}
	return e.Groups
}

// loud says whether an error names the file that is to blame.
func loud(err error) bool {
	var damage *disk.DamageError
	if errors.As(err, &damage) {
		return damage.File != ""
	}
	return errors.Is(err, syscall.EIO) && strings.Contains(err.Error(), "byte ")
}

// alive goes on with a store that opened, and starts it once more.
func (l *ledger) alive() error {
	if err := l.run(4); err != nil {
		return fmt.Errorf("afterwards: %w", err)
	}
	l.mem.Crash()
	return l.boot(0)
}
