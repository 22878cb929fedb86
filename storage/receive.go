package storage

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"

	"drystone/disk"
	"drystone/raft"
	"drystone/snap"
)

// receiveSyncBytes is written between syncs. The log's next sync, of this node or of others on the
// same disk, waits behind no more than that.
const receiveSyncBytes = 1 << 20

// Incoming is a snapshot that is being received, piece by piece, into a file of its own (§7). What
// has arrived stays on the disk when it is closed, or the process ends, and is gone on with by the
// next Receive of the same snapshot. It is for one goroutine.
type Incoming struct {
	store  *Store
	meta   raft.SnapshotMeta
	part   snap.Info
	file   disk.File
	size   int64 // of the whole
	have   int64
	synced int64
	sum    uint32 // CRC32C of what there is
	known  bool   // have and sum are
}

// Receive begins or goes on with a snapshot of that description and size. The store doesn't hold it
// yet, and only one is received at a time. What there is of older ones is removed: nobody will go
// on with them.
func (s *Store) Receive(meta raft.SnapshotMeta, size int64) (*Incoming, error) {
	assert(size > 0 && meta.LastIncludedIndex > 0, "storage: a snapshot includes an entry")
	part := snap.Part(meta)
	s.mu.Lock()
	stale := s.staleParts(part.Index - 1)
	s.mu.Unlock()
	if err := s.remove(stale); err != nil {
		return nil, fmt.Errorf("receive snapshot: %w", err)
	}
	// Fig13/2: create the file with the first piece; a later try finds it.
	file, err := s.dir.Open(part.Name)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = s.dir.Create(part.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("receive snapshot: %w", disk.Full(err))
	}
	// Held is what Release must leave alone.
	s.mu.Lock()
	s.parts = slices.DeleteFunc(s.parts, func(p snap.Info) bool { return p == part })
	s.mu.Unlock()
	return &Incoming{store: s, meta: meta, part: part, file: file, size: size}, nil
}

// Have says how many bytes there are, from the beginning, and their CRC32C. It reads them.
func (in *Incoming) Have() (int64, uint32, error) {
	if in.known {
		return in.have, in.sum, nil
	}
	have, err := in.file.Size()
	if err != nil {
		return 0, 0, in.failed(err)
	}
	if have > in.size {
		return 0, 0, in.Restart() // of another file
	}
	content := io.NewSectionReader(in.file, 0, have)
	buf, sum := make([]byte, 256<<10), uint32(0)
	for rest := have; rest > 0; {
		n, err := io.ReadFull(content, buf[:min(rest, int64(len(buf)))])
		if err != nil {
			return 0, 0, in.failed(err)
		}
		sum = crc32.Update(sum, castagnoli, buf[:n])
		rest -= int64(n)
	}
	in.have, in.sum, in.known = have, sum, true
	return in.have, in.sum, nil
}

// Restart forgets what there is: it was of another file.
func (in *Incoming) Restart() error {
	if err := in.file.Truncate(0); err != nil {
		return in.failed(err)
	}
	in.have, in.synced, in.sum, in.known = 0, 0, 0, true
	return nil
}

// Write adds the next piece, within the size announced. A *disk.FullError gives up what there is.
func (in *Incoming) Write(b []byte) error {
	assert(in.known, "storage: what there is of a snapshot is known before more is added")
	if int64(len(b)) > in.size-in.have {
		return in.damage("more bytes arrived than were announced")
	}
	// Fig13/3: write the piece at its offset: they come in order, so that is where the last one ended.
	if _, err := in.file.WriteAt(b, in.have); err != nil {
		return in.failed(err)
	}
	in.have += int64(len(b))
	in.sum = crc32.Update(in.sum, castagnoli, b)
	if in.have-in.synced < receiveSyncBytes {
		return nil
	}
	in.synced = in.have
	if err := in.file.Datasync(); err != nil {
		return in.failed(err)
	}
	return nil
}

// Commit makes the snapshot durable and whole: checked from end to end, under its name. sum is the
// CRC32C of the sender's file. A *disk.DamageError says that something does not check; what there
// was is given up then.
func (in *Incoming) Commit(sum uint32) error {
	switch {
	case in.have != in.size:
		return in.damage(fmt.Sprintf("it ends after %d of %d bytes", in.have, in.size))
	case in.sum != sum:
		return in.damage("it is not what the sender read")
	}
	if err := in.file.Datasync(); err != nil {
		return in.failed(err)
	}
	info, err := snap.Adopt(in.store.dir, in.meta)
	var damage *disk.DamageError
	if errors.As(err, &damage) {
		in.giveUp()
		return err
	}
	if err != nil {
		return err
	}
	in.part = snap.Info{}
	in.store.saved(info)
	return nil
}

// damage gives up what there is.
func (in *Incoming) damage(detail string) error {
	err := &disk.DamageError{File: in.part.Name, Offset: in.have, Detail: detail}
	in.giveUp()
	return err
}

// failed names an error. After one of the disk, what it holds is unknown, and is not gone on with.
func (in *Incoming) failed(err error) error {
	in.giveUp()
	return fmt.Errorf("receive snapshot: %w", disk.Full(err))
}

func (in *Incoming) giveUp() {
	if in.part.Name == "" {
		return
	}
	// Best effort: what stays is found at the next start, and checked like any other part.
	_ = in.store.dir.Remove(in.part.Name)
	in.part.Name = ""
}

// Close keeps what there is for the next Receive, unless it was committed or given up.
func (in *Incoming) Close() error {
	if in.part.Name != "" {
		in.store.mu.Lock()
		in.store.parts = append(in.store.parts, in.part)
		in.store.mu.Unlock()
	}
	return in.file.Close()
}

// findParts finds what a former life has received, and keeps only what a sender may go on with: the
// newest, if the log has not passed it.
func (s *Store) findParts() error {
	parts, err := snap.Parts(s.dir)
	if err != nil || len(parts) == 0 {
		return err
	}
	s.parts = parts
	return s.remove(s.staleParts(max(s.base.Index, parts[0].Index-1)))
}

// staleParts takes out of parts those of an index or below, and returns them. Called with mu held.
func (s *Store) staleParts(index raft.Index) (stale []snap.Info) {
	s.parts = slices.DeleteFunc(s.parts, func(p snap.Info) bool {
		if p.Index <= index {
			stale = append(stale, p)
		}
		return p.Index <= index
	})
	return stale
}
