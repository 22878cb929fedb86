package raft

import "testing"

// TestAnEarlierHolderOfTheNumber: a disk that was let in under a number that another had before
// never stands by a configuration of that time, though it names the number: alone, node 1 would be
// a majority of {1} with a log that is only a prefix.
func TestAnEarlierHolderOfTheNumber(t *testing.T) {
	lives := func(admitted Index) *Raft {
		return New(Config{ID: 1, Admitted: admitted}, Restored{
			Snapshot: SnapshotMeta{Members: Members{Voters: []NodeID{1}}},
			Entries:  []Entry{{Index: 1, Term: 1, Kind: EntryNoop}},
			Hard:     HardState{CurrentTerm: 1},
		})
	}
	for _, c := range []struct {
		admitted Index
		stands   bool
	}{{0, true}, {7, false}} {
		r := lives(c.admitted)
		for range 10 * r.config.ElectionTicks {
			r.Tick()
		}
		if stood := r.role.kind() != Follower; stood != c.stands {
			t.Errorf("let in at %d: stands: %v", c.admitted, stood)
		}
	}
}
