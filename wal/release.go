package wal

import (
	"errors"
	"fmt"
	"io/fs"

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
	// Only a newer segment of this log tells that a torn one is no part of it.
	for l.own > 0 && len(l.junk) > 0 {
		if err := l.dir.Remove(l.junk[0]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove torn segment: %w", err)
		}
		l.junk = l.junk[1:]
		changed = true
	}
	if !changed {
		return nil
	}
	l.terms.trim(l.base())
	l.countBytes()
	if err := l.dir.Sync(); err != nil {
		return l.fail("release segments", err)
	}
	return nil
}

// recycle takes the oldest segment out of the log. A crash before the directory is synced brings
// back the newest of those that went, never one without those after it.
func (l *Log) recycle(s *segment) error {
	if l.spare || s.size != l.options.SegmentBytes {
		return l.dir.Remove(s.name)
	}
	if err := l.dir.Rename(s.name, spareName); err != nil {
		return err
	}
	l.spare = true
	return nil
}
