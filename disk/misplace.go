package disk

import (
	"maps"
	"slices"
)

// sync makes a file's pending changes durable, but for what an armed fault does to one of them.
func (m *Mem) sync(name string, f *inode) {
	fault, hit := WriteLost, -1
	if writes := f.writes(); len(writes) > 0 {
		switch {
		case m.strikes(WriteLost, name):
			hit = writes[m.random.below(len(writes))]
		case m.strikes(WriteMisdirected, name):
			fault, hit = WriteMisdirected, writes[m.random.below(len(writes))]
		}
	}
	for i, c := range f.pending {
		if i != hit {
			f.apply(&f.durable, c)
			continue
		}
		lost := c
		if fault == WriteLost && m.random.below(2) == 0 {
			lost = f.sector(c, m.random.below(c.sectors()))
			f.applyAround(c, lost)
		}
		f.durable.grow(c.at + c.n) // the length is another write
		m.struckAt(fault, name, lost.at, lost.n)
		if fault == WriteMisdirected {
			m.struck[len(m.struck)-1].To = m.misdirect(f, lost)
		}
	}
	f.forget()
}

// writes are the pending changes that a device can lose: those that write something.
func (f *inode) writes() (list []int) {
	for i, c := range f.pending {
		if !c.truncate && c.n > 0 {
			list = append(list, i)
		}
	}
	return list
}

// sectors is how many sectors a write touches.
func (c change) sectors() int {
	return int((c.at+c.n-1)/sectorBytes - c.at/sectorBytes + 1)
}

// sector is the part of a write that lies in the ith sector that it touches.
func (f *inode) sector(c change, i int) change {
	first := (c.at/sectorBytes + int64(i)) * sectorBytes
	at, end := max(c.at, first), min(c.at+c.n, first+sectorBytes)
	return change{at: at, n: end - at, from: c.from + int(at-c.at), zeros: c.zeros}
}

// applyAround makes a write durable but for a part.
func (f *inode) applyAround(c, but change) {
	for i := range c.sectors() {
		if s := f.sector(c, i); s.at != but.at {
			f.apply(&f.durable, s)
		}
	}
}

// misdirect puts the bytes of a write of f elsewhere, as far from the beginning of a sector as they
// should have been. No file gets longer by it. Whoever reads there sees them at once.
func (m *Mem) misdirect(f *inode, c change) Place {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.durable)) {
		size := m.durable[name].durable.size
		if size > sectorBytes || size > 0 && m.durable[name] != f {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return Place{}
	}
	name := names[m.random.below(len(names))]
	to := m.durable[name]
	sectors := int((to.durable.size + sectorBytes - 1) / sectorBytes)
	sector := m.random.below(sectors)
	if to == f && int64(sector) == c.at/sectorBytes {
		sector = (sector + 1) % sectors
	}
	at := int64(sector)*sectorBytes + c.at%sectorBytes
	n := min(c.n, to.durable.size-at)
	if n <= 0 {
		return Place{}
	}
	b := make([]byte, n)
	if !c.zeros {
		copy(b, f.arena[c.from:c.from+int(n)])
	}
	to.durable.write(b, at)
	if n = min(n, to.now.size-at); n > 0 {
		to.now.write(b[:n], at)
	}
	return Place{name, at, int64(len(b))}
}
