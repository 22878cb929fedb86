package snap

import (
	"fmt"
	"io"
	"strings"

	"drystone/disk"
	"drystone/raft"
)

// A snapshot also moves from node to node as the file it is, so that what its first writer's
// checksums say holds at the last reader. What has arrived of it is a part; it becomes a snapshot
// once it is whole, checked and durable.

const partSuffix = ".part"

// Part names what has arrived so far of the snapshot that meta describes.
func Part(meta raft.SnapshotMeta) Info {
	return Info{
		Name:  FileName(meta) + partSuffix,
		Index: meta.LastIncludedIndex, Term: meta.LastIncludedTerm,
	}
}

// Parts returns all parts, newest first, by their names alone.
func Parts(dir disk.Dir) ([]Info, error) {
	names, err := dir.List()
	if err != nil {
		return nil, fmt.Errorf("list parts of snapshots: %w", err)
	}
	var list []Info
	for i := len(names) - 1; i >= 0; i-- {
		if whole, cut := strings.CutSuffix(names[i], partSuffix); cut {
			if info, ok := parseName(whole); ok {
				info.Name = names[i]
				list = append(list, info)
			}
		}
	}
	return list, nil
}

// OpenFile opens a snapshot as the file it is, after its head was checked. The rest is as the disk
// gives it: who reads the whole checks it with Adopt.
func OpenFile(dir disk.Dir, info Info) (raft.SnapshotMeta, disk.File, error) {
	meta, r, err := open(dir, info)
	if err != nil {
		return meta, nil, err
	}
	return meta, r.file, nil
}

// Adopt makes a part a snapshot. Its bytes are durable already; they are checked from end to end,
// and must be of exactly what meta describes, before they get the name. A *DamageError says what
// fails to check.
func Adopt(dir disk.Dir, meta raft.SnapshotMeta) (Info, error) {
	part := Part(meta)
	found, r, err := open(dir, part)
	if err != nil {
		return Info{}, err
	}
	defer r.Close()
	if !found.Members.Equal(meta.Members) {
		return Info{}, r.damage(fmt.Sprintf("it is of the members %v, and was offered as of %v",
			found.Members, meta.Members))
	}
	for err == nil {
		err = r.next()
	}
	if err != io.EOF {
		return Info{}, err
	}
	info := Info{Name: FileName(meta), Index: part.Index, Term: part.Term, Bytes: r.size}
	if err := dir.Rename(part.Name, info.Name); err != nil {
		return Info{}, fmt.Errorf("adopt snapshot: %w", disk.Full(err))
	}
	if err := dir.Sync(); err != nil {
		return Info{}, fmt.Errorf("adopt snapshot: %w", err)
	}
	return info, nil
}
