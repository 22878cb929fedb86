package disk

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// OS is the directory at path, made with mode 0700 if there is none. Files are made with mode 0600:
// a log holds its users' data.
func OS(path string) (Dir, error) {
	created := false
	if _, err := os.Stat(path); os.IsNotExist(err) {
		created = true
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	if created {
		// The new directory is itself an entry of its parent.
		if err := syncDir(filepath.Dir(filepath.Clean(path))); err != nil {
			return nil, err
		}
	}
	return osDir(path), nil
}

type osDir string

func (d osDir) path(name string) string {
	assert(name != "" && name != "." && name != ".." && !strings.ContainsAny(name, `/\`),
		"disk: a name has no separator")
	return filepath.Join(string(d), name)
}

func (d osDir) Create(name string) (File, error) {
	return openOS(d.path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

func (d osDir) Open(name string) (File, error) { return openOS(d.path(name), os.O_RDWR) }

func (d osDir) OpenRead(name string) (File, error) { return openOS(d.path(name), os.O_RDONLY) }

func (d osDir) Rename(oldName, newName string) error {
	return os.Rename(d.path(oldName), d.path(newName))
}

func (d osDir) Remove(name string) error { return os.Remove(d.path(name)) }

func (d osDir) List() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

func (d osDir) Sync() error { return syncDir(string(d)) }

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync directory %s: %w", path, err)
	}
	return nil
}

type osFile struct {
	*os.File
	readOnly bool
}

func openOS(path string, flag int) (File, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return &osFile{File: f, readOnly: flag == os.O_RDONLY}, nil
}

func (f *osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *osFile) Datasync() error {
	// The kernel would allow it. But who syncs what it can't have written is mistaken about what
	// is durable.
	if f.readOnly {
		return &fs.PathError{Op: "datasync", Path: f.Name(), Err: fs.ErrPermission}
	}
	if err := datasync(f.File); err != nil {
		return &fs.PathError{Op: "datasync", Path: f.Name(), Err: err}
	}
	return nil
}

// NoSync is d without durability: every Datasync and Sync returns at once. Only for
// --unsafe-no-fsync: a machine that stops loses what it acknowledged.
func NoSync(d Dir) Dir { return noSyncDir{d} }

type noSyncDir struct{ Dir }

func (d noSyncDir) Create(name string) (File, error) { return noSync(d.Dir.Create(name)) }
func (d noSyncDir) Open(name string) (File, error)   { return noSync(d.Dir.Open(name)) }
func (d noSyncDir) Sync() error                      { return nil }

type noSyncFile struct{ File }

func noSync(f File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return noSyncFile{f}, nil
}

func (noSyncFile) Datasync() error { return nil }

func assert(ok bool, msg string) {
	if !ok {
		panic(msg)
	}
}
