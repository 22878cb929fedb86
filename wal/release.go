package wal

import (
	"errors"
	"fmt"
	"io/fs"

	"drystone/disk"
	"drystone/raft"
)

// Release gives up the segments all of whose entries are before first. The caller has a durable
// snapshot that includes them. One becomes the spare if there is none; the newest segment always
// stays.
func (l *Log) Release(first raft.Index) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	changed := false
	for len(l.segments) > 1 && l.segments[0].max < first {
		if err := l.recycle(&l.segments[0]); err != nil {
			return fmt.Errorf("release segment %s: %w", l.segments[0].name, err)
		}
		l.segments = append(l.segments[:0], l.segments[1:]...)
		changed = true
	}
	tidied, err := l.tidy()
	if err != nil {
		return err
	}
	if !changed && !tidied {
		return nil
	}
	l.terms.trim(l.base())
	l.countBytes()
	if err := l.dir.Sync(); err != nil {
		return l.fail("release segments", err)
	}
	return nil
}

// tidy removes torn segments, and cuts the empty ends of those that a crash or an entry of unusual
// size left far from full. It waits for the life's first segment: only that tells where the ones
// before it end.
func (l *Log) tidy() (changed bool, err error) {
	if l.own == 0 {
		return false, nil
	}
	for len(l.junk) > 0 {
		if err := l.dir.Remove(l.junk[0]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return changed, fmt.Errorf("remove torn segment: %w", err)
		}
		l.junk = l.junk[1:]
		changed = true
	}
	for i := range l.segments[:len(l.segments)-1] {
		s := &l.segments[i]
		if s.size-s.end <= s.size/4 {
			continue
		}
		if err := l.shorten(s); err != nil {
			return changed, fmt.Errorf("cut the end of segment %s: %w", s.name, err)
		}
	}
	return changed, nil
}

// shorten need not be durable: a reader stops where the next segment tells it to.
func (l *Log) shorten(s *segment) error {
	file, err := l.dir.Open(s.name)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Truncate(s.end); err != nil {
		return err
	}
	s.size = s.end
	return nil
}

// recycle takes the oldest segment out of the log. A crash before the directory is synced brings
// back the newest of those that went, never one without those after it.
func (l *Log) recycle(s *segment) error {
	if l.spare || s.size != l.options.SegmentBytes {
		return l.dir.Remove(s.name)
	}
	err := l.dir.Rename(s.name, spareName)
	if disk.IsFull(disk.Full(err)) {
		return l.dir.Remove(s.name) // a full disk has better uses for it
	}
	if err != nil {
		return err
	}
	l.spare = true
	return nil
}
