package store_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"drystone/rsm"
	"drystone/store"
)

func TestCommandsSurviveEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCommand(t)
		encoded := store.EncodeCommand([]byte("before"), c)[len("before"):]
		got, err := store.DecodeCommand(encoded)
		if diff := cmp.Diff(c, got); err != nil || diff != "" {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
		cut := rapid.IntRange(0, len(encoded)-1).Draw(t, "cut")
		if _, err := store.DecodeCommand(encoded[:cut]); err == nil {
			t.Fatalf("cut to %d of %d bytes it still decodes", cut, len(encoded))
		}
		if _, err := store.DecodeCommand(append(encoded, 0)); !errors.Is(err, rsm.ErrTrailing) {
			t.Fatalf("with a trailing byte: %v", err)
		}
	})
}

func TestQueriesSurviveEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuery(t)
		encoded := store.EncodeQuery([]byte("before"), q)[len("before"):]
		got, err := store.DecodeQuery(encoded)
		if diff := cmp.Diff(q, got); err != nil || diff != "" {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
		for cut := range encoded {
			if _, err := store.DecodeQuery(encoded[:cut]); err == nil {
				t.Fatalf("cut to %d of %d bytes it still decodes", cut, len(encoded))
			}
		}
		if _, err := store.DecodeQuery(append(encoded, 0)); !errors.Is(err, rsm.ErrTrailing) {
			t.Fatalf("with a trailing byte: %v", err)
		}
	})
}

func TestRepliesSurviveEncoding(t *testing.T) {
	for _, r := range []store.Reply{
		{},
		{Code: store.TooLarge},
		{Created: true, Size: 1 << 63},
		{Size: 1, Values: values("", "x", "")},
		{Stacks: []store.StackInfo{{Name: "a", Size: 3}, {Name: "b"}}, Next: "b"},
		{Code: 200, Created: true, Size: 9, Values: values("v"), Next: "n"},
	} {
		encoded := store.EncodeReply([]byte("before"), r)[len("before"):]
		got, err := store.DecodeReply(encoded)
		if diff := cmp.Diff(r, got); err != nil || diff != "" {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
		for cut := range encoded {
			if _, err := store.DecodeReply(encoded[:cut]); err == nil {
				t.Fatalf("cut to %d of %d bytes it still decodes", cut, len(encoded))
			}
		}
		if _, err := store.DecodeReply(append(encoded, 0)); !errors.Is(err, rsm.ErrTrailing) {
			t.Fatalf("with a trailing byte: %v", err)
		}
	}
}

func FuzzDecodeCommand(f *testing.F) {
	f.Add([]byte{})
	for _, c := range []store.Command{store.CreateStack{Stack: "a"}, store.DeleteStack{},
		store.Push{Stack: "a", Values: values("1", "")}, store.Pop{Stack: "b", Count: 300}} {
		f.Add(store.EncodeCommand(nil, c))
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		c, err := store.DecodeCommand(encoded)
		if err == nil && !bytes.Equal(store.EncodeCommand(nil, c), encoded) {
			t.Fatalf("%+v has another encoding", c)
		}
		apply := store.New().Apply(testContext, encoded)
		if r, replyErr := store.DecodeReply(apply); replyErr != nil {
			t.Fatal(replyErr)
		} else if err != nil && r.Code != store.BadRequest {
			t.Fatalf("the reply is %+v", r)
		}
	})
}

func FuzzDecodeQuery(f *testing.F) {
	f.Add([]byte{})
	for _, q := range []store.Query{store.GetStack{Stack: "a", WithTop: true},
		store.Items{Stack: "a", Offset: 1, Limit: 2},
		store.ListStacks{Prefix: "a", After: "ab", Limit: 9}} {
		f.Add(store.EncodeQuery(nil, q))
	}
	s := store.New()
	apply(f, s, store.Push{Stack: "a", Values: values("1", "2", "3")})
	f.Fuzz(func(t *testing.T, encoded []byte) {
		q, err := store.DecodeQuery(encoded)
		if err == nil && !bytes.Equal(store.EncodeQuery(nil, q), encoded) {
			t.Fatalf("%+v has another encoding", q)
		}
		if _, err := store.DecodeReply(s.Query(testContext, encoded)); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzDecodeReply(f *testing.F) {
	f.Add([]byte{})
	f.Add(store.EncodeReply(nil, store.Reply{Created: true, Size: 3, Values: values("x", ""),
		Stacks: []store.StackInfo{{Name: "a", Size: 1}}, Next: "a"}))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		r, err := store.DecodeReply(encoded)
		if err == nil && !bytes.Equal(store.EncodeReply(nil, r), encoded) {
			t.Fatalf("%+v has another encoding", r)
		}
	})
}

func FuzzRestore(f *testing.F) {
	f.Add([]byte{})
	s := store.New()
	f.Add(stream(f, s))
	apply(f, s, store.Push{Stack: "a", Values: values("1", "")})
	apply(f, s, store.Push{Stack: "a", End: store.Bottom, Values: values("2")})
	apply(f, s, store.CreateStack{Stack: "b"})
	f.Add(stream(f, s))
	f.Fuzz(func(t *testing.T, snapshot []byte) {
		s := store.New()
		if err := s.Restore(bytes.NewReader(snapshot)); err != nil {
			return
		}
		if again := restored(t, s.Snapshot()); again.Hash() != s.Hash() {
			t.Fatal("restored again it is another store")
		}
		apply(t, s, store.Pop{Stack: "a", Count: 3, End: store.Bottom})
	})
}
