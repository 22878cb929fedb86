package disk

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
)

type memDir struct {
	m    *Mem
	life uint64
}

// begin asks the hook and locks the disk for the operation; the caller unlocks, also after an
// error. asked is the hook's answer, which the caller brings about.
func (d *memDir) begin(op Op) (asked, err error) {
	assert(!strings.ContainsAny(op.Name+op.NewName, `/\`), "disk: a name has no separator")
	asked = d.m.ask(op)
	d.m.mu.Lock()
	if d.life != d.m.life {
		return nil, ErrCrashed
	}
	return asked, nil
}

// end brings about a crash if the hook asked for one.
func (m *Mem) end(asked error) error {
	if errors.Is(asked, ErrCrashed) {
		m.crash()
	}
	return asked
}

// refused says that the hook wants the operation to fail, and not to happen.
func refused(asked error) bool { return asked != nil && !errors.Is(asked, ErrCrashed) }

// change performs one operation on the entries.
func (d *memDir) change(op Op, check func() error, node *inode) error {
	asked, err := d.begin(op)
	defer d.m.mu.Unlock()
	if err != nil {
		return err
	}
	if refused(asked) {
		return asked
	}
	wrong := check()
	if wrong == nil && op.Kind != OpRemove && d.m.full() {
		wrong = syscall.ENOSPC
	}
	if wrong == nil {
		c := entryChange{kind: op.Kind, name: op.Name, newName: op.NewName, node: node}
		c.apply(d.m.now)
		d.m.pending = append(d.m.pending, c)
	}
	if err := d.m.end(asked); err != nil {
		return err
	}
	if wrong != nil {
		return &fs.PathError{Op: op.Kind.String(), Path: op.Name, Err: wrong}
	}
	return nil
}

func (d *memDir) mustExist(name string) func() error {
	return func() error {
		if d.m.now[name] == nil {
			return fs.ErrNotExist
		}
		return nil
	}
}

func (d *memDir) Create(name string) (File, error) {
	node := &inode{}
	err := d.change(Op{Kind: OpCreate, Name: name}, func() error {
		if d.m.now[name] != nil {
			return fs.ErrExist
		}
		return nil
	}, node)
	if err != nil {
		return nil, err
	}
	return &memFile{dir: d, node: node, name: name}, nil
}

func (d *memDir) Rename(oldName, newName string) error {
	assert(oldName != newName, "disk: rename to another name")
	op := Op{Kind: OpRename, Name: oldName, NewName: newName}
	return d.change(op, d.mustExist(oldName), nil)
}

func (d *memDir) Remove(name string) error {
	return d.change(Op{Kind: OpRemove, Name: name}, d.mustExist(name), nil)
}

func (d *memDir) Open(name string) (File, error)     { return d.open(name, false) }
func (d *memDir) OpenRead(name string) (File, error) { return d.open(name, true) }

func (d *memDir) open(name string, readOnly bool) (File, error) {
	asked, err := d.begin(Op{Kind: OpOpen, Name: name})
	defer d.m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := d.m.end(asked); err != nil {
		return nil, err
	}
	node := d.m.now[name]
	if node == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memFile{dir: d, node: node, name: name, readOnly: readOnly}, nil
}

func (d *memDir) List() ([]string, error) {
	asked, err := d.begin(Op{Kind: OpList})
	defer d.m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := d.m.end(asked); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(d.m.now)), nil
}

func (d *memDir) Sync() error {
	asked, err := d.begin(Op{Kind: OpSync})
	defer d.m.mu.Unlock()
	if err != nil {
		return err
	}
	// What a failed sync of the directory leaves open stays open, for a crash to decide.
	if err := d.m.end(asked); err != nil {
		return err
	}
	for _, c := range d.m.pending {
		c.apply(d.m.durable)
	}
	d.m.pending = d.m.pending[:0]
	return nil
}
