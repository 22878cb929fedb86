package raft

import (
	"slices"
	"testing"
)

func TestMajority(t *testing.T) {
	for n := range 9 {
		voters := firstIDs(n)
		for inFavour := range n + 1 {
			got := majority(voters, func(id NodeID) bool { return int(id) <= inFavour })
			if want := 2*inFavour > n; got != want {
				t.Errorf("%d of %d in favour: %v", inFavour, n, got)
			}
		}
	}
}

// majorityIndex is what majority says of each index.
func TestMajorityIndex(t *testing.T) {
	for n := range 6 {
		voters := firstIDs(n)
		match := make([]Index, n)
		for {
			want := Index(0)
			for i := Index(1); i <= 3; i++ {
				if majority(voters, func(id NodeID) bool { return match[id-1] >= i }) {
					want = i
				}
			}
			got := majorityIndex(voters, func(id NodeID) Index { return match[id-1] })
			if got != want {
				t.Fatalf("majorityIndex of %v = %d, want %d", match, got, want)
			}
			k := 0
			for k < n && match[k] == 3 {
				match[k] = 0
				k++
			}
			if k == n {
				break
			}
			match[k]++
		}
	}
}

func TestMajorityIndexOfManyVoters(t *testing.T) {
	voters := firstIDs(30)
	got := majorityIndex(voters, func(id NodeID) Index { return Index(id) })
	if got != 15 {
		t.Errorf("16 of 30 have 15 and more, got %d", got)
	}
}

// §6: any two quorums of configurations that follow each other have a node in common.
func TestJointQuorumsOverlap(t *testing.T) {
	subsets := func(n int) (all [][]NodeID) {
		for bits := 1; bits < 1<<n; bits++ {
			var ids []NodeID
			for i := range n {
				if bits&(1<<i) != 0 {
					ids = append(ids, NodeID(i+1))
				}
			}
			all = append(all, ids)
		}
		return all
	}
	const n = 4
	sets := subsets(n)
	for _, before := range sets {
		for _, after := range sets {
			joint := Members{Voters: before, Next: after}
			for _, end := range []Members{{Voters: before}, {Voters: after}} {
				for _, a := range sets {
					for _, b := range sets {
						in := func(s []NodeID) func(NodeID) bool {
							return func(id NodeID) bool { return slices.Contains(s, id) }
						}
						meet := slices.ContainsFunc(a, in(b))
						if joint.quorum(in(a)) && end.quorum(in(b)) && !meet {
							t.Fatalf("%v decides by %v, %v by %v", joint, a, end, b)
						}
					}
				}
			}
		}
	}
}

func TestNobodyIsNoQuorum(t *testing.T) {
	var m Members
	if m.quorum(func(NodeID) bool { return true }) ||
		m.quorumIndex(func(NodeID) Index { return 9 }) != 0 {
		t.Error("an empty configuration decides")
	}
}

func firstIDs(n int) []NodeID {
	var ids []NodeID
	for i := range n {
		ids = append(ids, NodeID(i+1))
	}
	return ids
}
