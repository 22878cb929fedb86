package store

import (
	"drystone/cow"
	"drystone/rsm"
)

// What a stack and an item count in Bytes besides name and value: about what they take.
const (
	stackBytes = 256
	itemBytes  = 32
)

// hashSeed sets the hashes of names apart from others.
const hashSeed = 0x73746f7265 // "store"

// stack is one stack of the keyspace. It belongs to the Store with the same epoch, and is copied
// before a change when a snapshot shares it.
type stack struct {
	epoch    uint64
	nameHash uint64
	items    cow.Deque[string] // top is the top
	bytes    uint64            // of the items, as Bytes counts
	sum      uint64            // of the hashes of the items
}

// size returns the number of items.
func (k *stack) size() uint64 { return uint64(k.items.Len()) }

// hash covers the name, the items and their positions: those of an emptied stack too, for they
// decide about the hash of what is pushed next.
func (k *stack) hash() uint64 {
	h := rsm.Mix(rsm.Mix(k.nameHash, uint64(k.items.Lo())), uint64(k.items.Hi()))
	return rsm.Mix(h, k.sum)
}

// itemHash covers one item, with its stack and its position.
func (k *stack) itemHash(position int64, value string) uint64 {
	return rsm.HashString(rsm.Mix(k.nameHash, uint64(position)), value)
}

// push adds a value, of which it keeps a copy.
func (k *stack) push(value []byte, end End) {
	k.add(string(value), end)
}

func (k *stack) add(item string, end End) {
	if end == Top {
		k.sum += k.itemHash(k.items.Hi(), item)
		k.items.PushTop(item)
	} else {
		k.items.PushBottom(item)
		k.sum += k.itemHash(k.items.Lo(), item)
	}
	k.bytes += uint64(len(item)) + itemBytes
}

// pop takes the item at an end off a stack that is not empty.
func (k *stack) pop(end End) string {
	var item string
	if end == Top {
		item = k.items.PopTop()
		k.sum -= k.itemHash(k.items.Hi(), item)
	} else {
		at := k.items.Lo()
		item = k.items.PopBottom()
		k.sum -= k.itemHash(at, item)
	}
	k.bytes -= uint64(len(item)) + itemBytes
	return item
}

// end returns the item at an end of a stack that is not empty.
func (k *stack) end(end End) string {
	if end == Top {
		return k.items.At(k.items.Len() - 1)
	}
	return k.items.At(0)
}

// create adds an empty stack.
func (s *Store) create(name string) *stack {
	k := &stack{epoch: s.epoch, nameHash: rsm.HashString(hashSeed, name)}
	s.stacks.Set(name, k)
	s.bytes += uint64(len(name)) + stackBytes
	s.hash += k.hash()
	return k
}

// change returns a stack to be changed, with its row out of bytes and hash until changed.
func (s *Store) change(name string, k *stack) *stack {
	s.bytes -= k.bytes
	s.hash -= k.hash()
	if k.epoch == s.epoch {
		return k
	}
	fork := *k
	fork.epoch, fork.items = s.epoch, k.items.Fork()
	s.stacks.Set(name, &fork)
	return &fork
}

// changed takes a stack's row back into bytes and hash.
func (s *Store) changed(k *stack) {
	s.bytes += k.bytes
	s.hash += k.hash()
}
