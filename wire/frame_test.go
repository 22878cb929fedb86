package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func reader(b []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(b)) }

func TestFramesComeBackInOrder(t *testing.T) {
	var stream []byte
	for _, m := range samples() {
		before := len(stream)
		stream = AppendFrame(stream, m)
		if n := len(stream) - before; n > FrameBound(m) {
			t.Errorf("%s: a frame of %d bytes, and the bound is %d", name(m), n, FrameBound(m))
		}
		if n := FrameBytes(stream[before:]); n != len(stream)-before {
			t.Fatalf("%s: a frame of %d bytes says %d", name(m), len(stream)-before, n)
		}
	}
	r := reader(stream)
	for _, want := range samples() {
		body, err := ReadFrame(r, 1<<10, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeMessage(body)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-sent +got):\n%s", name(want), diff)
		}
	}
	if _, err := ReadFrame(r, 1<<10, nil); err != io.EOF {
		t.Errorf("at the end: %v, want EOF", err)
	}
}

func TestFrameBuffers(t *testing.T) {
	frame := AppendFrame(nil, samples()[0])
	buf := make([]byte, 0, 1<<10)
	body, err := ReadFrame(reader(frame), 1<<10, buf)
	if err != nil || &body[0] != &buf[:1][0] {
		t.Errorf("room enough was not used: %v", err)
	}
	if body, err = ReadFrame(reader(frame), 1<<10, buf[:0:1]); err != nil || &body[0] == &buf[:1][0] {
		t.Errorf("a buffer too small was used: %v", err)
	}
}

func TestDamagedFramesAreRefused(t *testing.T) {
	frame := AppendFrame(nil, samples()[8])
	for i := range frame {
		damaged := bytes.Clone(frame)
		damaged[i] ^= 1 << (i % 8)
		if _, err := ReadFrame(reader(damaged), len(frame)*2, nil); err == nil {
			t.Errorf("a frame with byte %d changed is read", i)
		}
	}
	for n := 1; n < len(frame); n++ {
		_, err := ReadFrame(reader(frame[:n]), len(frame), nil)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d of %d bytes of a frame: %v", n, len(frame), err)
		}
	}
}

func TestFrameLimits(t *testing.T) {
	frame := AppendFrame(nil, samples()[0])
	size := len(frame) - HeaderBytes
	if _, err := ReadFrame(reader(frame), size, nil); err != nil {
		t.Errorf("a body of exactly the limit: %v", err)
	}
	if _, err := ReadFrame(reader(frame), size-1, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a body above the limit: %v", err)
	}
	huge := []byte{255, 255, 255, 255, 0, 0, 0, 0, 1, 1}
	if _, err := ReadFrame(reader(huge), 1<<20, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a body of 4 GiB: %v", err)
	}
	for length := range byte(minBodyBytes) {
		empty := []byte{length, 0, 0, 0, 0, 0, 0, 0, 1, 1}
		if _, err := ReadFrame(reader(empty), 1<<20, nil); !errors.Is(err, ErrMalformed) {
			t.Errorf("a body of %d bytes: %v", length, err)
		}
	}
}
