package storage

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"drystone/disk"
	"drystone/raft"
	"drystone/snap"
	"drystone/wal"
)

// Options are fixed for a start.
type Options struct {
	SegmentBytes   int64        // of the log; 0: wal.SegmentBytesDefault
	InitialMembers raft.Members // what the log begins with, before its first entry
	Salt           uint64       // see wal.Options; random, another at each start
}

// Restored is what a start found.
type Restored struct {
	Raft     raft.Restored
	Snapshot func() (io.ReadCloser, error) // the content of Raft.Snapshot; nil if there is none
	Torn     string                        // what was cut or passed over, in words; "" if nothing
}

// Store is a node's log and snapshots. Write is for one goroutine at a time, and so is Release;
// everything else may run beside them.
type Store struct {
	dir disk.Dir
	log *wal.Log

	mu    sync.Mutex
	snaps []snap.Info // durable, newest first
	base  snap.Info   // the newest that the log stands on; zero: none
	parts []snap.Info // of received snapshots, for a sender to go on with
}

// ErrNoSnapshot says that there is no snapshot yet.
var ErrNoSnapshot = fmt.Errorf("no snapshot: %w", fs.ErrNotExist)

// Open restores what the directory holds. Errors: *disk.DamageError, *ForeignError, the disk's.
func Open(dir disk.Dir, id Identity, o Options) (*Store, Restored, error) {
	options := wal.Options{SegmentBytes: o.SegmentBytes, Node: id.Node, Salt: o.Salt}
	if id.Cluster != "" {
		if n, err := hex.Decode(options.Cluster[:], []byte(id.Cluster)); err != nil || n != 16 {
			return nil, Restored{}, damaged(0, "the cluster's id is not 32 hexadecimal digits")
		}
	}
	if err := snap.Clean(dir); err != nil {
		return nil, Restored{}, err
	}
	snaps, err := snap.List(dir)
	if err != nil {
		return nil, Restored{}, err
	}
	log, found, err := wal.Open(dir, options)
	var foreign *wal.ForeignError
	if errors.As(err, &foreign) {
		err = &ForeignError{"holds another's log: " + foreign.Error()}
	}
	if err != nil {
		return nil, Restored{}, err
	}
	s := &Store{dir: dir, log: log, snaps: snaps}
	restored, err := s.restore(found, o.InitialMembers)
	if err == nil {
		err = s.findParts()
	}
	if err != nil {
		log.Close()
		return nil, Restored{}, err
	}
	return s, restored, nil
}

// Write makes appends durable, all with one sync. A snapshot that one of them names is durable
// already: the log never points at nothing.
//
// A *disk.FullError leaves the store as it was: the same Write may be tried again, and if it is not
// the next start may find it all the same. Any other error is final, and every later Write returns
// it.
func (s *Store) Write(appends []raft.Append) error {
	for i := range appends {
		if m := appends[i].Snapshot; m != nil {
			assert(s.find(*m) >= 0, "storage: a snapshot is saved before the log begins with it")
		}
	}
	if err := s.log.Append(appends); err != nil {
		return err
	}
	for i := range appends {
		if m := appends[i].Snapshot; m != nil {
			s.mu.Lock()
			s.base = s.snaps[s.findLocked(*m)]
			s.mu.Unlock()
		}
	}
	return nil
}

func (s *Store) find(m raft.SnapshotMeta) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findLocked(m)
}

func (s *Store) findLocked(m raft.SnapshotMeta) int {
	for i, info := range s.snaps {
		if info.Index == m.LastIncludedIndex && info.Term == m.LastIncludedTerm {
			return i
		}
	}
	return -1
}

// Prepare makes a spare log segment if none is ready. See wal.Log.Prepare.
func (s *Store) Prepare() error { return s.log.Prepare() }

// SaveSnapshot makes a snapshot durable, the node's own or a received one, and returns the bytes it
// takes. Until the log stands on it, because it holds the entry at its index or an Append names the
// snapshot, nothing counts on it, and a restart restores nothing from it.
func (s *Store) SaveSnapshot(meta raft.SnapshotMeta, content io.WriterTo) (int64, error) {
	assert(meta.LastIncludedIndex > 0, "storage: a snapshot includes an entry")
	info, err := snap.Save(s.dir, meta, content)
	if err != nil {
		return 0, err
	}
	s.saved(info)
	return info.Bytes, nil
}

