package storage

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"drystone/disk"
)

// forSeeds runs a story on many disks.
func forSeeds(t *testing.T, n uint64, story func(l *ledger) error) {
	t.Helper()
	for seed := range n {
		l := newLedger(seed)
		err := l.boot(0)
		if err == nil {
			err = l.run(3 + int(seed%20))
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := story(l); err != nil {
			t.Fatalf("seed %d: %v (%v)", seed, err, l.mem.Struck())
		}
	}
}

// TestGarbledByCrash: noise where a write was under way, and around it up to the sectors' ends, is
// no damage: nothing that was acknowledged stood there.
func TestGarbledByCrash(t *testing.T) {
	garbled := 0
	forSeeds(t, 400, func(l *ledger) error {
		l.mem.SetGarble(90)
		for range 3 {
			n := 1 + l.random.IntN(6)
			l.mem.SetHook(func(op disk.Op) error {
				if n--; n == 0 && op.Kind.Changes() {
					return disk.ErrCrashed
				}
				return nil
			})
			if err := l.run(4); err != nil && !errors.Is(err, disk.ErrCrashed) {
				return err
			} else if err == nil {
				l.mem.Crash()
			} else {
				garbled++
			}
			l.mem.SetHook(nil)
			if err := l.boot(0); err != nil {
				return err
			}
		}
		return l.alive()
	})
	if garbled < 100 {
		t.Errorf("%d crashes in the midst of an operation", garbled)
	}
}

// TestGarbledRecovery: the disk crashes in the midst of starts, too.
func TestGarbledRecovery(t *testing.T) {
	forSeeds(t, 200, func(l *ledger) error {
		l.mem.SetGarble(100)
		l.mem.Crash()
		for n := 1; ; n++ {
			left := n
			l.mem.SetHook(func(op disk.Op) error {
				if op.Kind.Changes() {
					if left--; left == 0 {
						return disk.ErrCrashed
					}
				}
				return nil
			})
			err := l.boot(0)
			l.mem.SetHook(nil)
			if err == nil {
				return l.alive()
			}
			if !errors.Is(err, disk.ErrCrashed) {
				return err
			}
		}
	})
}

// outcomes counts how starts after damage ended.
type outcomes struct{ whole, loud, newest int }

// afterDamage starts a store whose disk is damaged. Only the newest groups may be missing without a
// word, and only if they are what was hit.
func (o *outcomes) afterDamage(l *ledger, exposed int) error {
	states := len(l.states)
	switch err := l.boot(exposed); {
	case loud(err):
		o.loud++
		return nil
	case err != nil:
		return err
	case len(l.states) < states:
		o.newest++
	default:
		o.whole++
	}
	return l.alive()
}

// check wants to have seen both ends often.
func (o *outcomes) check(t *testing.T) {
	t.Helper()
	if o.loud < 50 || o.whole < 10 {
		t.Errorf("%+v: one of them hardly shows", *o)
	}
}

// TestLostAndMisdirectedWrites: a write that was acknowledged and never arrived, or went elsewhere.
// The salt, generation, number and chain of a group, and the head under a snapshot's checksums,
// tell what stands in a wrong place though its checksum is right.
func TestLostAndMisdirectedWrites(t *testing.T) {
	for _, fault := range []disk.Fault{disk.WriteLost, disk.WriteMisdirected} {
		var o outcomes
		forSeeds(t, 400, func(l *ledger) error {
			l.mem.Arm(fault, "")
			if err := l.run(1 + l.random.IntN(5)); err != nil {
				return err
			}
			struck := l.mem.Struck()
			l.mem.Disarm()
			exposed := 0
			for _, s := range struck {
				exposed = l.exposed(s.Place, s.To)
			}
			l.mem.Crash()
			if err := o.afterDamage(l, exposed); err != nil {
				return fmt.Errorf("%v: %w", struck, err)
			}
			return nil
		})
		o.check(t)
	}
}

// TestFlippedBits: of every file of the directory, at random places.
func TestFlippedBits(t *testing.T) {
	var o outcomes
	forSeeds(t, 500, func(l *ledger) error {
		l.mem.Crash()
		place, err := somewhere(l)
		if err != nil {
			return err
		}
		exposed := l.exposed(place)
		if err := l.mem.Flip(place.File, place.Offset, 1<<l.random.IntN(8)); err != nil {
			return err
		}
		if err := o.afterDamage(l, exposed); err != nil {
			return fmt.Errorf("%v: %w", place, err)
		}
		return nil
	})
	o.check(t)
}

// somewhere is a byte of the disk, in a part of a file that is likely to be in use.
func somewhere(l *ledger) (disk.Place, error) {
	names, err := l.mem.Dir().List()
	if err != nil {
		return disk.Place{}, err
	}
	name := names[l.random.IntN(len(names))]
	f, err := l.mem.Dir().OpenRead(name)
	if err != nil {
		return disk.Place{}, err
	}
	defer f.Close()
	size, err := f.Size()
	return disk.Place{File: name, Offset: l.random.Int64N(max(1, min(size, 2048))), Length: 1}, err
}

// TestUnreadable: what can't be read is not torn, nor passed over. If it was for once only, the
// next start finds everything.
func TestUnreadable(t *testing.T) {
	var o outcomes
	forSeeds(t, 300, func(l *ledger) error {
		l.mem.Crash()
		place, err := somewhere(l)
		if err != nil {
			return err
		}
		times := l.random.IntN(2)
		if err := l.mem.Unreadable(place.File, place.Offset, 512, times); err != nil {
			return err
		}
		before := o.loud
		if err := o.afterDamage(l, 0); err != nil {
			return fmt.Errorf("%v: %w", place, err)
		}
		if o.loud > before && times == 1 {
			if err := l.boot(0); err != nil {
				return fmt.Errorf("%v can be read again: %w", place, err)
			}
			return l.alive()
		}
		return nil
	})
	o.check(t)
}

// TestFailedSync: a sync that fails acknowledges nothing, nor does the one that reports success
// after it. What a start then says it found is durable.
func TestFailedSync(t *testing.T) {
	failed := 0
	forSeeds(t, 300, func(l *ledger) error {
		l.mem.Arm(disk.SyncFails, "")
		err := l.run(4)
		if err == nil {
			return fmt.Errorf("nothing failed")
		}
		if !errors.Is(err, syscall.EIO) || disk.IsFull(err) {
			return err
		}
		if l.tried != nil {
			failed++
			if again := l.store.Write(l.draw()); again == nil {
				return fmt.Errorf("a write is acknowledged after a failed sync")
			}
		}
		switch l.random.IntN(3) {
		case 0:
			l.mem.Kill()
		case 1:
			l.mem.Kill()
			l.mem.Evict()
		case 2:
			l.mem.Crash()
		}
		if err := l.boot(0); err != nil {
			return err
		}
		return l.alive()
	})
	if failed < 100 {
		t.Errorf("%d writes failed", failed)
	}
}

// TestShortWrite: a write that did a part is never counted as done.
func TestShortWrite(t *testing.T) {
	forSeeds(t, 300, func(l *ledger) error {
		l.mem.Arm(disk.WriteShort, "")
		if err := l.run(20); !errors.Is(err, syscall.EIO) {
			return fmt.Errorf("a short write: %w", err)
		}
		if l.random.IntN(2) == 0 {
			l.mem.Kill()
		} else {
			l.mem.Crash()
		}
		if err := l.boot(0); err != nil {
			return err
		}
		return l.alive()
	})
}

// TestNoSpace: whatever a full disk refuses, it is said as that, loses nothing, needs no start to
// be over, and a start needs no space.
func TestNoSpace(t *testing.T) {
	refused, started := 0, 0
	forSeeds(t, 300, func(l *ledger) error {
		l.mem.SetQuota(l.mem.Used() + int64(l.random.IntN(1500)))
		for range 25 {
			if err := l.step(); disk.IsFull(err) {
				refused++
			} else if err != nil {
				return err
			}
			if l.random.IntN(30) == 0 {
				l.mem.Crash()
				if err := l.boot(0); err != nil {
					return fmt.Errorf("start on a full disk: %w", err)
				}
				started++
			}
		}
		l.mem.SetQuota(0)
		if err := l.run(5); err != nil {
			return fmt.Errorf("with space again: %w", err)
		}
		return l.alive()
	})
	if refused < 300 || started < 50 {
		t.Errorf("%d operations refused, %d starts", refused, started)
	}
}

// TestNoRoomForNames: a directory that takes no new names is a full disk too, and the same thing
// works when it does again.
func TestNoRoomForNames(t *testing.T) {
	refused := 0
	forSeeds(t, 100, func(l *ledger) error {
		for range 15 {
			full := true
			l.mem.SetHook(func(op disk.Op) error {
				refuse := op.Kind == disk.OpRename || op.Kind == disk.OpCreate && l.random.IntN(4) == 0
				if full && refuse {
					return syscall.ENOSPC
				}
				return nil
			})
			steps := []func() error{
				func() error { return l.store.Prepare() },
				func() error { return l.save(l.acked().last()) },
				func() error { return l.write(l.draw()) },
			}
			step := steps[l.random.IntN(len(steps))]
			err := step()
			full = false
			if disk.IsFull(err) {
				refused++
				err = step()
			}
			if err != nil {
				return err
			}
		}
		return l.alive()
	})
	if refused < 100 {
		t.Errorf("%d operations refused", refused)
	}
}

// TestOlderImage: what is put back to an older state, or emptied, can't know it. But its identity
// says so to the others: it counts fewer starts than they have seen, or is another incarnation.
func TestOlderImage(t *testing.T) {
	m := disk.NewMem(1)
	first := Identity{Node: 1, Incarnation: "first"}
	var images []*disk.Mem
	for boot := range uint64(3) {
		id, err := OpenIdentity(m.Dir(), first)
		must(t, err)
		if id.Boot != boot+1 || id.Incarnation != "first" {
			t.Fatalf("%+v", id)
		}
		m.Crash()
		images = append(images, m.Clone())
	}
	m.Restore(images[0])
	if id, err := OpenIdentity(m.Dir(), first); err != nil || id.Boot != 2 {
		t.Errorf("boot %d, %v; 3 were seen", id.Boot, err)
	}
	m.Wipe()
	id, err := OpenIdentity(m.Dir(), Identity{Node: 1, Incarnation: "second"})
	if err != nil || id.Boot != 1 || id.Incarnation != "second" {
		t.Errorf("%+v, %v", id, err)
	}
}
