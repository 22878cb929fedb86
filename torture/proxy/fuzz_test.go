package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"testing"

	"drystone/wire"
)

// FuzzPieces cuts any bytes into pieces: a line passes on what came, and nothing else. Frames stay
// whole, as far as the bytes are frames.
func FuzzPieces(f *testing.F) {
	two := append(message(1), greeting()...)
	f.Add(two, true)
	f.Add(two[:len(two)-3], true)
	f.Add(append(message(1), 1, 2, 3), true)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), true)
	f.Add(two, false)
	f.Add(make([]byte, 40), true)
	f.Fuzz(func(t *testing.T, b []byte, framed bool) {
		r := bufio.NewReaderSize(bytes.NewReader(b), chunkBytes)
		rest := b
		for {
			piece, err := nextPiece(r, framed)
			if !bytes.HasPrefix(rest, piece) {
				t.Fatalf("%x is passed on, of %x", piece, rest)
			}
			if framed && err == nil && len(piece) != wire.FrameBytes(rest) {
				t.Errorf("a piece of %d bytes, of a frame of %d", len(piece), wire.FrameBytes(rest))
			}
			rest = rest[len(piece):]
			if err == nil {
				continue
			}
			huge := framed && len(rest) >= wire.HeaderBytes &&
				binary.LittleEndian.Uint32(rest) > frameMax
			if len(rest) > 0 && !huge {
				t.Errorf("%x is kept: %v", rest, err)
			}
			return
		}
	})
}
