package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lockName is the file that a running node holds. Its content, the holder's process id, is for the
// message only: the lock is the kernel's, and ends with the process however it ends.
const lockName = "LOCK"

// LockedError says that another process holds the directory.
type LockedError struct {
	Path string // the directory
	PID  int    // the holder's process id; 0: not known
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("data directory %s is in use by another process", e.Path)
	}
	return fmt.Sprintf("data directory %s is in use by process %d", e.Path, e.PID)
}

// Lock takes the existing directory at path for this process, or returns a *LockedError at once and
// leaves the directory as it was. unlock gives it back; the end of the process does too.
func Lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, &LockedError{Path: path, PID: readPID(f)}
		}
		return nil, fmt.Errorf("lock data directory %s: %w", path, err)
	}
	pid := strconv.Itoa(os.Getpid()) + "\n"
	// Only for the message above: a full disk must not keep a node from starting.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(pid), 0)
	}
	// The file stays: removing it would let two processes lock two files of the same name.
	return func() { f.Close() }, nil
}

func readPID(f *os.File) int {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return pid
}
