package members

import (
	"testing"

	"drystone/raft"
	"drystone/roster"
)

// TestInForce: a configuration is another one if anything of it is, whatever its index.
func TestInForce(t *testing.T) {
	named := func(node uint64) []byte {
		return roster.Roster{{Node: node, Incarnation: "0123456789abcdef0123456789abcdef"}}.Encode(nil)
	}
	var f InForce
	for i, step := range []struct {
		to      raft.Members
		changed bool
	}{
		{raft.Members{}, true},
		{raft.Members{}, false},
		{raft.Members{Voters: []raft.NodeID{1, 2}, Directory: named(1)}, true},
		{raft.Members{Voters: []raft.NodeID{1, 2}, Directory: named(1)}, false},
		{raft.Members{Voters: []raft.NodeID{1, 2}, Directory: named(2)}, true},
		{raft.Members{Voters: []raft.NodeID{1}, Directory: named(2)}, true},
	} {
		if got := f.Follow(step.to); got != step.changed {
			t.Errorf("step %d: changed %v", i, got)
		}
		want := RosterOf(step.to)
		if len(f.Roster) != len(want) || len(want) > 0 && f.Roster[0] != want[0] {
			t.Errorf("step %d: roster %v, want %v", i, f.Roster, want)
		}
	}
}
