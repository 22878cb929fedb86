package cow

import (
	"cmp"
	"iter"
	"slices"
)

// Map is an ordered map: a B-tree whose nodes are copied when they were shared with a fork.
// Every operation takes O(log n). The zero Map is empty and ready.
type Map[K cmp.Ordered, V any] struct {
	root   *node[K, V]
	length int
	epoch  uint64
}

// Len returns the number of keys.
func (m *Map[K, V]) Len() int { return m.length }

// Fork returns a map with the same content that may be changed; m may only be read from now on.
// It takes constant time. A node belongs to the map whose epoch it carries, and is copied by
// every later one before it is changed.
func (m *Map[K, V]) Fork() Map[K, V] {
	return Map[K, V]{root: m.root, length: m.length, epoch: m.epoch + 1}
}

// Get returns the value of k, and whether there is one.
func (m *Map[K, V]) Get(k K) (V, bool) {
	for n := m.root; n != nil; {
		i, found := slices.BinarySearch(n.keys, k)
		if found {
			return n.values[i], true
		}
		if n.leaf() {
			break
		}
		n = n.kids[i]
	}
	var none V
	return none, false
}

// Set gives k the value v.
func (m *Map[K, V]) Set(k K, v V) {
	if m.root == nil {
		m.root = &node[K, V]{epoch: m.epoch}
	}
	m.root = m.owned(m.root)
	if m.root.full() {
		m.root = &node[K, V]{epoch: m.epoch, kids: []*node[K, V]{m.root}}
		m.split(m.root, 0)
	}
	// Full nodes are split on the way down, so that a split always finds room above it.
	for n := m.root; ; {
		i, found := slices.BinarySearch(n.keys, k)
		if !found && !n.leaf() && n.kids[i].full() {
			m.split(n, i)
			i, found = slices.BinarySearch(n.keys, k)
		}
		if found {
			n.values[i] = v
			return
		}
		if n.leaf() {
			n.keys = slices.Insert(n.keys, i, k)
			n.values = slices.Insert(n.values, i, v)
			m.length++
			return
		}
		n.kids[i] = m.owned(n.kids[i])
		n = n.kids[i]
	}
}

// Delete removes k and reports whether it was there.
func (m *Map[K, V]) Delete(k K) bool {
	// Looked up first: a miss must not copy nodes.
	if _, found := m.Get(k); !found {
		return false
	}
	m.root = m.owned(m.root)
	m.remove(m.root, k)
	m.length--
	if len(m.root.keys) == 0 {
		if m.root.leaf() {
			m.root = nil
		} else {
			m.root = m.root.kids[0]
		}
	}
	return true
}

// Min returns the lowest key with its value, and whether there is one.
func (m *Map[K, V]) Min() (k K, v V, found bool) {
	n := m.root
	if n == nil {
		return k, v, false
	}
	for !n.leaf() {
		n = n.kids[0]
	}
	return n.keys[0], n.values[0], true
}

// All yields every key with its value, in ascending order.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		m.root.ascend(yield)
	}
}

// From yields the keys ≥ from with their values, in ascending order.
func (m *Map[K, V]) From(from K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		m.root.ascendFrom(from, yield)
	}
}
