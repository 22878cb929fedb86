package members

import (
	"testing"

	"drystone/raft"
)

// TestHeir is whom a leader that goes offers its office: the most complete of the voters that are
// there, and never the same one twice.
func TestHeir(t *testing.T) {
	s := raft.Status{
		ID: 1, Members: raft.Members{Voters: []raft.NodeID{1, 2, 3, 4}, Learners: []raft.NodeID{5}},
		Progress: []raft.Progress{
			{ID: 1, Match: 9}, {ID: 2, Match: 7}, {ID: 3, Match: 8}, {ID: 4, Match: 9, QuietTicks: 31},
			{ID: 5, Match: 9},
		},
	}
	for _, c := range []struct {
		passed []raft.NodeID
		want   raft.NodeID
	}{
		{nil, 3}, {[]raft.NodeID{3}, 2}, {[]raft.NodeID{3, 2}, 0},
	} {
		if got := Heir(s, 30, c.passed); got != c.want {
			t.Errorf("passed over %v: %d, want %d", c.passed, got, c.want)
		}
	}
}
