package storage

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"drystone/disk"
	"drystone/raft"
)

// replicas are the disks of three voters, and how long a log each of them holds.
type replicas struct {
	random *rand.Rand
	disks  [3]*disk.Mem
	last   [3]raft.Index
	atlas  *disk.Atlas
}

// replicate writes one log to all disks, some farther than others.
func replicate(seed uint64) (*replicas, error) {
	r := &replicas{random: rand.New(rand.NewPCG(seed, 3)), atlas: disk.NewAtlas(3)}
	for i := range r.disks {
		r.disks[i] = disk.NewMem(seed + uint64(i))
		s, _, err := tryOpen(r.disks[i], 1)
		if err != nil {
			return nil, err
		}
		n := 5 + r.random.IntN(4)
		for j := range n {
			if err := s.Write(appendOf(1, raft.Index(1+j), 1)); err != nil {
				return nil, err
			}
			r.atlas.Hold(i, uint64(1+j))
		}
		r.last[i] = raft.Index(n)
		r.disks[i].Crash()
	}
	return r, nil
}

// committed is the last entry that a majority's disks hold.
func (r *replicas) committed() raft.Index {
	a, b, c := r.last[0], r.last[1], r.last[2]
	return max(min(a, b), min(b, c), min(a, c))
}

// damage flips bits as long as the atlas still owes something, and returns what it owes in the end.
func (r *replicas) damage() (disk.Promise, error) {
	owed := disk.Survives
	for range 1 + r.random.IntN(3) {
		voter := r.random.IntN(3)
		m := r.disks[voter]
		names, err := m.Dir().List()
		if err != nil {
			return 0, err
		}
		name := names[r.random.IntN(len(names))]
		p := disk.Place{File: name, Offset: r.random.Int64N(6000), Length: 1}
		l, err := LossAt(m.Dir(), voter, p)
		if err != nil {
			continue // it is damaged already
		}
		promise := r.atlas.Judge(l)
		if promise == disk.Unprotected || m.Flip(p.File, p.Offset, 4) != nil {
			continue
		}
		r.atlas.Note(l)
		owed = max(owed, promise)
	}
	return owed, nil
}

// TestAtlas: whatever damage an atlas allows, no majority that starts misses what a majority held;
// and where it promises survival, a majority starts.
func TestAtlas(t *testing.T) {
	ends := map[string]int{}
	for seed := range uint64(600) {
		r, err := replicate(seed)
		if err != nil {
			t.Fatal(err)
		}
		owed, err := r.damage()
		if err != nil {
			t.Fatal(err)
		}
		started, short := 0, 0
		for i, m := range r.disks {
			_, found, err := tryOpen(m, 2)
			switch {
			case err == nil:
				started++
				if raft.Index(len(found.Raft.Entries)) < r.committed() {
					short++
				}
			case !loud(err):
				t.Fatalf("seed %d: voter %d: %v", seed, i, err)
			}
		}
		if short > 1 || owed == disk.Survives && started < 2 {
			t.Fatalf("seed %d: %v is owed; %d voters start, %d of them without entry %d",
				seed, owed, started, short, r.committed())
		}
		ends[fmt.Sprint(owed, " ", started, " start, ", short, " short")]++
	}
	for _, want := range []string{"survives 2 start, 0 short", "survives 3 start, 1 short",
		"halts 1 start, 0 short"} {
		if ends[want] == 0 {
			t.Errorf("never seen: %s; %v", want, ends)
		}
	}
}
