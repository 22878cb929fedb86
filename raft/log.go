package raft

import "slices"

// log is Figure 2's log[], in memory: every entry since the last compaction. The entry before
// the first one is known by its position alone, so that prevLogTerm can be checked against it.
//
// Slices of entries are handed out (messages, appends, applies) and read by other goroutines
// while the log goes on. Therefore no slot of the backing array is ever written twice: truncate
// gives up the spare capacity, compact copies.
type log struct {
	base    Position // of the entry before entries[0]; zero at the beginning of time
	entries []Entry
}

func (l *log) firstIndex() Index { return l.base.Index + 1 }
func (l *log) lastIndex() Index  { return l.base.Index + Index(len(l.entries)) }

func (l *log) last() Position {
	if len(l.entries) == 0 {
		return l.base
	}
	return l.entries[len(l.entries)-1].position()
}

// term returns the term of the entry at i, and whether it is known: compacted entries and those
// beyond the end are not. A made-up zero would match another made-up zero.
func (l *log) term(i Index) (Term, bool) {
	switch {
	case i == l.base.Index:
		return l.base.Term, true
	case i < l.base.Index || i > l.lastIndex():
		return 0, false
	}
	return l.entries[i-l.base.Index-1].Term, true
}

func (l *log) matches(p Position) bool {
	t, ok := l.term(p.Index)
	return ok && t == p.Term
}

// position of the entry at i, which must be known.
func (l *log) position(i Index) Position {
	t, ok := l.term(i)
	assert(ok, "position of an entry that is not in the log")
	return Position{i, t}
}

// at returns the entry at i, and whether it is there: not compacted, nor beyond the end.
func (l *log) at(i Index) (Entry, bool) {
	if i <= l.base.Index || i > l.lastIndex() {
		return Entry{}, false
	}
	return l.entries[i-l.base.Index-1], true
}

// slice returns the entries from first to last, both included, for reading only.
func (l *log) slice(first, last Index) []Entry {
	if first > last {
		return nil
	}
	assert(first > l.base.Index && last <= l.lastIndex(), "slice outside the log")
	i, j := first-l.base.Index-1, last-l.base.Index
	return l.entries[i:j:j]
}

// limited returns entries from first on, of at most maxBytes, but one in any case.
func (l *log) limited(first Index, maxBytes int) []Entry {
	if first > l.lastIndex() {
		return nil
	}
	all := l.slice(first, l.lastIndex())
	return all[:fitting(all, maxBytes):len(all)]
}

// weigh is the bytes of entries, as all limits count them.
func weigh(entries []Entry) (total int) {
	for i := range entries {
		total += entries[i].bytes()
	}
	return total
}

// fitting counts the leading entries that weigh at most maxBytes together, and at least one.
func fitting(entries []Entry, maxBytes int) int {
	total := 0
	for i := range entries {
		total += entries[i].bytes()
		if total > maxBytes {
			return max(i, 1)
		}
	}
	return len(entries)
}

func (l *log) append(entries ...Entry) {
	assert(len(entries) == 0 || entries[0].Index == l.lastIndex()+1, "append leaves a gap")
	l.entries = append(l.entries, entries...)
}

// truncate drops everything from first on.
func (l *log) truncate(first Index) {
	assert(first > l.base.Index && first <= l.lastIndex(), "truncate outside the log")
	l.entries = slices.Clip(l.entries[:first-l.base.Index-1])
}

// compact forgets entries up to and including to.
func (l *log) compact(to Index) {
	if to <= l.base.Index {
		return
	}
	base := l.position(to)
	l.entries = slices.Clone(l.slice(to+1, l.lastIndex()))
	l.base = base
}

// reset makes the log empty, right behind p.
func (l *log) reset(p Position) { l.base, l.entries = p, nil }

// trailing returns the lowest index from which the entries up to last weigh at most maxBytes.
func (l *log) trailing(last Index, maxBytes int) Index {
	total, i := 0, last
	for i > l.base.Index {
		total += l.entries[i-l.base.Index-1].bytes()
		if total > maxBytes {
			break
		}
		i--
	}
	return i + 1
}

// lastAtMost returns the position of the last entry at or before i whose term is at most t, or
// the log's base when there is none after it. Terms never decrease along the log, so everything
// between that entry and i has a term above t.
func (l *log) lastAtMost(i Index, t Term) Position {
	i = min(i, l.lastIndex())
	if i <= l.base.Index {
		return l.base
	}
	head := l.entries[:i-l.base.Index]
	n, _ := slices.BinarySearchFunc(head, t, func(e Entry, t Term) int {
		if e.Term <= t {
			return -1
		}
		return 1
	})
	if n == 0 {
		return l.base
	}
	return head[n-1].position()
}
