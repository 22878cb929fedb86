// Package disk is the file system as the store of a replica needs it: a flat directory whose
// entries are durable only after Sync, and files whose bytes are durable only after Datasync.
//
// There are two: OS, the real one, and Mem, the simulator's, which loses what was not synced.
package disk

import "io"

// Dir is one flat directory. Names have no separator.
type Dir interface {
	// Create makes a new empty file; fs.ErrExist if the name stands.
	Create(name string) (File, error)
	// Open opens a file to read and write; fs.ErrNotExist if there is none.
	Open(name string) (File, error)
	// OpenRead opens a file to read only.
	OpenRead(name string) (File, error)
	// Rename renames, replacing what stood under newName. Durable after Sync.
	Rename(oldName, newName string) error
	// Remove removes. Durable after Sync.
	Remove(name string) error
	// List returns the names of all files, ascending.
	List() ([]string, error)
	// Sync makes the directory's entries durable.
	Sync() error
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size is the file's length in bytes.
	Size() (int64, error)
	// Truncate sets the file's length.
	Truncate(size int64) error
	// Datasync makes the file's bytes and length durable. After any error the file must not be
	// used again: what the disk holds is unknown, and a repeat may lie.
	Datasync() error
}
