package wal

import (
	"errors"
	"fmt"
	"testing"

	"drystone/disk"
	"drystone/raft"
)

// world is a log, the disk it is on, and what it should hold: acked, or attempted if the last
// append was cut off.
type world struct {
	mem       *disk.Mem
	script    *script
	life      uint64
	acked     model
	attempted model
	refused   []model // by a full disk, since the last that was acknowledged
}

func newWorld(seed uint64) *world {
	return &world{mem: disk.NewMem(seed), script: newScript(seed)}
}

// boot opens the log and checks what it recovered.
func (w *world) boot() (*Log, error) {
	w.life++
	l, r, err := Open(w.mem.Dir(), tiny(w.life))
	if err != nil {
		return nil, err
	}
	for _, m := range w.refused {
		if m.equals(r) == nil {
			w.acked, w.attempted = m, m
		}
	}
	w.refused = nil
	if err := w.acked.equals(r); err != nil {
		if other := w.attempted.equals(r); other != nil {
			return nil, fmt.Errorf("neither what was acknowledged: %w, nor what was attempted: %w",
				err, other)
		}
		w.acked = w.attempted
	}
	w.attempted = w.acked
	w.script.committed = min(w.script.committed, w.acked.last())
	if last, _ := l.Last(); last != w.acked.last() || l.Base() != r.PrevIndex {
		return nil, fmt.Errorf("log of (%d,%d] says (%d,%d]", r.PrevIndex, w.acked.last(), l.Base(), last)
	}
	return l, nil
}

// step does one thing to the log.
func (w *world) step(l *Log) error {
	switch w.script.IntN(10) {
	case 0:
		return l.Prepare()
	case 1:
		first := w.acked.base + 1
		if w.script.committed > first {
			first += raft.Index(w.script.IntN(int(w.script.committed - first + 1)))
		}
		w.release(first)
		return l.Release(first)
	}
	return w.append(l)
}

func (w *world) release(first raft.Index) {
	w.acked.released = max(w.acked.released, first)
	w.attempted.released = w.acked.released
	for i := range w.refused {
		w.refused[i].released = w.acked.released
	}
}

func (w *world) append(l *Log) error {
	appends := w.script.appends(w.acked)
	w.attempted = w.acked.apply(appends)
	err := l.Append(appends)
	switch {
	case err == nil:
		w.acked, w.refused = w.attempted, nil
	case disk.IsFull(err):
		w.refused = append(w.refused, w.attempted)
	}
	return err
}

// run works until something fails or n steps are done.
func (w *world) run(n int) error {
	l, err := w.boot()
	if err != nil {
		return err
	}
	defer l.Close()
	for range n {
		if err := w.step(l); err != nil {
			return err
		}
		if err := w.checkBytes(l); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) checkBytes(l *Log) error {
	var entries uint64
	for i := l.Base() + 1; i <= w.acked.last(); i++ {
		entries += uint64(len(w.acked.entries[i-w.acked.base-1].Data))
		if term, ok := l.Term(i); !ok || term != w.acked.entries[i-w.acked.base-1].Term {
			return fmt.Errorf("term of entry %d is %d", i, term)
		}
	}
	if l.Bytes() < entries {
		return fmt.Errorf("%d bytes hold %d bytes of entries", l.Bytes(), entries)
	}
	return nil
}

// crashAt crashes the disk in the middle of the nth operation from now that changes it, or only
// kills the process before it.
func (w *world) crashAt(n int, kill bool) {
	w.mem.SetHook(func(op disk.Op) error {
		if !op.Kind.Changes() {
			return nil
		}
		if n--; n == 0 && kill {
			w.mem.Kill()
		} else if n == 0 {
			return disk.ErrCrashed
		}
		return nil
	})
}

// survive is the life after a crash: what is there is right, ten more appends are taken, and are
// there after another crash.
func (w *world) survive() error {
	w.mem.SetHook(nil)
	l, err := w.boot()
	if err != nil {
		return fmt.Errorf("after the crash: %w", err)
	}
	for range 10 {
		if err := w.append(l); err != nil {
			return fmt.Errorf("after the crash: %w", err)
		}
	}
	w.mem.Crash()
	l, err = w.boot()
	if err != nil {
		return fmt.Errorf("after the second crash: %w", err)
	}
	return l.Close()
}

func TestCrashAtEveryOperation(t *testing.T) {
	const steps = 40
	seeds := uint64(5)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		for n := 1; ; n++ {
			w := newWorld(seed)
			w.mem.Reseed(seed<<32 + uint64(n))
			w.crashAt(n, false)
			err := w.run(steps)
			if err == nil {
				if n < 2*steps {
					t.Fatalf("the script has only %d operations", n)
				}
				break
			}
			if !errors.Is(err, disk.ErrCrashed) {
				t.Fatalf("seed %d, operation %d: %v", seed, n, err)
			}
			if err := w.survive(); err != nil {
				t.Fatalf("seed %d, operation %d: %v", seed, n, err)
			}
		}
	}
}

func TestCrashLoop(t *testing.T) {
	for seed := range uint64(60) {
		w := newWorld(1000 + seed)
		for range 25 {
			w.crashAt(1+w.script.IntN(40), w.script.IntN(3) == 0)
			if err := w.run(30); err != nil && !errors.Is(err, disk.ErrCrashed) {
				t.Fatalf("seed %d, life %d: %v", seed, w.life, err)
			}
		}
		if err := w.survive(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestModel lets the log live long lives, so that segments are recycled many times.
func TestModel(t *testing.T) {
	for seed := range uint64(10) {
		w := newWorld(2000 + seed)
		for range 5 {
			if err := w.run(200); err != nil {
				t.Fatalf("seed %d, life %d: %v", seed, w.life, err)
			}
			w.mem.Crash()
		}
		names, err := w.mem.Dir().List()
		if err != nil {
			t.Fatal(err)
		}
		if len(names) > 200 {
			t.Fatalf("seed %d: %d files", seed, len(names))
		}
	}
}
