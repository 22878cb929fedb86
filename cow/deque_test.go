package cow

import (
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// TestDequeIsASliceOfItsMoment changes a deque at random, forks it at random, and compares it and
// every deque it was forked from with plain slices.
func TestDequeIsASliceOfItsMoment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type moment struct {
			d    Deque[int]
			want []int
		}
		var frozen []moment
		lo := rapid.Int64Range(-100, 100).Draw(t, "lo")
		d, next := NewDequeAt[int](lo), 0
		var want []int
		for range rapid.IntRange(1, 30).Draw(t, "rounds") {
			burst := rapid.IntRange(0, 300).Draw(t, "burst")
			do := rapid.IntRange(0, 3).Draw(t, "do")
			for range burst {
				switch {
				case do == 0:
					d.PushTop(next)
					want = append(want, next)
				case do == 1:
					d.PushBottom(next)
					want = slices.Insert(want, 0, next)
					lo--
				case len(want) == 0:
				case do == 2:
					if v := d.PopTop(); v != want[len(want)-1] {
						t.Fatalf("PopTop is %d, not %d", v, want[len(want)-1])
					}
					want = want[:len(want)-1]
				default:
					if v := d.PopBottom(); v != want[0] {
						t.Fatalf("PopBottom is %d, not %d", v, want[0])
					}
					want = slices.Delete(want, 0, 1)
					lo++
				}
				next++
			}
			if d.Lo() != lo || d.Hi() != lo+int64(len(want)) {
				t.Fatalf("positions are %d to %d, not from %d", d.Lo(), d.Hi(), lo)
			}
			compareDeque(t, &d, want)
			if rapid.Bool().Draw(t, "fork") {
				frozen = append(frozen, moment{d, slices.Clone(want)})
				d = d.Fork()
			}
		}
		for i := range frozen {
			compareDeque(t, &frozen[i].d, frozen[i].want)
		}
	})
}

func compareDeque(t *rapid.T, d *Deque[int], want []int) {
	if d.Len() != len(want) {
		t.Fatalf("Len is %d, not %d", d.Len(), len(want))
	}
	if got := slices.Collect(d.All()); !slices.Equal(got, want) {
		t.Fatalf("All yields %v, not %v", got, want)
	}
	for i, v := range want {
		if d.At(i) != v {
			t.Fatalf("At(%d) is %d, not %d", i, d.At(i), v)
		}
	}
	if len(d.top) > 2*chunkItems || len(d.bottom) > 2*chunkItems {
		t.Fatalf("the ends hold %d and %d items", len(d.top), len(d.bottom))
	}
}

// TestForksAreReadWhileTheLastOneChanges is for the race detector.
func TestForksAreReadWhileTheLastOneChanges(t *testing.T) {
	var d Deque[int]
	var m Map[int, int]
	var readers sync.WaitGroup
	for i := range 400 {
		d.PushTop(i)
		m.Set(i*7%400, i)
		if i%3 == 0 {
			d.PopBottom()
			m.Delete(i * 7 % 400)
		}
		if i%20 == 0 {
			oldDeque, oldMap := d, m
			d, m = d.Fork(), m.Fork()
			length, keys := d.Len(), m.Len()
			readers.Add(1)
			go func() {
				defer readers.Done()
				if n := len(slices.Collect(oldDeque.All())); n != length {
					t.Errorf("a frozen deque has %d items, not %d", n, length)
				}
				n := 0
				for range oldMap.All() {
					n++
				}
				if n != keys {
					t.Errorf("a frozen map has %d keys, not %d", n, keys)
				}
			}()
		}
	}
	readers.Wait()
}

// TestAtAnEdgeAPushAndAPopMoveNothing: the ends keep a chunk in reserve on both sides of a move.
func TestAtAnEdgeAPushAndAPopMoveNothing(t *testing.T) {
	var d Deque[int]
	for i := range 10*chunkItems + 1 {
		d.PushTop(i)
		edge := d.Len()
		d.PushTop(i)
		d.PopTop()
		before := d.midHi
		for range 3 {
			d.PopTop()
			d.PushTop(i)
			d.PushTop(i)
			d.PopTop()
		}
		if d.midHi != before || d.Len() != edge {
			t.Fatalf("with %d items, pushes and pops at an edge moved a chunk", edge)
		}
	}
}

func BenchmarkDeque(b *testing.B) {
	b.Run("push", func(b *testing.B) {
		var d Deque[string]
		for b.Loop() {
			d.PushTop("value")
		}
	})
	b.Run("queue", func(b *testing.B) {
		var d Deque[string]
		for range 100_000 {
			d.PushTop("value")
		}
		for b.Loop() {
			d.PushTop("value")
			d.PopBottom()
		}
	})
}

func BenchmarkMap(b *testing.B) {
	var m Map[uint64, int]
	for i := range uint64(1 << 20) {
		m.Set(i*0x9e3779b97f4a7c15, 1)
	}
	b.Run("get", func(b *testing.B) {
		for i := uint64(0); b.Loop(); i++ {
			m.Get((i & (1<<20 - 1)) * 0x9e3779b97f4a7c15)
		}
	})
	b.Run("fork and set", func(b *testing.B) {
		for i := uint64(0); b.Loop(); i++ {
			m = m.Fork()
			m.Set((i&(1<<20-1))*0x9e3779b97f4a7c15, 2)
		}
	})
}
