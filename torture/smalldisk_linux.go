package torture

import (
	"fmt"
	"os"
	"syscall"

	"drystone/internal/proc/child"
)

// apart gives the spawning thread mounts of its own. It is called once, before any process starts.
func apart(spawn child.Spawner) error {
	return (&smallDisk{spawn: spawn}).there(func() error {
		if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
			return err
		}
		return syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	})
}

// mountSmall makes a small disk at a path.
func mountSmall(spawn child.Spawner, path string) (*smallDisk, error) {
	d := &smallDisk{path: path, spawn: spawn}
	return d, d.there(func() error {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
		return syscall.Mount("tmpfs", path, "tmpfs", 0, fmt.Sprintf("size=%d", smallDiskBytes))
	})
}
