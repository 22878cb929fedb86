package disk

import (
	"io/fs"
	"maps"
	"slices"
	"sync"
)

// Mem is a directory in memory that loses what was not synced. Everything it does follows from its
// seed and the operations asked of it.
//
// After Crash, each write since its file's last Datasync is by itself kept, lost, torn at sectors
// of 512 bytes, or garbled in such sectors; of the directory operations since the last Sync a
// prefix is kept. Reads see every change at once, as they do in a page cache.
//
// What else a disk does is asked for: Flip, Unreadable, SetQuota, Wipe, Restore, and all Faults.
type Mem struct {
	mu      sync.Mutex
	random  random
	hook    func(Op) error
	ops     uint64
	life    uint64 // crashes and kills so far: what was opened before is dead
	now     map[string]*inode
	durable map[string]*inode
	pending []entryChange
	garble  int   // percent of unsynced writes that a crash garbles
	quota   int64 // bytes; 0: no bound
	armed   []armed
	struck  []Strike
}

// entryChange is one directory operation that is not durable yet.
type entryChange struct {
	kind    OpKind
	name    string
	newName string
	node    *inode // OpCreate
}

func (c entryChange) apply(entries map[string]*inode) {
	switch c.kind {
	case OpCreate:
		entries[c.name] = c.node
	case OpRename:
		entries[c.newName] = entries[c.name]
		delete(entries, c.name)
	case OpRemove:
		delete(entries, c.name)
	}
}

// NewMem is an empty disk.
func NewMem(seed uint64) *Mem {
	return &Mem{
		random:  random(seed),
		now:     map[string]*inode{},
		durable: map[string]*inode{},
		garble:  garbleDefault,
	}
}

// Dir is the directory as a process that starts now sees it. It dies, with every file opened
// through it, at the next Crash or Kill.
func (m *Mem) Dir() Dir {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memDir{m: m, life: m.life}
}

// SetHook has hook called before every operation but Close and Size, with nothing locked. What it
// returns decides:
//
// nil: the operation happens. ErrCrashed: the operation begins, and the disk crashes in the middle
// of it. Any other error is returned to the caller, and the operation fails as it does in life: a
// write leaves a part of itself behind; a Datasync loses what it should have written, still reads
// it back, and the next one reports success; anything else does nothing.
func (m *Mem) SetHook(hook func(Op) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = hook
}

// Ops is the number of operations so far, of all lives.
func (m *Mem) Ops() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ops
}

// Reseed changes the luck of the crashes to come.
func (m *Mem) Reseed(seed uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.random = random(seed)
}

// Crash is a loss of power.
func (m *Mem) Crash() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.crash()
}

func (m *Mem) crash() {
	m.life++
	kept := m.random.below(len(m.pending) + 1)
	for _, c := range m.pending[:kept] {
		c.apply(m.durable)
	}
	m.pending = nil
	for _, name := range slices.Sorted(maps.Keys(m.durable)) {
		m.durable[name].crash(&m.random, m.garble)
	}
	m.now = maps.Clone(m.durable)
}

// Kill is the end of the process alone: what it opened is dead, and nothing is lost yet.
func (m *Mem) Kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.life++
}

// Clone is a disk of its own in the same state, without the hook and the armed faults. Nothing
// opened on m works on it.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	nodes := map[*inode]*inode{}
	clone := func(f *inode) *inode {
		if nodes[f] == nil {
			nodes[f] = f.clone()
		}
		return nodes[f]
	}
	c := &Mem{random: m.random, ops: m.ops, life: m.life, garble: m.garble, quota: m.quota,
		now: map[string]*inode{}, durable: map[string]*inode{}}
	for name, f := range m.now {
		c.now[name] = clone(f)
	}
	for name, f := range m.durable {
		c.durable[name] = clone(f)
	}
	for _, p := range m.pending {
		if p.node != nil {
			p.node = clone(p.node)
		}
		c.pending = append(c.pending, p)
	}
	return c
}

// Flip rots a byte of a file, on the disk and in memory: it changes the bits that are set in mask.
func (m *Mem) Flip(name string, offset int64, mask byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.now[name]
	if f == nil || offset < 0 || offset >= f.now.size {
		return &fs.PathError{Op: "flip", Path: name, Err: fs.ErrNotExist}
	}
	for _, image := range []*image{&f.now, &f.durable} {
		if offset < image.size {
			var b [1]byte
			image.read(b[:], offset)
			b[0] ^= mask
			image.write(b[:], offset)
		}
	}
	return nil
}

// ask counts an operation and lets the hook decide about it. m is not locked.
func (m *Mem) ask(op Op) error {
	m.mu.Lock()
	m.ops++
	op.N = m.ops
	hook := m.hook
	m.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(op)
}
