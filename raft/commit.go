package raft

// Commitment: §5.3, and the rule of §5.4.2 without which Figure 8 loses a committed entry.

// advanceCommit follows Fig2/L.4: if there exists an N > commitIndex, a majority of
// matchIndex[i] ≥ N, and log[N].term == currentTerm: set commitIndex = N.
func (r *Raft) advanceCommit(l *leader) {
	n := r.members().quorumIndex(func(id NodeID) Index { return r.reached(l, id) })
	if n <= r.commitIndex {
		return
	}
	if n < l.termStart {
		// §5.4.2: an entry of an earlier term may be on a majority and still be overwritten, by a
		// leader whose last entry is of a term between (Figure 8). It is committed by what follows.
		r.rule(L4, EarlierTerm, 0, r.log.position(n), Position{Term: r.currentTerm})
		return
	}
	r.rule(L4, OnMajority, 0, r.log.position(n), Position{Index: r.commitIndex})
	r.commitTo(n)
	r.completeChange(l)
}

// reached is up to where a voter's disk is known to hold this leader's log. The leader's own disk
// counts when its write is done, no sooner than anybody's (thesis §10.2.1).
func (r *Raft) reached(l *leader, id NodeID) Index {
	if id == r.id {
		return r.disk.durable
	}
	if p := l.peer(id); p != nil {
		return p.matchIndex
	}
	return 0
}

func (r *Raft) commitTo(i Index) {
	assert(i >= r.commitIndex && i <= r.log.lastIndex(), "commits outside the log")
	r.commitIndex = i
}
