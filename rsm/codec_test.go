package rsm_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"drystone/rsm"
)

func drawBatch(t *rapid.T) rsm.Batch {
	b := rsm.Batch{
		Node: rapid.Uint64().Draw(t, "node"), Boot: rapid.Uint64().Draw(t, "boot"),
		Number: rapid.Uint64().Draw(t, "number"), Ack: rapid.Uint64().Draw(t, "ack"),
		Admitted: rapid.Int64().Draw(t, "admitted"),
	}
	text := rapid.SampledFrom([]string{"", "x", string(make([]byte, 300))})
	if keep := rapid.SliceOfDistinct(rapid.Uint64Min(1), rapid.ID).Draw(t, "keep"); len(keep) > 0 {
		slices.Sort(keep)
		b.Keep = keep
	}
	for range rapid.IntRange(0, 5).Draw(t, "requests") {
		r := rsm.Request{
			Serial:   rapid.Uint64().Draw(t, "serial"),
			Kind:     rsm.RequestKind(rapid.IntRange(0, int(rsm.FreeRequest)).Draw(t, "kind")),
			BudgetMs: rapid.Uint64Range(0, 2).Draw(t, "budget"),
			Identity: rsm.Identity{
				Scope: text.Draw(t, "scope"), Key: text.Draw(t, "key"),
				Session: rapid.Uint64Range(0, 1).Draw(t, "session"),
				Seq:     rapid.Uint64Range(0, 1).Draw(t, "seq"),
				Ack:     rapid.Uint64Range(0, 1).Draw(t, "session ack"),
			},
		}
		if command := text.Draw(t, "command"); command != "" {
			r.Command = []byte(command)
		}
		b.Requests = append(b.Requests, r)
	}
	return b
}

func TestBatchesSurviveEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBatch(t)
		encoded := rsm.EncodeBatch([]byte("before"), b)[len("before"):]
		got, err := rsm.DecodeBatch(encoded)
		if err != nil || !reflect.DeepEqual(b, got) {
			t.Fatalf("%v (-want +got):\n%s", err, cmp.Diff(b, got))
		}
		for cut := range encoded {
			if _, err := rsm.DecodeBatch(encoded[:cut]); err == nil {
				t.Fatalf("cut to %d of %d bytes it still decodes", cut, len(encoded))
			}
		}
		if _, err := rsm.DecodeBatch(append(encoded, 0)); !errors.Is(err, rsm.ErrTrailing) {
			t.Fatalf("with a trailing byte: %v", err)
		}
		node, boot, number, err := rsm.BatchHead(encoded)
		if node != b.Node || boot != b.Boot || number != b.Number || err != nil {
			t.Fatalf("the head is %d, %d, %d, %v", node, boot, number, err)
		}
		b.Admitted = rapid.Int64().Draw(t, "stamp")
		rsm.StampBatch(encoded, b.Admitted)
		if got, _ := rsm.DecodeBatch(encoded); got.Admitted != b.Admitted {
			t.Fatalf("stamped %d, it is %d", b.Admitted, got.Admitted)
		}
		if !bytes.Equal(encoded, rsm.EncodeBatch(nil, b)) {
			t.Fatal("a stamp changed more than it says")
		}
	})
}

func TestEntriesSurviveEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := rsm.Entry{Stamp: rapid.Uint64().Draw(t, "stamp")}
		for range rapid.IntRange(0, 4).Draw(t, "batches") {
			e.Batches = append(e.Batches, rsm.EncodeBatch(nil, drawBatch(t)))
		}
		encoded := rsm.EncodeEntry(nil, e)
		got, err := rsm.DecodeEntry(encoded)
		if err != nil || !reflect.DeepEqual(e, got) {
			t.Fatalf("%v (-want +got):\n%s", err, cmp.Diff(e, got))
		}
		cut := rapid.IntRange(0, len(encoded)-1).Draw(t, "cut")
		if _, err := rsm.DecodeEntry(encoded[:cut]); err == nil {
			t.Fatalf("cut to %d of %d bytes it still decodes", cut, len(encoded))
		}
		if _, err := rsm.DecodeEntry(append(encoded, 0)); !errors.Is(err, rsm.ErrTrailing) {
			t.Fatalf("with a trailing byte: %v", err)
		}
	})
}

