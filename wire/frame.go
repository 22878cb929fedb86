package wire

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// HeaderBytes is what a frame adds to its body: length and checksum.
const HeaderBytes = 8

const minBodyBytes = 2 // version and kind

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendFrame appends m in a frame.
func AppendFrame(dst []byte, m Message) []byte {
	dst = slices.Grow(dst, FrameBound(m))
	start := len(dst)
	return seal(EncodeMessage(append(dst, make([]byte, HeaderBytes)...), m), start)
}

// seal fills in the header of the frame that begins at start.
func seal(dst []byte, start int) []byte {
	body := dst[start+HeaderBytes:]
	assert(uint64(len(body)) <= 1<<32-1, "frame longer than its length can say")
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(body)))
	binary.LittleEndian.PutUint32(dst[start+4:], crc32.Checksum(body, castagnoli))
	return dst
}

// FrameBytes is the length, header included, of the frame that begins with these HeaderBytes.
func FrameBytes(header []byte) int {
	return HeaderBytes + int(binary.LittleEndian.Uint32(header))
}

// ReadFrame reads one frame and gives its body, in buf when that has room and in bytes of its own
// otherwise. A body of more than max bytes is ErrTooLarge before anything is allocated for it; one
// that does not check is ErrChecksum. io.EOF means that the stream ended between two frames.
// After any error but that, the stream is of no more use.
func ReadFrame(r *bufio.Reader, max int, buf []byte) ([]byte, error) {
	header, err := r.Peek(HeaderBytes)
	if err != nil {
		if err == io.EOF && len(header) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	length := binary.LittleEndian.Uint32(header)
	sum := binary.LittleEndian.Uint32(header[4:])
	if uint64(length) > uint64(max) {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, length, max)
	}
	if length < minBodyBytes {
		return nil, fmt.Errorf("%w: frame of %d bytes", ErrMalformed, length)
	}
	r.Discard(HeaderBytes) // cannot fail: it was peeked
	if uint64(cap(buf)) < uint64(length) {
		buf = make([]byte, length)
	}
	buf = buf[:length]
	if _, err := io.ReadFull(r, buf); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if crc32.Checksum(buf, castagnoli) != sum {
		return nil, ErrChecksum
	}
	return buf, nil
}
