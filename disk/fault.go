package disk

import (
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// Fault is something that goes wrong once, at the next operation that gives it the chance.
type Fault uint8

// The faults that can be armed.
const (
	// SyncFails: a Datasync fails. What it should have written still reads back and will never be
	// written; the next Datasync reports success.
	SyncFails Fault = iota
	// WriteShort: a write does a part of what it should, and fails. The error always comes along:
	// os.File goes on after a short write of the kernel's until it is done, or told why not.
	WriteShort
	// WriteLost: a Datasync reports success, and one write before it, or a sector of one, never
	// reached the disk: what was there before stays. It reads back until it leaves the page cache.
	WriteLost
	// WriteMisdirected: like WriteLost, and the bytes went to another place of this or another file.
	WriteMisdirected
	// ReadFails: a read fails.
	ReadFails

	faults
)

var faultNames = [faults]string{"sync fails", "write is cut short", "write is lost",
	"write is misdirected", "read fails"}

func (f Fault) String() string { return faultNames[f] }

// Place is a stretch of a file.
type Place struct {
	File   string
	Offset int64
	Length int64
}

func (p Place) String() string { return fmt.Sprintf("%s [%d:+%d]", p.File, p.Offset, p.Length) }

// Strike is an armed fault that has happened.
type Strike struct {
	Fault Fault
	Place Place
	To    Place // WriteMisdirected: where the bytes went
}

func (s Strike) String() string {
	if s.Fault == WriteMisdirected {
		return fmt.Sprintf("%v: %v to %v", s.Fault, s.Place, s.To)
	}
	return fmt.Sprintf("%v: %v", s.Fault, s.Place)
}

// armed is a fault that waits for its chance.
type armed struct {
	fault  Fault
	prefix string
}

// Arm lets a fault happen once, to the next file whose name begins with prefix and that gives it
// the chance. Where it strikes follows from the disk's luck.
func (m *Mem) Arm(f Fault, prefix string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.armed = append(m.armed, armed{f, prefix})
}

// Disarm forgets the faults that have not struck.
func (m *Mem) Disarm() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.armed = nil
}

// Struck returns the armed faults that have happened since it was last called, oldest first.
func (m *Mem) Struck() []Strike {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.struck
	m.struck = nil
	return s
}

// strikes says whether a fault is armed for a file, and disarms it.
func (m *Mem) strikes(f Fault, name string) bool {
	for i, a := range m.armed {
		if a.fault == f && strings.HasPrefix(name, a.prefix) {
			m.armed = append(m.armed[:i:i], m.armed[i+1:]...)
			return true
		}
	}
	return false
}

// struckAt notes that a fault has happened.
func (m *Mem) struckAt(f Fault, name string, at, n int64) {
	m.struck = append(m.struck, Strike{Fault: f, Place: Place{name, at, n}})
}

// ioError is what a device that fails makes of an operation.
func ioError(kind OpKind, name string) error {
	return &fs.PathError{Op: kind.String(), Path: name, Err: syscall.EIO}
}
