package cow

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestMapIsAMapOfItsMoment changes a map at random, forks it at random, and compares it and
// every map it was forked from with plain copies.
func TestMapIsAMapOfItsMoment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type moment struct {
			m    Map[int, int]
			want map[int]int
		}
		var frozen []moment
		var m Map[int, int]
		want := map[int]int{}
		keys := rapid.IntRange(0, rapid.SampledFrom([]int{10, 200, 3000}).Draw(t, "keys"))
		for range rapid.IntRange(1, 20).Draw(t, "rounds") {
			burst := rapid.IntRange(0, 200).Draw(t, "burst")
			add := rapid.Bool().Draw(t, "add")
			start, step := keys.Draw(t, "start"), rapid.IntRange(1, 7).Draw(t, "step")
			for i := range burst {
				k := start + i*step
				if add {
					m.Set(k, i)
					want[k] = i
				} else {
					_, found := want[k]
					if m.Delete(k) != found {
						t.Fatalf("Delete(%d) is not %v", k, found)
					}
					delete(want, k)
				}
			}
			compareMap(t, &m, want)
			if rapid.Bool().Draw(t, "fork") {
				frozen = append(frozen, moment{m, maps.Clone(want)})
				m = m.Fork()
			}
		}
		for i := range frozen {
			compareMap(t, &frozen[i].m, frozen[i].want)
		}
	})
}

func compareMap(t *rapid.T, m *Map[int, int], want map[int]int) {
	checkTree(t, m)
	if m.Len() != len(want) {
		t.Fatalf("Len is %d, not %d", m.Len(), len(want))
	}
	keys := slices.Sorted(maps.Keys(want))
	var got []int
	for k, v := range m.All() {
		if v != want[k] {
			t.Fatalf("%d has %d, not %d", k, v, want[k])
		}
		got = append(got, k)
	}
	if !slices.Equal(got, keys) {
		t.Fatalf("All yields %v, not %v", got, keys)
	}
	if k, v, found := m.Min(); found != (len(keys) > 0) || found && (k != keys[0] || v != want[k]) {
		t.Fatalf("Min is %d, %d, %v", k, v, found)
	}
	from := rapid.IntRange(-1, 3100).Draw(t, "from")
	at, _ := slices.BinarySearch(keys, from)
	got = nil
	for k := range m.From(from) {
		if got = append(got, k); len(got) == 40 {
			break
		}
	}
	if !slices.Equal(got, keys[at:min(at+40, len(keys))]) {
		t.Fatalf("From(%d) yields %v", from, got)
	}
	if v, found := m.Get(from); found != (at < len(keys) && keys[at] == from) || v != want[from] {
		t.Fatalf("Get(%d) is %d, %v", from, v, found)
	}
}

// checkTree checks the shape of a B-tree: every node but the root at least half full, all leaves
// at one depth.
func checkTree(t *rapid.T, m *Map[int, int]) {
	depths := map[int]bool{}
	var visit func(n *node[int, int], depth int)
	visit = func(n *node[int, int], depth int) {
		if len(n.keys) > maxKeys || len(n.keys) == 0 || (n != m.root && len(n.keys) < minKeys) {
			t.Fatalf("a node holds %d keys", len(n.keys))
		}
		if len(n.values) != len(n.keys) || n.epoch > m.epoch {
			t.Fatal("a node is inconsistent")
		}
		if n.leaf() {
			depths[depth] = true
			return
		}
		if len(n.kids) != len(n.keys)+1 {
			t.Fatalf("a node with %d keys has %d kids", len(n.keys), len(n.kids))
		}
		for _, kid := range n.kids {
			visit(kid, depth+1)
		}
	}
	if m.root != nil {
		visit(m.root, 0)
	}
	if len(depths) > 1 {
		t.Fatalf("leaves lie at depths %v", slices.Collect(maps.Keys(depths)))
	}
}

// TestForkCopiesOnlyWhatIsTouched measures the promise that makes a snapshot cheap.
func TestForkCopiesOnlyWhatIsTouched(t *testing.T) {
	var m Map[int, int]
	for i := range 100_000 {
		m.Set(i, i)
	}
	frozen := m
	m = m.Fork()
	m.Set(50_000, -1)
	nodes := map[*node[int, int]]bool{}
	var collect func(n *node[int, int])
	collect = func(n *node[int, int]) {
		nodes[n] = true
		for _, kid := range n.kids {
			collect(kid)
		}
	}
	collect(frozen.root)
	shared := len(nodes)
	collect(m.root)
	if copied := len(nodes) - shared; copied < 1 || copied > 5 {
		t.Fatalf("one change copied %d of %d nodes", copied, shared)
	}
	if v, _ := frozen.Get(50_000); v != 50_000 {
		t.Fatalf("the frozen map changed: %d", v)
	}
}
