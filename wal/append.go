package wal

import (
	"fmt"
	"hash/crc32"
	"slices"

	"drystone/disk"
	"drystone/raft"
)

// bufBytesKept bounds the buffer that is kept between Appends.
const bufBytesKept = 4 << 20

// Append writes all of appends as one group, with one write and one sync. When it returns nil they
// are durable, in order and all together; after a crash either all of them are there or none.
//
// A *disk.FullError leaves the log as it was: the same Append may be tried again. Like one that was
// cut off by a crash, it may be found by the next start all the same.
// After any other error every later call returns it, for what the disk holds is not known.
func (l *Log) Append(appends []raft.Append) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	next := l.tail
	buf, err := encode(append(l.buf[:0], noHeader[:]...), appends, &next)
	if cap(buf) <= bufBytesKept {
		l.buf = buf
	}
	if err != nil || len(buf) == headerBytes {
		return err
	}
	if err := l.write(buf); err != nil {
		return l.fail("append to log", err)
	}
	for i := range appends {
		a := &appends[i]
		l.tail.hard = a.Hard
		if a.Snapshot != nil {
			l.onSnapshot(*a.Snapshot, a.KeepLog)
		}
		l.onEntries(a.Entries)
	}
	assert(l.tail.last == next.last && l.tail.hard == next.hard, "wal: written, and not applied")
	return nil
}

// fail makes an error sticky, unless it only says that the disk is full.
func (l *Log) fail(doing string, err error) error {
	err = fmt.Errorf("%s: %w", doing, err)
	if !disk.IsFull(err) {
		l.err = err
	}
	return err
}

// encode appends the records of appends to dst and moves next past them. It asserts what the
// engine promises, so that a mistake never reaches the disk.
func encode(dst []byte, appends []raft.Append, next *state) ([]byte, error) {
	for i := range appends {
		a := &appends[i]
		if a.Hard != next.hard {
			// Fig2/RV.2: one vote a term, and terms only rise.
			assert(a.Hard.CurrentTerm > next.hard.CurrentTerm ||
				a.Hard.CurrentTerm == next.hard.CurrentTerm && next.hard.VotedFor == 0,
				"wal: term went back, or vote was changed")
			dst = appendHard(dst, a.Hard)
			next.hard = a.Hard
		}
		if m := a.Snapshot; m != nil {
			assert(!a.KeepLog || m.LastIncludedIndex <= next.last, "wal: the log to keep ends too early")
			dst = appendSnapshot(dst, *m, a.KeepLog)
			next.marker = m
			if !a.KeepLog {
				next.last, next.lastTerm = m.LastIncludedIndex, m.LastIncludedTerm
			}
		}
		for j, e := range a.Entries {
			assert(e.Index > 0 && e.Index <= next.last+1, "wal: entry leaves a gap")
			assert(j == 0 || e.Index == next.last+1, "wal: entries are not consecutive")
			if len(e.Data) > MaxEntryBytes {
				return dst, ErrTooLarge
			}
			dst = appendEntry(dst, e)
			next.last, next.lastTerm = e.Index, e.Term
		}
	}
	return dst, nil
}

// write makes buf durable: the records of one group behind room for its header.
func (l *Log) write(buf []byte) error {
	current, file := l.current(), l.file
	rolled := current == nil || current.end+int64(len(buf)) > current.limit
	if rolled {
		first := l.restate()
		var err error
		if current, file, err = l.roll(int64(len(buf) + startBytes + len(first))); err != nil {
			return err
		}
		first = append(appendStart(nil, l.startOf(current)), first...)
		buf = slices.Insert(buf, headerBytes, first...)
	}
	length := len(buf) - headerBytes
	h := header{
		generation: current.gen,
		number:     l.number + 1,
		durable:    l.number,
		length:     uint64(length),
		payloadCRC: crc32.Checksum(buf[headerBytes:], castagnoli),
		previous:   l.crc,
	}
	crc := h.put(buf, current.salt)
	end := min(sectorEnd(current.end+int64(len(buf))), current.limit)
	buf = append(buf, noSector[:end-current.end-int64(len(buf))]...)
	if current.size > end {
		buf = append(buf, noHeader[:min(headerBytes, current.size-end)]...)
	}
	if _, err := file.WriteAt(buf, current.end); err != nil {
		if rolled {
			l.abandon(current.name, file)
		}
		return disk.Full(err)
	}
	if err := file.Datasync(); err != nil {
		if rolled {
			l.abandon(current.name, file)
		}
		return err
	}
	current.end, current.size = end, max(current.size, end)
	l.number, l.crc = h.number, crc
	if rolled {
		l.take(current, file)
	}
	l.countBytes()
	return nil
}

// current is the segment that this life writes to; nil if there is none yet.
func (l *Log) current() *segment {
	if l.file == nil {
		return nil
	}
	return &l.segments[len(l.segments)-1]
}

// startOf is the record that the segment s begins with.
func (l *Log) startOf(s *segment) start {
	r := start{cluster: l.options.Cluster, node: l.options.Node, size: uint64(s.size),
		last: l.tail.last, lastTerm: l.tail.lastTerm}
	if n := len(l.segments); n > 0 {
		r.previous = l.segments[n-1].gen
	}
	return r
}

// restate is what follows it: everything that the segments before would tell, but for the entries.
func (l *Log) restate() []byte {
	b := appendHard(nil, l.tail.hard)
	if l.tail.marker != nil {
		b = appendSnapshot(b, *l.tail.marker, true)
	}
	return b
}

// onSnapshot applies a marker that is on disk.
func (l *Log) onSnapshot(m raft.SnapshotMeta, keep bool) {
	l.tail.marker = cloneMeta(m)
	if keep {
		return
	}
	l.tail.last, l.tail.lastTerm = m.LastIncludedIndex, m.LastIncludedTerm
	l.terms.reset(m.LastIncludedIndex, m.LastIncludedTerm)
	for i := range l.segments {
		l.segments[i].base, l.segments[i].max = m.LastIncludedIndex, 0
	}
}

// onEntries applies entries that are on disk, in the newest segment.
func (l *Log) onEntries(entries []raft.Entry) {
	if len(entries) == 0 {
		return
	}
	if first := entries[0].Index; first <= l.tail.last {
		// Fig2/AE.3: what conflicts is dropped, and all that follows it.
		for i := range l.segments {
			s := &l.segments[i]
			s.base, s.max = min(s.base, first-1), min(s.max, first-1)
		}
	}
	for _, e := range entries {
		l.terms.push(e.Index, e.Term)
		l.tail.last, l.tail.lastTerm = e.Index, e.Term
	}
	l.segments[len(l.segments)-1].max = l.tail.last
}
