// Package snap keeps snapshots in files (§7): a temporary file is written, made durable and
// renamed, so that a snapshot is whole or not there. The content is the host's; it is framed in
// chunks that are checked as they are read.
package snap

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"drystone/disk"
	"drystone/raft"
)

// A name's numbers have a fixed width, so that names sort as indexes do.
const (
	namePrefix = "snap-"
	tempSuffix = ".tmp"
)

// Info names a snapshot file.
type Info struct {
	Name  string
	Index raft.Index // last included
	Term  raft.Term
	Bytes int64 // of the file
}

// DamageError says where a file fails to check.
type DamageError = disk.DamageError

// FileName is the name of the snapshot that meta describes.
func FileName(meta raft.SnapshotMeta) string {
	return fileName(meta.LastIncludedIndex, meta.LastIncludedTerm)
}

func fileName(index raft.Index, term raft.Term) string {
	return fmt.Sprintf("%s%016x-%016x", namePrefix, uint64(index), uint64(term))
}

func parseName(name string) (Info, bool) {
	var index, term uint64
	if !strings.HasPrefix(name, namePrefix) {
		return Info{}, false
	}
	if _, err := fmt.Sscanf(name, namePrefix+"%16x-%16x", &index, &term); err != nil {
		return Info{}, false
	}
	i := Info{Name: name, Index: raft.Index(index), Term: raft.Term(term)}
	return i, fileName(i.Index, i.Term) == name
}

// IsFile says whether a file of that name is a snapshot, or was to become one.
func IsFile(name string) bool { return strings.HasPrefix(name, namePrefix) }

// Save writes a snapshot and makes it durable. It replaces one of the same index and term. Two
// Saves of the same index and term must not run at once. A full disk is a *disk.FullError: nothing
// counts on a snapshot that wasn't saved.
func Save(dir disk.Dir, meta raft.SnapshotMeta, content io.WriterTo) (Info, error) {
	info := Info{Index: meta.LastIncludedIndex, Term: meta.LastIncludedTerm}
	info.Name = fileName(info.Index, info.Term)
	temp := info.Name + tempSuffix
	file, err := dir.Create(temp)
	if err != nil {
		return Info{}, fmt.Errorf("save snapshot: %w", disk.Full(err))
	}
	info.Bytes, err = write(file, meta, content)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		// Best effort: what stays is removed at the next start.
		_ = dir.Remove(temp)
		return Info{}, fmt.Errorf("save snapshot %s: %w", info.Name, disk.Full(err))
	}
	// The bytes are durable before the name is, and the name before anyone counts on it.
	if err := dir.Rename(temp, info.Name); err != nil {
		_ = dir.Remove(temp)
		return Info{}, fmt.Errorf("save snapshot: %w", disk.Full(err))
	}
	if err := dir.Sync(); err != nil {
		return Info{}, fmt.Errorf("save snapshot: %w", err)
	}
	return info, nil
}

// List returns all snapshots, newest first, by their names alone.
func List(dir disk.Dir) ([]Info, error) {
	names, err := dir.List()
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	var list []Info
	for i := len(names) - 1; i >= 0; i-- {
		info, ok := parseName(names[i])
		if !ok {
			continue
		}
		if info.Bytes, err = size(dir, info.Name); err != nil {
			return nil, fmt.Errorf("list snapshots: %w", err)
		}
		list = append(list, info)
	}
	return list, nil
}

func size(dir disk.Dir, name string) (int64, error) {
	file, err := dir.OpenRead(name)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	return file.Size()
}

// Open returns what a snapshot is of and its content. Every chunk is checked before any of it is
// returned, the whole before io.EOF; what fails gives a *DamageError.
func Open(dir disk.Dir, info Info) (raft.SnapshotMeta, io.ReadCloser, error) {
	meta, r, err := open(dir, info)
	if err != nil {
		return meta, nil, err // not a nil *reader, which would be no nil ReadCloser
	}
	return meta, r, nil
}

func open(dir disk.Dir, info Info) (raft.SnapshotMeta, *reader, error) {
	file, err := dir.OpenRead(info.Name)
	if err != nil {
		return raft.SnapshotMeta{}, nil, fmt.Errorf("open snapshot: %w", err)
	}
	r := &reader{file: file, name: info.Name}
	meta, err := r.begin()
	if err == nil && (meta.LastIncludedIndex != info.Index || meta.LastIncludedTerm != info.Term) {
		err = r.damage(fmt.Sprintf("it is the snapshot of entry %d of term %d",
			meta.LastIncludedIndex, meta.LastIncludedTerm))
	}
	if err != nil {
		file.Close()
		return raft.SnapshotMeta{}, nil, err
	}
	return meta, r, nil
}

// Verify reads a whole snapshot.
func Verify(dir disk.Dir, info Info) error {
	_, r, err := Open(dir, info)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

// Remove removes a snapshot. That is durable after the directory's Sync.
func Remove(dir disk.Dir, info Info) error {
	if err := dir.Remove(info.Name); err != nil {
		return fmt.Errorf("remove snapshot: %w", err)
	}
	return nil
}

// Clean removes what a crash left of unfinished Saves.
func Clean(dir disk.Dir) error {
	names, err := dir.List()
	if err != nil {
		return fmt.Errorf("list snapshots: %w", err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, namePrefix) || !strings.HasSuffix(name, tempSuffix) {
			continue
		}
		if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove unfinished snapshot: %w", err)
		}
	}
	return nil
}

func assert(ok bool, msg string) {
	if !ok {
		panic(msg)
	}
}
