package disk

import (
	"os"
	"syscall"
)

// datasync is fdatasync: the bytes and the length, without the time stamps, which would cost a
// second write in the file system's journal.
func datasync(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	err = conn.Control(func(fd uintptr) {
		for {
			// Interrupted is not failed: nothing was given up.
			if syncErr = syscall.Fdatasync(int(fd)); syncErr != syscall.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return syncErr
}
