package etcdraft

import (
	"slices"

	"drystone/raft"

	etcd "go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// log is etcd's Storage: every entry since the last compaction, in memory, whether its write is
// done or not. etcd itself remembers which of them are durable. Nothing that was handed out is
// changed: truncate gives up the spare capacity, compact copies, entries are immutable.
type log struct {
	base     raft.Position // of the entry before entries[0]
	entries  []*pb.Entry
	snapshot raft.SnapshotMeta // the last one taken or received

	hard *pb.HardState // what InitialState tells, once
	conf *pb.ConfState
}

func (l *log) firstIndex() raft.Index { return l.base.Index + 1 }
func (l *log) lastIndex() raft.Index  { return l.base.Index + raft.Index(len(l.entries)) }

func (l *log) last() raft.Position {
	if len(l.entries) == 0 {
		return l.base
	}
	return positionOf(l.entries[len(l.entries)-1])
}

// term returns the term of the entry at i, and whether it is known.
func (l *log) term(i raft.Index) (raft.Term, bool) {
	switch {
	case i == l.base.Index:
		return l.base.Term, true
	case i < l.base.Index || i > l.lastIndex():
		return 0, false
	}
	return raft.Term(l.entries[i-l.base.Index-1].GetTerm()), true
}

func (l *log) matches(p raft.Position) bool {
	t, ok := l.term(p.Index)
	return ok && t == p.Term
}

// slice returns the entries from first to last, both included.
func (l *log) slice(first, last raft.Index) []*pb.Entry {
	if first > last {
		return nil
	}
	assert(first > l.base.Index && last <= l.lastIndex(), "slice outside the log")
	i, j := first-l.base.Index-1, last-l.base.Index
	return l.entries[i:j:j]
}

// append drops everything from the first of entries on, and appends them.
func (l *log) append(entries []*pb.Entry) {
	first := raft.Index(entries[0].GetIndex())
	assert(first > l.base.Index && first <= l.lastIndex()+1, "append leaves a gap")
	if first <= l.lastIndex() {
		l.entries = slices.Clip(l.entries[:first-l.base.Index-1])
	}
	l.entries = append(l.entries, entries...)
}

// reset makes the log empty, right behind p.
func (l *log) reset(p raft.Position) { l.base, l.entries = p, nil }

// compact forgets entries up to and including to.
func (l *log) compact(to raft.Index) {
	if to <= l.base.Index {
		return
	}
	t, ok := l.term(to)
	assert(ok, "compacts what is not in the log")
	l.entries = slices.Clone(l.slice(to+1, l.lastIndex()))
	l.base = raft.Position{Index: to, Term: t}
}

// entryOverheadBytes is what an entry weighs beside its data, as in package raft.
const entryOverheadBytes = 32

func weight(e *pb.Entry) int { return len(e.Data) + entryOverheadBytes }

// trailing returns the lowest index from which the entries up to last weigh at most maxBytes.
func (l *log) trailing(last raft.Index, maxBytes int) raft.Index {
	total, i := 0, last
	for i > l.base.Index {
		total += weight(l.entries[i-l.base.Index-1])
		if total > maxBytes {
			break
		}
		i--
	}
	return i + 1
}

// fitting counts the leading entries that weigh at most maxBytes together, and at least one.
func fitting(entries []*pb.Entry, maxBytes int) (count, bytes int) {
	for i, e := range entries {
		if i > 0 && bytes+weight(e) > maxBytes {
			return i, bytes
		}
		bytes += weight(e)
	}
	return len(entries), bytes
}

// InitialState is etcd's Storage.
func (l *log) InitialState() (*pb.HardState, *pb.ConfState, error) { return l.hard, l.conf, nil }

// Entries is etcd's Storage: from lo up to hi, which is excluded.
func (l *log) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	switch {
	case raft.Index(lo) <= l.base.Index:
		return nil, etcd.ErrCompacted
	case raft.Index(hi) > l.lastIndex()+1:
		return nil, etcd.ErrUnavailable
	}
	entries := l.slice(raft.Index(lo), raft.Index(hi)-1)
	n, _ := fitting(entries, int(min(maxSize, 1<<62)))
	return entries[:n:n], nil
}

// Term is etcd's Storage.
func (l *log) Term(i uint64) (uint64, error) {
	if t, ok := l.term(raft.Index(i)); ok {
		return uint64(t), nil
	}
	if raft.Index(i) < l.base.Index {
		return 0, etcd.ErrCompacted
	}
	return 0, etcd.ErrUnavailable
}

// FirstIndex is etcd's Storage.
func (l *log) FirstIndex() (uint64, error) { return uint64(l.firstIndex()), nil }

// LastIndex is etcd's Storage.
func (l *log) LastIndex() (uint64, error) { return uint64(l.lastIndex()), nil }

// Snapshot is etcd's Storage. It is asked for a peer that needs one; the bytes are the host's.
func (l *log) Snapshot() (*pb.Snapshot, error) { return toSnapshot(l.snapshot), nil }
