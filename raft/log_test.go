package raft

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// logOf builds a log after base from terms, one entry a term.
func logOf(base Position, terms ...Term) log {
	l := log{base: base}
	for i, t := range terms {
		l.append(Entry{Index: base.Index + Index(i) + 1, Term: t, Data: fmt.Append(nil, i)})
	}
	return l
}

func TestLogTermIsUnknownOutside(t *testing.T) {
	l := logOf(Position{5, 2}, 2, 3, 3)
	for _, c := range []struct {
		index Index
		term  Term
		known bool
	}{{0, 0, false}, {4, 0, false}, {5, 2, true}, {6, 2, true}, {8, 3, true}, {9, 0, false}} {
		if term, ok := l.term(c.index); term != c.term || ok != c.known {
			t.Errorf("term(%d) = %d, %v", c.index, term, ok)
		}
	}
	// A compacted or missing entry matches nothing, not even a term of zero.
	for _, p := range []Position{{4, 0}, {9, 0}, {5, 1}, {8, 2}} {
		if l.matches(p) {
			t.Errorf("matches %v", p)
		}
	}
	var empty log
	if !empty.matches(Position{}) {
		t.Error("the beginning of time does not match itself")
	}
}

func TestLogLastAtMost(t *testing.T) {
	l := logOf(Position{10, 1}, 2, 2, 4, 4, 4, 7)
	for _, c := range []struct {
		index Index
		term  Term
		want  Position
	}{
		{16, 7, Position{16, 7}}, {99, 9, Position{16, 7}}, {16, 6, Position{15, 4}},
		{14, 4, Position{14, 4}}, {14, 3, Position{12, 2}}, {11, 2, Position{11, 2}},
		{16, 1, Position{10, 1}}, {3, 9, Position{10, 1}}, {16, 0, Position{10, 1}},
	} {
		if got := l.lastAtMost(c.index, c.term); got != c.want {
			t.Errorf("lastAtMost(%d, %d) = %v, want %v", c.index, c.term, got, c.want)
		}
	}
}

// Slices handed out stay as they were, whatever becomes of the log.
func TestLogSlicesAreNeverOverwritten(t *testing.T) {
	l := logOf(Position{}, 1, 1, 1, 1)
	out := l.slice(2, 4)
	l.truncate(3)
	l.append(Entry{Index: 3, Term: 9})
	l.compact(2)
	l.append(Entry{Index: 4, Term: 9})
	for i, e := range out {
		if e.Index != Index(i)+2 || e.Term != 1 {
			t.Errorf("handed out %v, now %v", Position{Index(i) + 2, 1}, e)
		}
	}
	if cap(out) != len(out) {
		t.Error("a caller's append would write into the log")
	}
}

func TestLogLimits(t *testing.T) {
	l := log{}
	for i := range 10 {
		l.append(Entry{Index: Index(i + 1), Term: 1, Data: bytes.Repeat([]byte("x"), i*10)})
	}
	for limit := range 1000 {
		for first := Index(1); first <= 10; first++ {
			got := l.limited(first, limit)
			total := 0
			for i, e := range got {
				if e.Index != first+Index(i) {
					t.Fatalf("limited(%d, %d) leaves a gap: %v", first, limit, got)
				}
				total += e.bytes()
			}
			last := first + Index(len(got)) - 1
			if len(got) == 0 || len(got) > 1 && total > limit ||
				last < 10 && total+l.entries[last].bytes() <= limit {
				t.Fatalf("limited(%d, %d) = %d entries of %d bytes", first, limit, len(got), total)
			}
		}
		first, total := l.trailing(8, limit), 0
		for i := first; i <= 8; i++ {
			total += l.entries[i-1].bytes()
		}
		if total > limit || first > 1 && total+l.entries[first-2].bytes() <= limit {
			t.Fatalf("trailing(8, %d) = %d, %d bytes", limit, first, total)
		}
	}
	if l.limited(11, 100) != nil {
		t.Error("entries beyond the end")
	}
}

// The log against the plainest model there is.
func TestLogAgainstModel(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		l, base := log{}, Position{}
		var model []Entry
		for range 100 {
			next := base.Index + Index(len(model)) + 1
			switch rng.IntN(6) {
			case 0, 1, 2:
				e := Entry{Index: next, Term: l.last().Term + Term(rng.IntN(2))}
				l.append(e)
				model = append(model, e)
			case 3:
				if len(model) > 0 {
					k := rng.IntN(len(model))
					l.truncate(model[k].Index)
					model = model[:k:k]
				}
			case 4:
				if len(model) > 0 && rng.IntN(3) == 0 {
					k := rng.IntN(len(model))
					l.compact(model[k].Index)
					base, model = model[k].position(), model[k+1:]
				}
			case 5:
				if rng.IntN(20) == 0 {
					base, model = Position{next + 7, l.last().Term + 1}, nil
					l.reset(base)
				}
			}
			if l.base != base || l.lastIndex() != base.Index+Index(len(model)) {
				t.Fatalf("seed %d: base %v, last %d", seed, l.base, l.lastIndex())
			}
			for i, e := range model {
				if l.entries[i].position() != e.position() {
					t.Fatalf("seed %d: %v, want %v", seed, l.entries[i], e)
				}
			}
		}
	}
}
