// Package wal is the log on disk: Figure 2's persistent state, in segments that are written full of
// zeros once and overwritten ever after.
//
// One Append is one group of records: one write and one Datasync. A group names its segment's
// generation and its own number, is chained to the group before it by a checksum, and says up to
// which group the log was durable when it was written. So what fails to check is told apart: above
// everything that was ever declared durable it is a torn tail, and cut; else it is damage.
//
// A life of the process never writes into a segment of an earlier life, but to write the last group
// again as it stands. What was cut therefore needs no erasing: the next segment names the group it
// follows, and nobody reads behind that.
package wal

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"drystone/disk"
	"drystone/raft"
)

const (
	// SegmentBytesDefault is a segment's size unless Options say otherwise.
	SegmentBytesDefault = 64 << 20
	// firstBytes is the size of a log's first segment: small, so that a first start is fast.
	firstBytes = 1 << 20
	// MaxEntryBytes bounds Entry.Data, for the writer as for the reader.
	MaxEntryBytes = 1 << 30
)

// Options are fixed for a life of the log.
type Options struct {
	SegmentBytes int64    // size of a segment; 0: SegmentBytesDefault. An Append may exceed it alone
	Cluster      [16]byte // written into every segment, and checked; zero: not known yet
	Node         uint64   // likewise
	Salt         uint64   // random, another in every life: client data can't pass for a group
}

// Recovered is what a log held when it was opened. All of it is durable.
type Recovered struct {
	Hard      raft.HardState
	Snapshot  *raft.SnapshotMeta // of the last marker; nil: there was none
	PrevIndex raft.Index         // the entry before Entries; the log's end if there are none
	PrevTerm  raft.Term          // of that entry; 0: not known
	Entries   []raft.Entry       // without a gap
	New       bool               // there was no log: this is its first life
	Torn      *Damage            // what was cut, if anything
}

// Damage is a place in a file where a write was torn.
type Damage struct {
	File   string
	Offset int64
	Cut    int64 // bytes of the group that was lost, so far as its header tells
}

func (d *Damage) String() string {
	return fmt.Sprintf("%s: torn write cut at byte %d (%d bytes)", d.File, d.Offset, d.Cut)
}

// DamageError says that something is wrong that was once durable.
type DamageError = disk.DamageError

// ForeignError says that a log is another node's or another cluster's.
type ForeignError struct {
	File   string
	Detail string
}

func (e *ForeignError) Error() string { return e.File + " " + e.Detail }

// ErrTooLarge refuses an entry of more than MaxEntryBytes. Nothing was written.
var ErrTooLarge = fmt.Errorf("entry exceeds %d bytes", MaxEntryBytes)

var errClosed = errors.New("the log is closed")

// Log is an open log. Append and Release are for one goroutine at a time; everything else may be
// called concurrently.
type Log struct {
	dir     disk.Dir
	options Options

	mu       sync.Mutex
	err      error // sticky: after a failed sync nobody knows what the disk holds
	file     disk.File
	segments []segment // oldest first; the last is the newest written to
	junk     []string  // files of segments nothing was ever durable in
	own      int       // segments begun in this life
	nextGen  uint64
	number   uint64 // of the last group
	crc      uint32 // its header's checksum
	tail     state
	terms    terms
	buf      []byte

	spare     bool // a segment stands ready under spareName
	preparing bool
	bytes     atomic.Uint64
}

// state is what every segment begins with, so that the ones before it can go.
type state struct {
	hard     raft.HardState
	marker   *raft.SnapshotMeta
	last     raft.Index
	lastTerm raft.Term
}

// segment is one file of the log.
type segment struct {
	name  string
	gen   uint64
	salt  uint64
	size  int64      // of the file
	limit int64      // groups end here at the latest
	end   int64      // of the last group
	base  raft.Index // the log has every entry after it if it begins with this segment
	max   raft.Index // the last entry in it that still counts; 0: none
}

// Bytes is the length of everything written in the segments that are kept.
func (l *Log) Bytes() uint64 { return l.bytes.Load() }

// Last is the index and term of the log's last entry.
func (l *Log) Last() (raft.Index, raft.Term) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail.last, l.tail.lastTerm
}

// Base is the index of the entry before the first that a restart would find.
func (l *Log) Base() raft.Index {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.base()
}

func (l *Log) base() raft.Index {
	if len(l.segments) == 0 {
		return l.tail.last
	}
	return l.segments[0].base
}

// Term is the term of the entry at index, if the log knows it.
func (l *Log) Term(index raft.Index) (raft.Term, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.terms.at(index)
}

// Close gives the log's file back. What was appended is durable already.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.err, errClosed) {
		return nil
	}
	l.err = errClosed
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

func (l *Log) countBytes() {
	var n int64
	for i := range l.segments {
		n += l.segments[i].end
	}
	l.bytes.Store(uint64(n))
}

func assert(ok bool, msg string) {
	if !ok {
		panic(msg)
	}
}
