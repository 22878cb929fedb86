package cow

import (
	"cmp"
	"slices"
)

// A node other than the root holds minKeys to maxKeys keys. 31 keys keep a copied node near a
// kilobyte, which is what the first write after a fork costs at each level.
const (
	maxKeys = 31
	minKeys = maxKeys / 2
)

// node is a node of a Map: kid i holds the keys below keys[i], the last kid those above all.
type node[K cmp.Ordered, V any] struct {
	epoch  uint64 // of the map that may change it
	keys   []K
	values []V
	kids   []*node[K, V] // nil in a leaf; otherwise one more than keys
}

func (n *node[K, V]) leaf() bool { return n.kids == nil }
func (n *node[K, V]) full() bool { return len(n.keys) == maxKeys }
func (n *node[K, V]) rich() bool { return len(n.keys) > minKeys }

// owned returns n, or a copy of it when n is shared with the map this one was forked from.
func (m *Map[K, V]) owned(n *node[K, V]) *node[K, V] {
	if n.epoch == m.epoch {
		return n
	}
	return &node[K, V]{
		epoch:  m.epoch,
		keys:   slices.Clone(n.keys),
		values: slices.Clone(n.values),
		kids:   slices.Clone(n.kids),
	}
}

// split divides n's full kid i around its median, which moves up into n.
func (m *Map[K, V]) split(n *node[K, V], i int) {
	left := m.owned(n.kids[i])
	assert(left.full() && !n.full(), "split needs a full kid below a node with room")
	k, v := left.keys[minKeys], left.values[minKeys]
	right := &node[K, V]{
		epoch:  m.epoch,
		keys:   slices.Clone(left.keys[minKeys+1:]),
		values: slices.Clone(left.values[minKeys+1:]),
	}
	if !left.leaf() {
		right.kids = slices.Clone(left.kids[minKeys+1:])
		left.kids = slices.Delete(left.kids, minKeys+1, len(left.kids))
	}
	left.keys = slices.Delete(left.keys, minKeys, len(left.keys))
	left.values = slices.Delete(left.values, minKeys, len(left.values))
	n.kids[i] = left
	n.keys = slices.Insert(n.keys, i, k)
	n.values = slices.Insert(n.values, i, v)
	n.kids = slices.Insert(n.kids, i+1, right)
}

// remove takes k, which is below n, out of the tree. Like removeMin and removeMax it is called
// on an owned node that is the root or rich, so that it may lose a key.
func (m *Map[K, V]) remove(n *node[K, V], k K) {
	i, found := slices.BinarySearch(n.keys, k)
	if n.leaf() {
		assert(found, "a key to remove was lost on the way down")
		n.cut(i)
		return
	}
	switch {
	case !found:
		m.remove(m.richKid(n, i), k)
	case n.kids[i].rich():
		n.keys[i], n.values[i] = m.removeMax(m.richKid(n, i))
	case n.kids[i+1].rich():
		n.keys[i], n.values[i] = m.removeMin(m.richKid(n, i+1))
	default:
		m.remove(m.merge(n, i), k)
	}
}

func (m *Map[K, V]) removeMin(n *node[K, V]) (K, V) {
	if n.leaf() {
		return n.cut(0)
	}
	return m.removeMin(m.richKid(n, 0))
}

func (m *Map[K, V]) removeMax(n *node[K, V]) (K, V) {
	if n.leaf() {
		return n.cut(len(n.keys) - 1)
	}
	return m.removeMax(m.richKid(n, len(n.kids)-1))
}

// cut removes the key at i of a leaf.
func (n *node[K, V]) cut(i int) (K, V) {
	k, v := n.keys[i], n.values[i]
	n.keys = slices.Delete(n.keys, i, i+1)
	n.values = slices.Delete(n.values, i, i+1)
	return k, v
}

// richKid returns n's kid i, owned, after giving it a key to spare: from a sibling through n, or
// by merging it with one.
func (m *Map[K, V]) richKid(n *node[K, V], i int) *node[K, V] {
	n.kids[i] = m.owned(n.kids[i])
	kid, last := n.kids[i], len(n.kids)-1
	switch {
	case kid.rich():
	case i > 0 && n.kids[i-1].rich():
		n.kids[i-1] = m.owned(n.kids[i-1])
		left, end := n.kids[i-1], len(n.kids[i-1].keys)-1
		kid.keys = slices.Insert(kid.keys, 0, n.keys[i-1])
		kid.values = slices.Insert(kid.values, 0, n.values[i-1])
		if !kid.leaf() {
			kid.kids = slices.Insert(kid.kids, 0, left.kids[end+1])
			left.kids = slices.Delete(left.kids, end+1, end+2)
		}
		n.keys[i-1], n.values[i-1] = left.cut(end)
	case i < last && n.kids[i+1].rich():
		n.kids[i+1] = m.owned(n.kids[i+1])
		right := n.kids[i+1]
		kid.keys = append(kid.keys, n.keys[i])
		kid.values = append(kid.values, n.values[i])
		if !kid.leaf() {
			kid.kids = append(kid.kids, right.kids[0])
			right.kids = slices.Delete(right.kids, 0, 1)
		}
		n.keys[i], n.values[i] = right.cut(0)
	case i < last:
		return m.merge(n, i)
	default:
		return m.merge(n, i-1)
	}
	return kid
}

// merge joins n's kids i and i+1 around the key between them and returns the result, owned.
func (m *Map[K, V]) merge(n *node[K, V], i int) *node[K, V] {
	n.kids[i] = m.owned(n.kids[i])
	left, right := n.kids[i], n.kids[i+1]
	left.keys = append(append(left.keys, n.keys[i]), right.keys...)
	left.values = append(append(left.values, n.values[i]), right.values...)
	left.kids = append(left.kids, right.kids...)
	assert(len(left.keys) <= maxKeys, "merged nodes hold too many keys")
	n.cut(i)
	n.kids = slices.Delete(n.kids, i+1, i+2)
	return left
}

// ascend yields everything below n; false when told to stop.
func (n *node[K, V]) ascend(yield func(K, V) bool) bool {
	if n == nil {
		return true
	}
	for i, k := range n.keys {
		if !n.leaf() && !n.kids[i].ascend(yield) {
			return false
		}
		if !yield(k, n.values[i]) {
			return false
		}
	}
	return n.leaf() || n.kids[len(n.keys)].ascend(yield)
}

// ascendFrom yields what is below n from the key from on; false when told to stop.
func (n *node[K, V]) ascendFrom(from K, yield func(K, V) bool) bool {
	if n == nil {
		return true
	}
	start, found := slices.BinarySearch(n.keys, from)
	if !found && !n.leaf() && !n.kids[start].ascendFrom(from, yield) {
		return false
	}
	for i := start; i < len(n.keys); i++ {
		if !yield(n.keys[i], n.values[i]) {
			return false
		}
		if !n.leaf() && !n.kids[i+1].ascend(yield) {
			return false
		}
	}
	return true
}