// Two encodings of one value would be two fingerprints of one command.
func TestOnlyOneEncodingIsTaken(t *testing.T) {
	plain := rsm.EncodeBatch(nil, rsm.Batch{Requests: []rsm.Request{{}}})
	for name, change := range map[string]func([]byte) []byte{
		"a long varint":  func(b []byte) []byte { return append(b[:len(b)-1], 0x80, 0) },
		"an empty key":   func(b []byte) []byte { return withFields(b, 1, 0, 0) },
		"an empty id":    func(b []byte) []byte { return withFields(b, 2, 0, 0, 0) },
		"no budget":      func(b []byte) []byte { return withFields(b, 4, 0) },
		"unknown fields": func(b []byte) []byte { return withFields(b, 8) },
		"an empty list of what to keep": func(b []byte) []byte {
			b[0] = 2
			return slices.Insert(b, len(b)-5, 0)
		},
		"a kind of version 2": func(b []byte) []byte {
			b[len(b)-4] = byte(rsm.OpenSession)
			return b
		},
	} {
		bad := change(bytes.Clone(plain))
		if _, err := rsm.DecodeBatch(bad); !errors.Is(err, rsm.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// withFields sets the fields byte of the last request of a batch that ends with an empty one,
// and puts content before its command.
func withFields(b []byte, fields byte, content ...byte) []byte {
	end := len(b) - 1
	b[end-2] = fields
	return append(append(b[:end], content...), 0)
}

func FuzzDecodeBatch(f *testing.F) {
	f.Add([]byte{})
	f.Add(rsm.EncodeBatch(nil, rsm.Batch{Node: 1, Boot: 2, Number: 3, Ack: 4, Admitted: -5,
		Requests: []rsm.Request{command("x"), keyed("k", "y"),
			{Kind: 1, BudgetMs: 9, Identity: rsm.Identity{Session: 1}}}}))
	f.Add(rsm.EncodeBatch(nil, rsm.Batch{Keep: []uint64{1, 300}, Requests: []rsm.Request{
		{Kind: rsm.OpenSession}}}))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		b, err := rsm.DecodeBatch(encoded)
		if err == nil && !bytes.Equal(rsm.EncodeBatch(nil, b), encoded) {
			t.Fatalf("%+v has another encoding", b)
		}
		if _, _, _, headErr := rsm.BatchHead(encoded); err == nil && headErr != nil {
			t.Fatal(headErr)
		}
	})
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add([]byte{})
	f.Add(rsm.EncodeEntry(nil, rsm.Entry{Stamp: 1, Batches: [][]byte{{1}, {2, 3}}}))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		e, err := rsm.DecodeEntry(encoded)
		if err == nil && !bytes.Equal(rsm.EncodeEntry(nil, e), encoded) {
			t.Fatalf("%+v has another encoding", e)
		}
	})
}

func FuzzDecodeSettings(f *testing.F) {
	f.Add([]byte{})
	f.Add(rsm.EncodeSettings(nil, rsm.SettingsChange{Settings: rsm.DefaultSettings()}))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		c, err := rsm.DecodeSettings(encoded)
		if err == nil && !bytes.Equal(rsm.EncodeSettings(nil, c), encoded) {
			t.Fatalf("%+v has another encoding", c)
		}
	})
}

// FuzzApply applies any entry to a state: an error changes nothing.
func FuzzApply(f *testing.F) {
	f.Add([]byte{})
	f.Add(rsm.EncodeEntry(nil, rsm.Entry{Stamp: 1, Batches: [][]byte{
		rsm.EncodeBatch(nil, batch(1, 1, 1, 0, "x")), rsm.EncodeBatch(nil, rsm.Batch{Node: 1,
			Boot: 1, Number: 2, Requests: []rsm.Request{keyed("k", "y"), {Kind: 1}}})}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.Contains(data, []byte("panic")) {
			return
		}
		r := newReplica(t)
		hash := r.Hash()
		if _, err := r.Apply(1, 1, rsm.EntryCommand, data); err != nil && r.Hash() != hash {
			t.Fatalf("refused with %v, it changed the state", err)
		} else if err == nil && r.restored().Hash() != r.Hash() {
			t.Fatal("the snapshot differs")
		}
	})
}

func FuzzRestore(f *testing.F) {
	f.Add([]byte{})
	f.Add(stream(f, full(f).Snapshot()))
	f.Fuzz(func(t *testing.T, snapshot []byte) {
		r := newReplica(t)
		if err := r.Restore(bytes.NewReader(snapshot)); err != nil {
			return
		}
		hash := r.Hash()
		if r.restored().Hash() != hash {
			t.Fatal("restored again it is another state")
		}
		r.do(1, command("x"))
	})
}
