package cow

import (
	"iter"
	"slices"
)

// chunkItems is how many items move between an end of a Deque and its middle at a time. An end
// holds at most twice as many, and one chunk after every move, so that no sequence of pushes and
// pops moves more often than once in chunkItems of them.
const chunkItems = 64

// Deque is a sequence with two ends, bottom and top. Items have positions that never change while
// they are in it: the first one pushed has position 0, each one on top the next higher, each one
// at the bottom the next lower. Pushing and popping takes amortised constant time, At takes
// O(log n). The zero Deque is empty and ready.
type Deque[T any] struct {
	lo, hi int64 // positions [lo, hi) are taken
	// From bottom to top: the items of bottom, from its end to its start, then the full chunks of
	// middle, then the items of top. Outermost items are last, where slices grow.
	bottom, top []T
	// middle maps the position of a chunk's first item to the chunk, which is never changed.
	// Its chunks cover [midLo, midHi).
	middle       Map[int64, *[chunkItems]T]
	midLo, midHi int64
	// Whether bottom and top share memory with the deque this one was forked from.
	bottomShared, topShared bool
}

// NewDequeAt returns an empty deque whose first item, pushed on top, will have position lo.
func NewDequeAt[T any](lo int64) Deque[T] { return Deque[T]{lo: lo, hi: lo} }

// Len returns the number of items.
func (d *Deque[T]) Len() int { return int(d.hi - d.lo) }

// Lo returns the position of the item at the bottom; Hi is one above that of the item on top.
func (d *Deque[T]) Lo() int64 { return d.lo }

// Hi returns the position that the next item on top will have.
func (d *Deque[T]) Hi() int64 { return d.hi }

// Fork returns a deque with the same content that may be changed; d may only be read from now on.
// It takes constant time.
func (d *Deque[T]) Fork() Deque[T] {
	fork := *d
	fork.middle = d.middle.Fork()
	fork.bottomShared, fork.topShared = true, true
	return fork
}

// PushTop adds v on top.
func (d *Deque[T]) PushTop(v T) {
	own(&d.top, &d.topShared)
	if len(d.top) == 2*chunkItems {
		at := d.hi - 2*chunkItems
		if d.midLo == d.midHi {
			d.midLo, d.midHi = at, at
		}
		assert(d.midHi == at, "the top end does not join the middle")
		d.middle.Set(at, (*[chunkItems]T)(slices.Clone(d.top[:chunkItems])))
		d.midHi += chunkItems
		d.top = slices.Delete(d.top, 0, chunkItems)
	}
	d.top = append(d.top, v)
	d.hi++
}

// PushBottom adds v at the bottom.
func (d *Deque[T]) PushBottom(v T) {
	own(&d.bottom, &d.bottomShared)
	if len(d.bottom) == 2*chunkItems {
		at := d.lo + chunkItems
		if d.midLo == d.midHi {
			d.midLo, d.midHi = at+chunkItems, at+chunkItems
		}
		assert(d.midLo == at+chunkItems, "the bottom end does not join the middle")
		chunk := (*[chunkItems]T)(slices.Clone(d.bottom[:chunkItems]))
		slices.Reverse(chunk[:])
		d.middle.Set(at, chunk)
		d.midLo = at
		d.bottom = slices.Delete(d.bottom, 0, chunkItems)
	}
	d.bottom = append(d.bottom, v)
	d.lo--
}

// PopTop removes the item on top and returns it. The deque must not be empty.
func (d *Deque[T]) PopTop() T {
	assert(d.lo < d.hi, "pop from an empty deque")
	if len(d.top) == 0 && d.midLo < d.midHi {
		d.midHi -= chunkItems
		d.top, d.topShared = slices.Clone(d.take(d.midHi)[:]), false
	}
	d.hi--
	if len(d.top) == 0 {
		own(&d.bottom, &d.bottomShared)
		return popFirst(&d.bottom)
	}
	own(&d.top, &d.topShared)
	return popLast(&d.top)
}

// PopBottom removes the item at the bottom and returns it. The deque must not be empty.
func (d *Deque[T]) PopBottom() T {
	assert(d.lo < d.hi, "pop from an empty deque")
	if len(d.bottom) == 0 && d.midLo < d.midHi {
		d.bottom, d.bottomShared = slices.Clone(d.take(d.midLo)[:]), false
		slices.Reverse(d.bottom)
		d.midLo += chunkItems
	}
	d.lo++
	if len(d.bottom) == 0 {
		own(&d.top, &d.topShared)
		return popFirst(&d.top)
	}
	own(&d.bottom, &d.bottomShared)
	return popLast(&d.bottom)
}

// At returns the item i places above the bottom one. i is at least 0 and below Len.
func (d *Deque[T]) At(i int) T {
	assert(i >= 0 && i < d.Len(), "position out of a deque")
	if i < len(d.bottom) {
		return d.bottom[len(d.bottom)-1-i]
	}
	at, top := d.lo+int64(i), d.hi-int64(len(d.top))
	if at >= top {
		return d.top[at-top]
	}
	in := (at - d.midLo) % chunkItems
	chunk, found := d.middle.Get(at - in)
	assert(found, "a chunk is missing")
	return chunk[in]
}

// All yields the items from the bottom to the top.
func (d *Deque[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := len(d.bottom) - 1; i >= 0; i-- {
			if !yield(d.bottom[i]) {
				return
			}
		}
		for _, chunk := range d.middle.All() {
			for i := range chunk {
				if !yield(chunk[i]) {
					return
				}
			}
		}
		for i := range d.top {
			if !yield(d.top[i]) {
				return
			}
		}
	}
}

// take removes the chunk at a position from the middle.
func (d *Deque[T]) take(at int64) *[chunkItems]T {
	chunk, found := d.middle.Get(at)
	assert(found, "a chunk is missing")
	d.middle.Delete(at)
	return chunk
}

// own makes an end's slice one that may be written to.
func own[T any](end *[]T, shared *bool) {
	if *shared {
		*end, *shared = slices.Clone(*end), false
	}
}

// popLast removes the outermost item of an end. What it leaves is zeroed, for the collector.
func popLast[T any](end *[]T) T {
	var zero T
	last := len(*end) - 1
	v := (*end)[last]
	(*end)[last] = zero
	*end = (*end)[:last]
	release(end)
	return v
}

// popFirst removes the innermost item of an end: it is the other end's outermost one when there
// is nothing between them.
func popFirst[T any](end *[]T) T {
	var zero T
	v := (*end)[0]
	(*end)[0] = zero
	*end = (*end)[1:]
	release(end)
	return v
}

// release gives up the memory of an end that became empty, so that a million emptied deques cost
// their headers only.
func release[T any](end *[]T) {
	if len(*end) == 0 && cap(*end) > 4 {
		*end = nil
	}
}
