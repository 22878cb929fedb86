package wal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"drystone/disk"
	"drystone/raft"
)

// model is what a log should hold.
type model struct {
	hard     raft.HardState
	marker   *raft.SnapshotMeta
	base     raft.Index // of the entry before entries
	entries  []raft.Entry
	released raft.Index // everything before it may be gone
}

func (m model) last() raft.Index { return m.base + raft.Index(len(m.entries)) }

// apply returns the model after appends; m itself stays as it is.
func (m model) apply(appends []raft.Append) model {
	m.entries = slices.Clone(m.entries)
	for _, a := range appends {
		m.hard = a.Hard
		if a.Snapshot != nil {
			m.marker = a.Snapshot
			if !a.KeepLog {
				m.base, m.entries = a.Snapshot.LastIncludedIndex, nil
			}
		}
		if len(a.Entries) > 0 {
			m.entries = append(m.entries[:a.Entries[0].Index-m.base-1], a.Entries...)
		}
	}
	return m
}

// equals says how a recovered log differs from the model.
func (m model) equals(r Recovered) error {
	if r.Hard != m.hard {
		return fmt.Errorf("hard state %v, want %v", r.Hard, m.hard)
	}
	if (r.Snapshot == nil) != (m.marker == nil) {
		return fmt.Errorf("marker %v, want %v", r.Snapshot, m.marker)
	}
	if r.Snapshot != nil && fmt.Sprint(*r.Snapshot) != fmt.Sprint(*m.marker) {
		return fmt.Errorf("marker %v, want %v", *r.Snapshot, *m.marker)
	}
	if last := r.PrevIndex + raft.Index(len(r.Entries)); last != m.last() {
		return fmt.Errorf("log ends with %d, want %d", last, m.last())
	}
	if r.PrevIndex < m.base || r.PrevIndex+1 > max(m.released, m.base+1) {
		return fmt.Errorf("log begins behind %d; base %d, released %d", r.PrevIndex, m.base, m.released)
	}
	if r.PrevTerm != 0 && r.PrevIndex > m.base {
		if want := m.entries[r.PrevIndex-m.base-1].Term; r.PrevTerm != want {
			return fmt.Errorf("term %d before the log, want %d", r.PrevTerm, want)
		}
	}
	for i, e := range r.Entries {
		want := m.entries[r.PrevIndex-m.base+raft.Index(i)]
		if e.Index != want.Index || e.Term != want.Term || e.Kind != want.Kind ||
			!bytes.Equal(e.Data, want.Data) {
			return fmt.Errorf("entry %d of term %d, want %d of term %d",
				e.Index, e.Term, want.Index, want.Term)
		}
	}
	return nil
}

// script draws appends that an engine could ask for.
type script struct {
	*rand.Rand
	committed raft.Index
	made      uint64
}

func newScript(seed uint64) *script {
	return &script{Rand: rand.New(rand.NewPCG(seed, 1))}
}

func (s *script) appends(m model) []raft.Append {
	list := make([]raft.Append, 1+s.IntN(3))
	for i := range list {
		list[i] = s.append(m)
		m = m.apply(list[i : i+1])
		// What a majority holds is never truncated.
		s.committed = max(s.committed, min(m.last(), s.committed+raft.Index(s.IntN(4))))
	}
	return list
}

func (s *script) append(m model) raft.Append {
	s.made++
	a := raft.Append{Seq: s.made, Hard: m.hard}
	if a.Hard.CurrentTerm == 0 || s.IntN(4) == 0 {
		a.Hard.CurrentTerm += raft.Term(1 + s.IntN(3))
		a.Hard.VotedFor = raft.NodeID(s.IntN(4))
	} else if a.Hard.VotedFor == 0 && s.IntN(4) == 0 {
		a.Hard.VotedFor = 2
	}
	switch {
	case s.IntN(25) == 0:
		at := m.last() + raft.Index(1+s.IntN(20))
		a.Snapshot = meta(at, a.Hard.CurrentTerm)
		s.committed = at
		m = m.apply([]raft.Append{a})
	case s.IntN(25) == 0 && m.last() > m.base && s.committed > m.base:
		at := s.committed
		a.Snapshot, a.KeepLog = meta(at, m.entries[at-m.base-1].Term), true
	}
	first := m.last() + 1
	if uncommitted := int(m.last() - max(s.committed, m.base)); uncommitted > 0 && s.IntN(5) == 0 {
		first -= raft.Index(s.IntN(uncommitted))
	}
	for i := range s.IntN(4) {
		a.Entries = append(a.Entries, raft.Entry{
			Index: first + raft.Index(i),
			Term:  a.Hard.CurrentTerm,
			Kind:  raft.EntryKind(s.IntN(3)),
			Data:  s.data(),
		})
	}
	return a
}

func (s *script) data() []byte {
	n := s.IntN(60)
	if s.IntN(12) == 0 {
		n = s.IntN(1500)
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(s.Uint32())
	}
	return b
}

func meta(index raft.Index, term raft.Term) *raft.SnapshotMeta {
	return &raft.SnapshotMeta{LastIncludedIndex: index, LastIncludedTerm: term,
		Members: raft.Members{Voters: []raft.NodeID{1, 2, 3}, Learners: []raft.NodeID{9}}}
}

// tiny makes every few appends rotate.
func tiny(life uint64) Options {
	return Options{SegmentBytes: 2048, Node: 1, Cluster: [16]byte{7}, Salt: life}
}

func mustOpen(t *testing.T, dir disk.Dir, o Options) (*Log, Recovered) {
	t.Helper()
	l, r, err := Open(dir, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return l, r
}

func mustAppend(t *testing.T, l *Log, appends []raft.Append) {
	t.Helper()
	if err := l.Append(appends); err != nil {
		t.Fatalf("append: %v", err)
	}
}

// entries is one append of n entries from first on.
func entries(term raft.Term, first raft.Index, n int, data string) []raft.Append {
	a := raft.Append{Seq: 1, Hard: raft.HardState{CurrentTerm: term}}
	for i := range n {
		a.Entries = append(a.Entries,
			raft.Entry{Index: first + raft.Index(i), Term: term, Data: []byte(data)})
	}
	return []raft.Append{a}
}
