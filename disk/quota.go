package disk

import (
	"io/fs"
	"syscall"
)

// SetQuota is the room on the disk, in bytes of all files' lengths; 0: no bound. What exceeds it
// fails with ENOSPC: a write does what still fits, and where nothing does nothing is created or
// renamed either. Overwriting needs no room. A larger quota, or a removed file, gives room again.
func (m *Mem) SetQuota(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.quota = bytes
}

// Used is the length of all files together, in bytes.
func (m *Mem) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used()
}

func (m *Mem) used() (sum int64) {
	for _, f := range m.now {
		sum += f.now.size
	}
	return sum
}

// fits is how many of n bytes from at on there is room for in a file.
func (m *Mem) fits(f *inode, at, n int64) int64 {
	if m.quota == 0 || at+n <= f.now.size {
		return n
	}
	room := max(0, m.quota-m.used())
	return min(n, max(0, f.now.size+room-at))
}

// full says that the directory has no room for one more entry.
func (m *Mem) full() bool { return m.quota > 0 && m.used() >= m.quota }

func noSpace(kind OpKind, name string) error {
	return &fs.PathError{Op: kind.String(), Path: name, Err: syscall.ENOSPC}
}
