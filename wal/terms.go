package wal

import (
	"slices"

	"drystone/raft"
)

// terms is the term of every entry of the log, one element for each run of equal terms. The first
// stands for the entry before the log's beginning.
type terms []termRun

type termRun struct {
	first raft.Index
	term  raft.Term // 0: not known
}

// reset begins anew behind the entry (index, term).
func (t *terms) reset(index raft.Index, term raft.Term) {
	*t = append((*t)[:0], termRun{index, term})
}

// push sets the term of the entry at index and forgets all behind it.
func (t *terms) push(index raft.Index, term raft.Term) {
	for len(*t) > 0 && (*t)[len(*t)-1].first >= index {
		*t = (*t)[:len(*t)-1]
	}
	if n := len(*t); n == 0 || (*t)[n-1].term != term {
		*t = append(*t, termRun{index, term})
	}
}

// at is the term of the entry at index, which is not behind the log's end.
func (t terms) at(index raft.Index) (raft.Term, bool) {
	i, found := slices.BinarySearchFunc(t, index, func(r termRun, index raft.Index) int {
		switch {
		case r.first < index:
			return -1
		case r.first > index:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	if i < 0 || t[i].term == 0 {
		return 0, false
	}
	return t[i].term, true
}

// trim forgets what only entries before index need.
func (t *terms) trim(index raft.Index) {
	n := 0
	for n+1 < len(*t) && (*t)[n+1].first <= index {
		n++
	}
	*t = slices.Delete(*t, 0, n)
	if (*t)[0].first < index {
		(*t)[0].first = index
	}
}
