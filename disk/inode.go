package disk

// sectorBytes is what a disk writes whole or not at all.
const sectorBytes = 512

// inode is a file of Mem, whatever its name: what a reader sees, what is durable, and the changes
// in between, oldest first.
type inode struct {
	now, durable image
	pending      []change
	arena        []byte // the bytes of pending, in order
	bad          []unreadable
}

// change is one write or truncation that is not durable yet.
type change struct {
	at, n    int64
	from     int  // of its bytes in the arena
	zeros    bool // all n bytes are zero, and not in the arena
	truncate bool // to length at
}

func (f *inode) write(p []byte, at int64) {
	c := change{at: at, n: int64(len(p)), from: len(f.arena), zeros: allZero(p)}
	if !c.zeros {
		f.arena = append(f.arena, p...)
	}
	f.pending = append(f.pending, c)
	f.apply(&f.now, c)
}

func (f *inode) truncate(size int64) {
	c := change{at: size, truncate: true}
	f.pending = append(f.pending, c)
	f.apply(&f.now, c)
}

func (f *inode) apply(m *image, c change) {
	switch {
	case c.truncate:
		m.truncate(c.at)
	case c.zeros:
		m.zero(c.at, c.n)
	default:
		m.write(f.arena[c.from:c.from+int(c.n)], c.at)
	}
}

// forget is what a failed sync does on Linux: the dirty pages count as clean, they still read
// back, and no later sync will write them.
func (f *inode) forget() {
	f.pending, f.arena = f.pending[:0], f.arena[:0]
}

// crash decides for each pending change by itself whether it reached the disk, and leaves the
// file as the next life finds it.
func (f *inode) crash(r *random, garble int) {
	for _, c := range f.pending {
		if r.garbles(c, garble) {
			f.scramble(c, r)
			continue
		}
		switch fate := r.below(3); {
		case fate == 0: // lost
		case fate == 1 || c.truncate:
			f.apply(&f.durable, c)
		default:
			f.tear(c, r)
		}
	}
	f.forget()
	f.now = f.durable.clone()
}

// tear applies each sector of a write by the toss of a coin. The length reaches at least to the
// last sector kept; it may be that of the whole write, with zeros where nothing arrived.
func (f *inode) tear(c change, r *random) {
	end := c.at + c.n
	for at := c.at; at < end; {
		next := min(end, (at/sectorBytes+1)*sectorBytes)
		if r.below(2) == 0 {
			part := change{at: at, n: next - at, from: c.from + int(at-c.at), zeros: c.zeros}
			f.apply(&f.durable, part)
		}
		at = next
	}
	if r.below(2) == 0 {
		f.durable.grow(end)
	}
}

func (f *inode) clone() *inode {
	return &inode{
		now:     f.now.clone(),
		durable: f.durable.clone(),
		pending: append([]change(nil), f.pending...),
		arena:   append([]byte(nil), f.arena...),
		bad:     append([]unreadable(nil), f.bad...),
	}
}

// random is splitmix64: one word of state, so that a clone of a disk is a clone of its luck.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below is a number in [0, n). The bias of the modulus is nothing to a test.
func (r *random) below(n int) int { return int(r.next() % uint64(n)) }