// saved notes a snapshot that is durable and whole.
func (s *Store) saved(info snap.Info) {
	covered := s.covers(info)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.insert(info)
	if covered && info.Index > s.base.Index {
		s.base = info
	}
}

// insert keeps snaps newest first.
func (s *Store) insert(info snap.Info) {
	at := 0
	for at < len(s.snaps) && s.snaps[at].Name > info.Name {
		at++
	}
	if at < len(s.snaps) && s.snaps[at].Name == info.Name {
		s.snaps[at] = info
		return
	}
	s.snaps = append(s.snaps[:at], append([]snap.Info{info}, s.snaps[at:]...)...)
}

// covers says whether the log agrees with a snapshot: it holds the entry that the snapshot ends
// with, or begins right behind it. A snapshot is of committed entries, so what agrees may be built
// on (§5.4.3); one that doesn't was received, and the engine has not decided about it yet.
func (s *Store) covers(info snap.Info) bool {
	last, _ := s.log.Last()
	if info.Index < s.log.Base() || info.Index > last {
		return false
	}
	term, known := s.log.Term(info.Index)
	return !known || term == info.Term
}

// Release gives up log segments that hold nothing from first on, and the snapshots that nobody can
// need any more: of those the log stands on, the newest stays, and the next as long as the log
// reaches back to it.
func (s *Store) Release(first raft.Index) error {
	s.mu.Lock()
	base := s.base
	s.mu.Unlock()
	assert(first <= base.Index+1, "storage: only what a durable snapshot includes is released")
	if err := s.log.Release(first); err != nil {
		return err
	}
	return s.removeOld(base)
}

func (s *Store) removeOld(base snap.Info) error {
	s.mu.Lock()
	var keep, old []snap.Info
	spare := true
	for _, info := range s.snaps {
		switch {
		case info.Index >= base.Index:
			keep = append(keep, info) // the base, and what waits for the engine's decision
		case spare && info.Index >= s.log.Base():
			keep, spare = append(keep, info), false
		default:
			old = append(old, info)
		}
	}
	s.snaps = keep
	old = append(old, s.staleParts(base.Index)...)
	s.mu.Unlock()
	return s.remove(old)
}

func (s *Store) remove(old []snap.Info) error {
	if len(old) == 0 {
		return nil
	}
	for _, info := range old {
		if err := snap.Remove(s.dir, info); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := s.dir.Sync(); err != nil {
		return fmt.Errorf("remove snapshots: %w", err)
	}
	return nil
}

// OpenSnapshot opens the newest snapshot that the log stands on, to be sent to a peer. It stays
// readable while it is open. The error is ErrNoSnapshot if there is none.
func (s *Store) OpenSnapshot() (raft.SnapshotMeta, io.ReadCloser, error) {
	for {
		base, err := s.newest()
		if err != nil {
			return raft.SnapshotMeta{}, nil, err
		}
		meta, content, err := snap.Open(s.dir, base)
		if !s.overtaken(base, err) {
			return meta, content, err
		}
	}
}

func (s *Store) newest() (snap.Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.base.Name == "" {
		return snap.Info{}, ErrNoSnapshot
	}
	return s.base, nil
}

// overtaken says that a snapshot is gone because a newer one has made it needless.
func (s *Store) overtaken(info snap.Info, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Is(err, fs.ErrNotExist) && s.base != info && s.base.Index >= info.Index
}

// OpenInstalled opens the snapshot that an Append named, to restore the machine from it; if a later
// Append has named a newer one and the old one is removed, the newer. It never is one that was
// received and not installed yet: the core does not know of that one.
func (s *Store) OpenInstalled(meta raft.SnapshotMeta) (raft.SnapshotMeta, io.ReadCloser, error) {
	for {
		s.mu.Lock()
		installed := s.base
		if at := s.findLocked(meta); at >= 0 {
			installed = s.snaps[at]
		}
		s.mu.Unlock()
		found, content, err := snap.Open(s.dir, installed)
		if !s.overtaken(installed, err) {
			return found, content, err
		}
	}
}

// Bytes is the length of the log on disk, without snapshots and spares.
func (s *Store) Bytes() uint64 { return s.log.Bytes() }

// Close gives the files back. Everything written is durable already.
func (s *Store) Close() error { return s.log.Close() }

func assert(ok bool, msg string) {
	if !ok {
		panic(msg)
	}
}
