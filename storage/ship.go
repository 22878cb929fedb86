package storage

import (
	"fmt"

	"drystone/disk"
	"drystone/raft"
	"drystone/snap"
)

// Outgoing is a snapshot as the file it is, to be shipped to a peer. It stays readable until it is
// closed, also when the log has gone on and the file has been removed. ReadAt gives what the disk
// gives: the receiver checks it.
type Outgoing struct {
	disk.File
	Meta  raft.SnapshotMeta
	Bytes int64
	info  snap.Info
}

// OpenOutgoing opens the newest snapshot that the log stands on. The error is ErrNoSnapshot if
// there is none, a *disk.DamageError if not even its head checks.
func (s *Store) OpenOutgoing() (*Outgoing, error) {
	for {
		base, err := s.newest()
		if err != nil {
			return nil, err
		}
		meta, file, err := snap.OpenFile(s.dir, base)
		if s.overtaken(base, err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		size, err := file.Size()
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("open snapshot: %w", err)
		}
		return &Outgoing{File: file, Meta: meta, Bytes: size, info: base}, nil
	}
}

// Verify reads a whole snapshot that a peer says is damaged, to learn on which side it is. A
// *disk.DamageError says that it is on this one.
func (s *Store) Verify(o *Outgoing) error { return snap.Verify(s.dir, o.info) }

// Holds says that a snapshot stands on this disk, durable and whole.
func (s *Store) Holds(meta raft.SnapshotMeta) bool { return s.find(meta) >= 0 }

// SnapshotBytes is the size of the newest snapshot that the log stands on, 0 without one.
func (s *Store) SnapshotBytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base.Bytes
}
