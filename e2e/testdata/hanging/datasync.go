package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// datasync takes the place of the real one in the binary that e2e builds to have disks hang. For a
// file in DIR it first waits, in the kernel as one that hangs does, for as long as the test locks
// DIR.disk, and then for the duration that stands there.
func datasync(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	err = conn.Control(func(fd uintptr) {
		if syncErr = hang(filepath.Dir(f.Name()) + ".disk"); syncErr == nil {
			syncErr = syscall.Fsync(int(fd))
		}
	})
	if err != nil {
		return err
	}
	return syncErr
}

func hang(path string) error {
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	for {
		if err = syscall.Flock(fd, syscall.LOCK_SH); err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return err
	}
	pause, err := time.ParseDuration(string(text))
	if err != nil {
		return err
	}
	left := syscall.NsecToTimespec(int64(pause))
	for syscall.Nanosleep(&left, &left) == syscall.EINTR {
	}
	return nil
}
