package torture

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"drystone/internal/proc/child"
)

// smallDiskBytes is room for all that a node of a run keeps, and little enough to fill at once.
const smallDiskBytes = 64 << 20

// smallDisk is a file system of its own, small enough to be filled. It is mounted where only this
// process's spawning thread and the processes started there see it, so nothing of it is left
// behind however this process ends.
type smallDisk struct {
	path  string
	spawn child.Spawner
}

// there runs f where the file system is seen.
func (d *smallDisk) there(f func() error) error {
	done := make(chan error)
	d.spawn <- func() { done <- f() }
	return <-done
}

func (d *smallDisk) ballast() string { return filepath.Join(d.path, "ballast") }

// fill leaves no byte free.
func (d *smallDisk) fill() error {
	return d.there(func() error {
		f, err := os.Create(d.ballast())
		if err != nil {
			return err
		}
		defer f.Close()
		for size := 1 << 20; size > 0; size /= 4 { // in ever smaller pieces
			for err == nil {
				_, err = f.Write(make([]byte, size))
			}
			if !errors.Is(err, syscall.ENOSPC) {
				return err
			}
			err = nil
		}
		return nil
	})
}

// free gives the room back.
func (d *smallDisk) free() error {
	return d.there(func() error { return os.Remove(d.ballast()) })
}

// save copies the files of a node to a directory that all can see.
func (d *smallDisk) save(to string) error {
	return d.there(func() error { return os.CopyFS(to, os.DirFS(filepath.Join(d.path, "data"))) })
}
