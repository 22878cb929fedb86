package storage

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"drystone/disk"
	"drystone/raft"
	"drystone/snap"
	"drystone/wal"
)

// restore joins a log with the newest snapshot that it stands on. Newer ones that are damaged it
// removes; newer ones that are whole were received and not decided about before the crash.
func (s *Store) restore(found wal.Recovered, initial raft.Members) (Restored, error) {
	var said []string
	if found.Torn != nil {
		said = append(said, found.Torn.String())
	}
	if found.New && len(s.snaps) > 0 {
		// A log begins before the first snapshot is saved.
		return Restored{}, &disk.DamageError{File: s.snaps[0].Name,
			Detail: "the snapshot is there, and the log that it belongs to is missing"}
	}
	out := Restored{Raft: raft.Restored{Hard: found.Hard, Entries: found.Entries}}
	meta, passed, err := s.choose()
	if err != nil {
		return Restored{}, err
	}
	var firstDamage error
	for _, p := range passed {
		if p.damage != nil {
			if firstDamage == nil {
				firstDamage = p.damage
			}
			said = append(said, "passed over: "+p.damage.Error())
		}
	}
	if s.base.Name == "" {
		if found.PrevIndex > 0 {
			if firstDamage != nil {
				return Restored{}, firstDamage
			}
			return Restored{}, &disk.DamageError{File: snapshotOf(found), Detail: fmt.Sprintf(
				"the log begins behind entry %d, and no snapshot reaches it", found.PrevIndex)}
		}
		meta = raft.SnapshotMeta{Members: initial}
	} else {
		base := s.base
		out.Snapshot = func() (io.ReadCloser, error) {
			_, r, err := snap.Open(s.dir, base)
			return r, err
		}
	}
	out.Raft.Snapshot = meta
	out.Torn = strings.Join(said, "; ")
	// What is whole stays: its sender was told that it is durable, and may yet ask for it to be
	// installed.
	var whole, damaged []snap.Info
	for _, p := range passed {
		if p.damage == nil {
			whole = append(whole, p.info)
		} else {
			damaged = append(damaged, p.info)
		}
	}
	s.snaps = append(whole, s.snaps[len(passed):]...)
	return out, s.remove(damaged)
}

// passedOver is a snapshot that a start doesn't use.
type passedOver struct {
	info   snap.Info
	damage error // nil: it is whole, but the log doesn't stand on it (yet)
}

// choose sets base to the newest snapshot that checks out and that the log stands on.
func (s *Store) choose() (raft.SnapshotMeta, []passedOver, error) {
	var passed []passedOver
	for _, info := range s.snaps {
		meta, err := verify(s.dir, info)
		var damage *disk.DamageError
		switch {
		case err == nil && !s.covers(info):
			passed = append(passed, passedOver{info: info})
		case err == nil:
			s.base = info
			return meta, passed, nil
		case errors.As(err, &damage):
			passed = append(passed, passedOver{info: info, damage: err})
		default:
			return raft.SnapshotMeta{}, nil, err
		}
	}
	return raft.SnapshotMeta{}, passed, nil
}

func verify(dir disk.Dir, info snap.Info) (raft.SnapshotMeta, error) {
	meta, r, err := snap.Open(dir, info)
	if err != nil {
		return meta, err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return meta, err
}

// snapshotOf names the snapshot file that a log asks for, so far as it is known.
func snapshotOf(found wal.Recovered) string {
	if m := found.Snapshot; m != nil && m.LastIncludedIndex == found.PrevIndex {
		return snap.FileName(*m)
	}
	return "snap-*"
}
