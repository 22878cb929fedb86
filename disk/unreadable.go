package disk

import "io/fs"

// unreadable is a stretch of a file that the device fails to read.
type unreadable struct {
	at, n int64
	times int // that are left; below 0: for ever
}

// Unreadable has every read that touches n bytes of a file from offset on fail with EIO: so many
// times, or for ever if times is 0. What stands before them is read.
func (m *Mem) Unreadable(name string, offset, n int64, times int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.now[name]
	if f == nil {
		return &fs.PathError{Op: "unreadable", Path: name, Err: fs.ErrNotExist}
	}
	if times == 0 {
		times = -1
	}
	f.bad = append(f.bad, unreadable{offset, n, times})
	return nil
}

// readable is how many of n bytes from at on can be read, and uses up a failure if not all can.
func (f *inode) readable(at, n int64) int64 {
	for i := range f.bad {
		b := &f.bad[i]
		if b.times == 0 || at >= b.at+b.n || b.at >= at+n {
			continue
		}
		b.times = max(b.times-1, -1)
		return max(0, b.at-at)
	}
	return n
}
