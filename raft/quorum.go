package raft

import "slices"

// Majorities, of one list of voters and of two (§6). Pure functions.

// majority reports whether more than half of the voters are in favour. Nobody is no majority.
func majority(voters []NodeID, inFavour func(NodeID) bool) bool {
	n := 0
	for _, id := range voters {
		if inFavour(id) {
			n++
		}
	}
	return n > len(voters)/2
}

// majorityIndex is the highest index that more than half of the voters have reached.
func majorityIndex(voters []NodeID, reached func(NodeID) Index) Index {
	if len(voters) == 0 {
		return 0
	}
	var room [9]Index
	indexes := room[:0]
	for _, id := range voters {
		indexes = append(indexes, reached(id))
	}
	slices.Sort(indexes)
	// Of n ascending figures, the n/2+1 greatest begin at (n-1)/2.
	return indexes[(len(indexes)-1)/2]
}

// quorum reports whether those in favour may decide. §6: while joint, agreement needs separate
// majorities of the old and of the new configuration.
func (m Members) quorum(inFavour func(NodeID) bool) bool {
	return majority(m.Voters, inFavour) && (!m.Joint() || majority(m.Next, inFavour))
}

// quorumIndex is the highest index that a quorum has reached.
func (m Members) quorumIndex(reached func(NodeID) Index) Index {
	i := majorityIndex(m.Voters, reached)
	if m.Joint() {
		i = min(i, majorityIndex(m.Next, reached))
	}
	return i
}
