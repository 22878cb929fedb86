package store_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"drystone/store"
)

// model is a store in the plainest form: top last.
type model map[string][][]byte

func (m model) clone() model {
	c := maps.Clone(m)
	for name := range c {
		c[name] = slices.Clone(c[name])
	}
	return c
}

func (m model) apply(c store.Command) store.Reply {
	switch c := c.(type) {
	case store.CreateStack:
		items, found := m[c.Stack]
		m[c.Stack] = items
		return store.Reply{Created: !found, Size: uint64(len(items))}
	case store.DeleteStack:
		if _, found := m[c.Stack]; !found {
			return store.Reply{Code: store.NoSuchStack}
		}
		delete(m, c.Stack)
		return store.Reply{}
	case store.Push:
		for _, v := range c.Values {
			if len(v) > 8 {
				return store.Reply{Code: store.TooLarge}
			}
		}
		items, found := m[c.Stack]
		if !found && c.MustExist {
			return store.Reply{Code: store.NoSuchStack}
		}
		for _, v := range c.Values {
			if c.End == store.Top {
				items = append(items, v)
			} else {
				items = slices.Insert(items, 0, v)
			}
		}
		m[c.Stack] = items
		return store.Reply{Created: !found, Size: uint64(len(items))}
	case store.Pop:
		items, found := m[c.Stack]
		if !found {
			return store.Reply{Code: store.NoSuchStack}
		}
		var r store.Reply
		for n := min(c.Count, uint64(len(items))); n > 0; n-- {
			if c.End == store.Top {
				r.Values = append(r.Values, items[len(items)-1])
				items = items[:len(items)-1]
			} else {
				r.Values = append(r.Values, items[0])
				items = slices.Clone(items[1:])
			}
		}
		m[c.Stack], r.Size = items, uint64(len(items))
		return r
	}
	panic("a command the model doesn't have")
}

func (m model) query(q store.Query) store.Reply {
	switch q := q.(type) {
	case store.GetStack:
		items, found := m[q.Stack]
		if !found {
			return store.Reply{Code: store.NoSuchStack}
		}
		r := store.Reply{Size: uint64(len(items))}
		if q.WithTop && len(items) > 0 {
			r.Values = items[len(items)-1:]
		}
		return r
	case store.Items:
		items, found := m[q.Stack]
		if !found {
			return store.Reply{Code: store.NoSuchStack}
		}
		r := store.Reply{Size: uint64(len(items))}
		for i := len(items) - 1 - int(q.Offset); i >= 0 && uint64(len(r.Values)) < q.Limit; i-- {
			r.Values = append(r.Values, items[i])
		}
		return r
	case store.ListStacks:
		var r store.Reply
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if !strings.HasPrefix(name, q.Prefix) || name <= q.After {
				continue
			}
			if uint64(len(r.Stacks)) == q.Limit {
				r.Next = r.Stacks[len(r.Stacks)-1].Name
				break
			}
			r.Stacks = append(r.Stacks, store.StackInfo{Name: name, Size: uint64(len(m[name]))})
		}
		return r
	}
	panic("a query the model doesn't have")
}

func drawName(t *rapid.T) string {
	if rapid.Bool().Draw(t, "few names") {
		return rapid.SampledFrom([]string{"a", "b"}).Draw(t, "stack")
	}
	return fmt.Sprintf("s%d", rapid.IntRange(0, 60).Draw(t, "number"))
}

func drawCommand(t *rapid.T) store.Command {
	name, end := drawName(t), store.End(rapid.IntRange(0, 1).Draw(t, "end"))
	switch rapid.SampledFrom([]string{"push", "push", "pop", "pop", "create", "delete"}).
		Draw(t, "command") {
	case "push":
		c := store.Push{Stack: name, End: end, MustExist: rapid.Bool().Draw(t, "must exist")}
		start, size := rapid.IntRange(0, 9999).Draw(t, "start"), 0
		if size = rapid.IntRange(0, 5).Draw(t, "values"); size == 5 {
			size = rapid.IntRange(0, 200).Draw(t, "many values")
		}
		for i := range size {
			c.Values = append(c.Values, fmt.Appendf(nil, "%d", start+i))
		}
		if rapid.IntRange(0, 19).Draw(t, "too large") == 0 {
			c.Values = append(c.Values, []byte("more than 8 bytes"))
		}
		return c
	case "pop":
		count := rapid.SampledFrom([]uint64{1, 2, 100, 500, 1 << 63}).Draw(t, "count")
		return store.Pop{Stack: name, End: end, Count: count}
	case "create":
		return store.CreateStack{Stack: name}
	}
	return store.DeleteStack{Stack: name}
}

