package explore

import "encoding/binary"

// visited holds all worlds seen, by digest and by what they have used of the bounds, in the order
// in which they were first seen, and from which world each was reached. It takes 32 bytes a world,
// and 6 to 11 more for the table.
//
// A world counts as seen if it was seen with no more of anything used up: all that can follow
// from it could follow then.
type visited struct {
	pages [][]arrival
	count int
	table []uint32 // open addressing: number of a world + 1; 0: free
}

type arrival struct {
	digest digest
	used   uint64
	from   uint32
}

func (a *arrival) spent() (u used) {
	binary.LittleEndian.PutUint64(u[:], a.used)
	return u
}

const pageSize = 1 << 16

func newVisited() *visited { return &visited{table: make([]uint32, 1<<16)} }

func (v *visited) at(i int) *arrival { return &v.pages[i/pageSize][i%pageSize] }

// add notes a world, and reports whether it is new.
func (v *visited) add(d digest, u used, from int) bool {
	spent := binary.LittleEndian.Uint64(u[:])
	mask := uint64(len(v.table) - 1)
	slot := d.lo & mask
	for ; v.table[slot] != 0; slot = (slot + 1) & mask {
		if a := v.at(int(v.table[slot]) - 1); a.digest == d && noneAbove(a.used, spent) {
			return false
		}
	}
	if v.count%pageSize == 0 {
		v.pages = append(v.pages, make([]arrival, pageSize))
	}
	*v.at(v.count) = arrival{d, spent, uint32(from)}
	v.count++
	v.table[slot] = uint32(v.count)
	if 4*v.count > 3*len(v.table) {
		v.grow()
	}
	return true
}

// noneAbove reports whether every byte of a is at most that of b; all are below 128.
func noneAbove(a, b uint64) bool {
	const tops = 0x8080808080808080
	return (b|tops-a)&tops == tops
}

func (v *visited) grow() {
	v.table = make([]uint32, 2*len(v.table))
	mask := uint64(len(v.table) - 1)
	for i := range v.count {
		slot := v.at(i).digest.lo & mask
		for v.table[slot] != 0 {
			slot = (slot + 1) & mask
		}
		v.table[slot] = uint32(i + 1)
	}
}

// path is how a world was reached, from the first one on, both included.
func (v *visited) path(i int) (all []arrival) {
	for {
		all = append([]arrival{*v.at(i)}, all...)
		if i == 0 {
			return all
		}
		i = int(v.at(i).from)
	}
}

// memory maps the steps that were asked for to their outcomes.
type memory struct {
	slots []remembered
	count int
}

type remembered struct {
	key     uint64
	outcome int32 // + 1; 0: free
}

// find returns the slot of a step.
func (m *memory) find(key uint64) *remembered {
	if 4*(m.count+1) > 3*len(m.slots) {
		old := m.slots
		m.slots = make([]remembered, max(1<<12, 2*len(old)))
		for _, s := range old {
			if s.outcome != 0 {
				*m.find(s.key) = s
			}
		}
	}
	mask := uint64(len(m.slots) - 1)
	for i := key * 0x9e3779b97f4a7c15 >> 20 & mask; ; i = (i + 1) & mask {
		if s := &m.slots[i]; s.outcome == 0 || s.key == key {
			return s
		}
	}
}
