package rsm_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"drystone/rsm"
)

func TestStreamsSurviveEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64().Draw(t, "n")
		size := rapid.SampledFrom([]int{0, 1, 511, 513, 65_536, 200_000}).Draw(t, "size")
		text := strings.Repeat("x", size)
		var b bytes.Buffer
		w := rsm.NewStreamWriter(&b)
		w.Uvarint(n)
		w.Uint64(n)
		w.Byte(byte(n))
		w.Bool(n%2 == 1)
		w.String(text)
		w.Bytes([]byte(text))
		if written, err := w.Flush(); err != nil || written != int64(b.Len()) {
			t.Fatalf("Flush: %d, %v", written, err)
		}
		encoded := b.Bytes()
		r := rsm.NewStreamReader(iotest.HalfReader(&b))
		if r.Uvarint() != n || r.Uint64() != n || r.Byte() != byte(n) ||
			r.Bool() != (n%2 == 1) || r.String() != text || string(r.Bytes()) != text {
			t.Fatal("what was read is not what was written")
		}
		if err := r.End(); err != nil {
			t.Fatal(err)
		}
		cut := rapid.IntRange(0, len(encoded)-1).Draw(t, "cut")
		r = rsm.NewStreamReader(bytes.NewReader(encoded[:cut]))
		r.Uvarint()
		r.Uint64()
		r.Byte()
		r.Bool()
		_, _ = r.String(), r.Bytes()
		if !errors.Is(r.End(), rsm.ErrTruncated) {
			t.Fatalf("cut to %d of %d bytes: %v", cut, len(encoded), r.Err())
		}
	})
}

func TestStreamsAreNotBelieved(t *testing.T) {
	claim := "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
	for _, c := range []struct {
		name, stream string
		read         func(*rsm.StreamReader)
		want         error
	}{
		{"a giant that isn't there", claim + "0123456789",
			func(r *rsm.StreamReader) { r.Bytes() }, rsm.ErrTruncated},
		{"a varint over 64 bits", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
			func(r *rsm.StreamReader) { r.Uvarint() }, rsm.ErrMalformed},
		{"an endless varint", strings.Repeat("\xff", 99),
			func(r *rsm.StreamReader) { r.Uvarint() }, rsm.ErrMalformed},
		{"a bool of 2", "\x02", func(r *rsm.StreamReader) { r.Bool() }, rsm.ErrMalformed},
		{"more", "xy", func(r *rsm.StreamReader) { r.Byte() }, rsm.ErrTrailing},
	} {
		r := rsm.NewStreamReader(strings.NewReader(c.stream))
		c.read(r)
		if err := r.End(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if r.Uvarint() != 0 || r.Uint64() != 0 || r.Byte() != 0 || r.Bytes() != nil {
			t.Errorf("%s: something is read after a failure", c.name)
		}
	}
}
