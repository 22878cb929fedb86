package wire

import (
	"bufio"
	"bytes"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"drystone/raft"
)

// What decodes must encode, and decode to the same again: the first encoding may have had fields
// of a later version, so the bytes need not be equal.
func FuzzDecodeMessage(f *testing.F) {
	for _, m := range samples() {
		f.Add(EncodeMessage(nil, m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMessage(b)
		if err != nil {
			return
		}
		body := EncodeMessage(nil, m)
		again, err := DecodeMessage(body)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Fatal(diff)
		}
		if n := HeaderBytes + len(body); n > FrameBound(m) {
			t.Errorf("a frame of %d bytes, bounded by %d", n, FrameBound(m))
		}
		if m.Raft != nil && roomOf(m.Raft.Body) > 8*len(b) {
			t.Errorf("%d bytes make room for %d", len(b), roomOf(m.Raft.Body))
		}
	})
}

// roomOf is what was allocated for a body beside the bytes that it aliases.
func roomOf(b raft.Body) int {
	switch b := b.(type) {
	case raft.AppendEntries:
		return cap(b.Entries) * int(unsafe.Sizeof(raft.Entry{}))
	case raft.InstallSnapshot:
		m := b.Meta.Members
		return 8*(cap(m.Voters)+cap(m.Next)+cap(m.Learners)) + cap(m.Directory)
	}
	return 0
}

func FuzzReadFrame(f *testing.F) {
	for _, m := range samples() {
		f.Add(AppendFrame(nil, m))
	}
	f.Add([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 12
		r := bufio.NewReader(bytes.NewReader(b))
		rest := b
		for {
			body, err := ReadFrame(r, limit, nil)
			if err != nil {
				return
			}
			if len(body) > limit || len(body) < minBodyBytes {
				t.Fatalf("a body of %d bytes", len(body))
			}
			if !bytes.Equal(body, rest[HeaderBytes:FrameBytes(rest)]) {
				t.Fatal("a body that was not in the stream")
			}
			rest = rest[FrameBytes(rest):]
		}
	})
}

func FuzzDecodeHello(f *testing.F) {
	for _, h := range hellos() {
		f.Add(EncodeHello(nil, h))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := DecodeHello(b)
		if err != nil {
			return
		}
		if again, err := DecodeHello(EncodeHello(nil, h)); err != nil || again != h {
			t.Fatalf("%+v came back as %+v, %v", h, again, err)
		}
	})
}

func FuzzDecodeHelloReply(f *testing.F) {
	for _, r := range replies() {
		f.Add(EncodeHelloReply(nil, r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeHelloReply(b)
		if err != nil {
			return
		}
		if again, err := DecodeHelloReply(EncodeHelloReply(nil, r)); err != nil || again != r {
			t.Fatalf("%+v came back as %+v, %v", r, again, err)
		}
	})
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add(EncodeEntry(nil, raft.Entry{Index: 1, Term: 2, Data: []byte("x")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEntry(b)
		if err != nil {
			return
		}
		if again, err := DecodeEntry(EncodeEntry(nil, e)); err != nil || !cmp.Equal(e, again) {
			t.Fatalf("%v came back as %v, %v", e, again, err)
		}
	})
}

func FuzzDecodeMeta(f *testing.F) {
	f.Add(EncodeMeta(nil, meta()))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMeta(b)
		if err != nil {
			return
		}
		if again, err := DecodeMeta(EncodeMeta(nil, m)); err != nil || !cmp.Equal(m, again) {
			t.Fatalf("%v came back as %v, %v", m, again, err)
		}
	})
}
