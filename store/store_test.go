package store_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drystone/rsm"
	"drystone/store"
)

var testContext = &rsm.Context{Settings: rsm.Settings{MaxValueBytes: 8}}

// apply executes a command and returns a reply that lasts.
func apply(t testing.TB, s *store.Store, c store.Command) store.Reply {
	t.Helper()
	return decoded(t, s.Apply(testContext, store.EncodeCommand(nil, c)))
}

func query(t testing.TB, s *store.Store, q store.Query) store.Reply {
	t.Helper()
	return decoded(t, s.Query(testContext, store.EncodeQuery(nil, q)))
}

func decoded(t testing.TB, encoded []byte) store.Reply {
	t.Helper()
	r, err := store.DecodeReply(bytes.Clone(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func values(texts ...string) [][]byte {
	var v [][]byte
	for _, text := range texts {
		v = append(v, []byte(text))
	}
	return v
}

// TestCommands is the table of what each command answers, in order, on one store.
func TestCommands(t *testing.T) {
	s, long := store.New(), strings.Repeat("n", store.MaxNameBytes)
	for i, step := range []struct {
		do   any
		want store.Reply
	}{
		{store.Pop{Stack: "a", Count: 1}, store.Reply{Code: store.NoSuchStack}},
		{store.DeleteStack{Stack: "a"}, store.Reply{Code: store.NoSuchStack}},
		{store.GetStack{Stack: "a"}, store.Reply{Code: store.NoSuchStack}},
		{store.Items{Stack: "a", Limit: 1}, store.Reply{Code: store.NoSuchStack}},
		{store.Push{Stack: "a", Values: values("1"), MustExist: true},
			store.Reply{Code: store.NoSuchStack}},
		{store.ListStacks{}, store.Reply{}},

		{store.CreateStack{Stack: "a"}, store.Reply{Created: true}},
		{store.Pop{Stack: "a", Count: 1}, store.Reply{}},
		{store.GetStack{Stack: "a", WithTop: true}, store.Reply{}},
		{store.Push{Stack: "a", Values: values("1", "2", "3"), MustExist: true},
			store.Reply{Size: 3}},
		{store.CreateStack{Stack: "a"}, store.Reply{Size: 3}},
		{store.GetStack{Stack: "a"}, store.Reply{Size: 3}},
		{store.GetStack{Stack: "a", WithTop: true}, store.Reply{Size: 3, Values: values("3")}},
		{store.Push{Stack: "a", Values: values("y", "z"), End: store.Bottom},
			store.Reply{Size: 5}},
		{store.Items{Stack: "a", Limit: 9},
			store.Reply{Size: 5, Values: values("3", "2", "1", "y", "z")}},
		{store.Items{Stack: "a", Offset: 1, Limit: 2},
			store.Reply{Size: 5, Values: values("2", "1")}},
		{store.Items{Stack: "a", Offset: 5, Limit: 2}, store.Reply{Size: 5}},
		{store.Items{Stack: "a", Offset: 1 << 63, Limit: 2}, store.Reply{Size: 5}},
		{store.Pop{Stack: "a", Count: 2}, store.Reply{Size: 3, Values: values("3", "2")}},
		{store.Pop{Stack: "a", Count: 1, End: store.Bottom},
			store.Reply{Size: 2, Values: values("z")}},
		{store.Pop{Stack: "a", Count: 1 << 63}, store.Reply{Values: values("1", "y")}},

		{store.Push{Stack: "b", Values: values("12345678")},
			store.Reply{Created: true, Size: 1}},
		{store.Push{Stack: "b", Values: values("1", "123456789", "2")},
			store.Reply{Code: store.TooLarge}},
		{store.Push{Stack: "c", Values: values("123456789")},
			store.Reply{Code: store.TooLarge}},
		{store.Push{Stack: "c"}, store.Reply{Created: true}},
		{store.Push{Stack: "b", Values: values("")}, store.Reply{Size: 2}},
		{store.GetStack{Stack: "b", WithTop: true}, store.Reply{Size: 2, Values: values("")}},
		{store.ListStacks{}, store.Reply{Stacks: []store.StackInfo{
			{Name: "a"}, {Name: "b", Size: 2}, {Name: "c"}}}},
		{store.DeleteStack{Stack: "b"}, store.Reply{}},
		{store.GetStack{Stack: "b"}, store.Reply{Code: store.NoSuchStack}},

		{store.CreateStack{Stack: ""}, store.Reply{Code: store.BadRequest}},
		{store.CreateStack{Stack: long}, store.Reply{Created: true}},
		{store.CreateStack{Stack: long + "n"}, store.Reply{Code: store.BadRequest}},
		{store.DeleteStack{Stack: ""}, store.Reply{Code: store.BadRequest}},
		{store.Push{Stack: "", Values: values("x")}, store.Reply{Code: store.BadRequest}},
		{store.Push{Stack: "a", Values: values("x"), End: 2},
			store.Reply{Code: store.BadRequest}},
		{store.Pop{Stack: "a"}, store.Reply{Code: store.BadRequest}},
		{store.Pop{Stack: "a", Count: 1, End: 2}, store.Reply{Code: store.BadRequest}},
		{store.GetStack{Stack: ""}, store.Reply{Code: store.BadRequest}},
		{store.Items{Stack: ""}, store.Reply{Code: store.BadRequest}},
	} {
		var got store.Reply
		switch do := step.do.(type) {
		case store.Command:
			got = apply(t, s, do)
		case store.Query:
			hash := s.Hash()
			if got = query(t, s, do); s.Hash() != hash {
				t.Fatalf("step %d: a query changed the store", i)
			}
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Fatalf("step %d: %+v (-want +got):\n%s", i, step.do, diff)
		}
	}
}

func TestWhatCannotBeDecodedIsABadRequest(t *testing.T) {
	s := store.New()
	apply(t, s, store.Push{Stack: "a", Values: values("1")})
	hash := s.Hash()
	cmd := store.EncodeCommand(nil, store.Push{Stack: "a", Values: values("2")})
	for cut := range cmd {
		if r := decoded(t, s.Apply(testContext, cmd[:cut])); r.Code != store.BadRequest {
			t.Fatalf("cut to %d bytes it is answered %d", cut, r.Code)
		}
	}
	if r := decoded(t, s.Query(testContext, []byte{99})); r.Code != store.BadRequest {
		t.Fatalf("the query is answered %d", r.Code)
	}
	if s.Hash() != hash {
		t.Fatal("it changed the store")
	}
	if !s.Understands(cmd) || !s.Understands(nil) || s.Understands([]byte{99}) {
		t.Fatal("a command is taken for what it is not")
	}
}

func TestListsArePagedByName(t *testing.T) {
	s := store.New()
	for i := range 100 {
		apply(t, s, store.CreateStack{Stack: fmt.Sprintf("b%02d", i)})
	}
	for _, name := range []string{"a", "b", "c", "bz"} {
		apply(t, s, store.CreateStack{Stack: name})
	}
	names := func(q store.ListStacks) (names []string) {
		for pages := 0; ; pages++ {
			r := query(t, s, q)
			for _, info := range r.Stacks {
				names = append(names, info.Name)
			}
			if r.Next == "" {
				return names
			}
			if q.After = r.Next; pages > 200 || r.Next != names[len(names)-1] {
				t.Fatalf("the list goes on after %q", r.Next)
			}
		}
	}
	whole := names(store.ListStacks{})
	if len(whole) != 104 || whole[0] != "a" || whole[1] != "b" || whole[103] != "c" {
		t.Fatalf("the list is %v", whole)
	}
	for _, limit := range []uint64{1, 7, 103, 104, 105, 1 << 63} {
		if diff := cmp.Diff(whole, names(store.ListStacks{Limit: limit})); diff != "" {
			t.Fatalf("in pages of %d: %s", limit, diff)
		}
		got := names(store.ListStacks{Prefix: "b", After: "b95", Limit: limit})
		want := []string{"b96", "b97", "b98", "b99", "bz"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("in pages of %d: %s", limit, diff)
		}
	}
	if got := names(store.ListStacks{Prefix: "b", After: "c"}); got != nil {
		t.Fatalf("after the prefix comes %v", got)
	}
	if got := names(store.ListStacks{Prefix: "b", After: "a", Limit: 50}); len(got) != 102 {
		t.Fatalf("with an After before the prefix there are %d", len(got))
	}
}

// No reply grows with the state alone.
func TestRepliesAreBounded(t *testing.T) {
	s := store.New()
	ctx := &rsm.Context{Settings: rsm.Settings{MaxValueBytes: 1 << 30}}
	big := make([]byte, store.MaxReplyBytes/2+1)
	push := store.EncodeCommand(nil, store.Push{Stack: "big", Values: [][]byte{big, big}})
	s.Apply(ctx, push)
	if r := query(t, s, store.Items{Stack: "big", Limit: 2}); len(r.Values) != 1 || r.Size != 2 {
		t.Fatalf("%d of %d items", len(r.Values), r.Size)
	}
	if r := apply(t, s, store.Pop{Stack: "big", Count: 2}); len(r.Values) != 1 || r.Size != 1 {
		t.Fatalf("%d popped, %d left", len(r.Values), r.Size)
	}
	many := store.Push{Stack: "many", Values: make([][]byte, store.MaxListed+1)}
	apply(t, s, many)
	r := query(t, s, store.Items{Stack: "many", Limit: 1 << 40})
	if len(r.Values) != store.MaxListed {
		t.Fatalf("%d items are listed", len(r.Values))
	}
}

// The hash tells contents apart that have the same values, or the same values in the same places.
func TestTheHashCoversNamePlaceAndValue(t *testing.T) {
	hashes := map[uint64]string{}
	for name, commands := range map[string][]store.Command{
		"nothing":    nil,
		"a created":  {store.CreateStack{Stack: "a"}},
		"b created":  {store.CreateStack{Stack: "b"}},
		"a has 1":    {store.Push{Stack: "a", Values: values("1")}},
		"b has 1":    {store.Push{Stack: "b", Values: values("1")}},
		"a has 1, 2": {store.Push{Stack: "a", Values: values("1", "2")}},
		"a has 2, 1": {store.Push{Stack: "a", Values: values("2", "1")}},
		"a has 12":   {store.Push{Stack: "a", Values: values("12")}},
		"a has ''":   {store.Push{Stack: "a", Values: values("")}},
		"a has 1, b has 2": {store.Push{Stack: "a", Values: values("1")},
			store.Push{Stack: "b", Values: values("2")}},
		"a has 2, b has 1": {store.Push{Stack: "a", Values: values("2")},
			store.Push{Stack: "b", Values: values("1")}},
	} {
		s := store.New()
		for _, c := range commands {
			apply(t, s, c)
		}
		if other, found := hashes[s.Hash()]; found {
			t.Errorf("%q has the hash of %q", name, other)
		}
		hashes[s.Hash()] = name
	}
}

func TestDeletingLeavesNothing(t *testing.T) {
	s := store.New()
	hash, size := s.Hash(), s.Bytes()
	for range 3 {
		for i := range 1000 {
			apply(t, s, store.Push{Stack: "a", Values: values(fmt.Sprint(i))})
		}
		if s.Hash() == hash || s.Bytes() <= size {
			t.Fatal("a thousand items count nothing")
		}
		apply(t, s, store.DeleteStack{Stack: "a"})
		if s.Hash() != hash || s.Bytes() != size {
			t.Fatalf("%d bytes are left", s.Bytes())
		}
	}
}