func drawQuery(t *rapid.T) store.Query {
	limit := rapid.SampledFrom([]uint64{1, 3, 200}).Draw(t, "limit")
	switch rapid.IntRange(0, 2).Draw(t, "query") {
	case 0:
		return store.GetStack{Stack: drawName(t), WithTop: rapid.Bool().Draw(t, "top")}
	case 1:
		return store.Items{Stack: drawName(t), Limit: limit,
			Offset: rapid.Uint64Range(0, 500).Draw(t, "offset")}
	}
	return store.ListStacks{Limit: limit,
		Prefix: rapid.SampledFrom([]string{"", "s", "s1", "z"}).Draw(t, "prefix"),
		After:  rapid.SampledFrom([]string{"", "a", "s1", "s30"}).Draw(t, "after")}
}

// TestAStoreDoesWhatTheModelDoes compares random commands and queries with the model, on a store
// that is frozen, and replaced by one restored from a frozen view, at random. Every frozen view
// must hold, in the end, what the model held at its moment. A second store that gets the same
// commands and is never frozen must agree on every reply and hash.
func TestAStoreDoesWhatTheModelDoes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type moment struct {
			view  io.WriterTo
			want  model
			hash  uint64
			bytes uint64
		}
		var moments []moment
		s, plain, m := store.New(), store.New(), model{}
		for range rapid.IntRange(1, 60).Draw(rt, "commands") {
			c := drawCommand(rt)
			encoded := store.EncodeCommand(nil, c)
			got, want := apply(t, s, c), m.apply(c)
			if !sameReply(want, got) {
				rt.Fatalf("%+v (-want +got):\n%s", c, cmp.Diff(want, got))
			}
			again := decoded(t, plain.Apply(testContext, encoded))
			if !sameReply(got, again) || s.Hash() != plain.Hash() {
				rt.Fatalf("two stores differ after %+v: %s", c, cmp.Diff(got, again))
			}
			q := drawQuery(rt)
			if want, got := m.query(q), query(t, s, q); !sameReply(want, got) {
				rt.Fatalf("%+v (-want +got):\n%s", q, cmp.Diff(want, got))
			}
			switch rapid.IntRange(0, 9).Draw(rt, "freeze") {
			case 0:
				moments = append(moments, moment{s.Snapshot(), m.clone(), s.Hash(), s.Bytes()})
			case 1:
				s = restored(t, s.Snapshot())
			}
			checkBytes(rt, s, m)
		}
		for _, at := range moments {
			r := restored(t, at.view)
			if r.Hash() != at.hash || r.Bytes() != at.bytes {
				rt.Fatalf("a frozen view has another hash, or %d bytes", r.Bytes())
			}
			compareContent(rt, r, at.want)
		}
		compareContent(rt, s, m)
	})
}

// sameReply takes empty lists for equal, nil or not.
func sameReply(a, b store.Reply) bool {
	return a.Code == b.Code && a.Created == b.Created && a.Size == b.Size && a.Next == b.Next &&
		slices.EqualFunc(a.Values, b.Values, bytes.Equal) && slices.Equal(a.Stacks, b.Stacks)
}

func restored(t testing.TB, view io.WriterTo) *store.Store {
	t.Helper()
	var stream bytes.Buffer
	if n, err := view.WriteTo(&stream); err != nil || n != int64(stream.Len()) {
		t.Fatalf("WriteTo: %d of %d bytes, %v", n, stream.Len(), err)
	}
	s := store.New()
	if err := s.Restore(&stream); err != nil {
		t.Fatal(err)
	}
	return s
}

func checkBytes(t *rapid.T, s *store.Store, m model) {
	want := 0
	for name, items := range m {
		want += len(name) + 256
		for _, item := range items {
			want += len(item) + 32
		}
	}
	if s.Bytes() != uint64(want) {
		t.Fatalf("Bytes is %d, not %d", s.Bytes(), want)
	}
}

func compareContent(t *rapid.T, s *store.Store, m model) {
	list := store.EncodeQuery(nil, store.ListStacks{})
	r, _ := store.DecodeReply(bytes.Clone(s.Query(testContext, list)))
	if len(r.Stacks) != len(m) {
		t.Fatalf("there are %d stacks, not %d", len(r.Stacks), len(m))
	}
	for name, items := range m {
		q := store.EncodeQuery(nil, store.Items{Stack: name})
		r, _ := store.DecodeReply(s.Query(testContext, q))
		slices.Reverse(r.Values)
		if !slices.EqualFunc(items, r.Values, bytes.Equal) {
			t.Fatalf("stack %q (-want +got):\n%s", name, cmp.Diff(items, r.Values))
		}
	}
}
