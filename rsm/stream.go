package rsm

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// streamBuffer is the size of the pieces in which snapshots are written and read.
const streamBuffer = 64 << 10

// StreamWriter writes a snapshot in pieces of bounded size, in the encoding that StreamReader
// reads. The first failure sticks and is returned by Flush.
type StreamWriter struct {
	counted countingWriter
	buffer  *bufio.Writer
	scratch [binary.MaxVarintLen64]byte
}

// NewStreamWriter returns a StreamWriter to w.
func NewStreamWriter(w io.Writer) *StreamWriter {
	s := &StreamWriter{counted: countingWriter{to: w}}
	s.buffer = bufio.NewWriterSize(&s.counted, streamBuffer)
	return s
}

// Flush writes what is buffered and returns how many bytes were written in all, and the first
// failure: the results of an io.WriterTo.
func (s *StreamWriter) Flush() (int64, error) {
	err := s.buffer.Flush()
	return s.counted.bytes, err
}

// Write writes b as it is.
func (s *StreamWriter) Write(b []byte) (int, error) { return s.buffer.Write(b) }

// Byte writes one byte.
func (s *StreamWriter) Byte(b byte) { s.buffer.WriteByte(b) }

// Bool writes a byte that is 0 or 1.
func (s *StreamWriter) Bool(b bool) { s.buffer.Write(AppendBool(s.scratch[:0], b)) }

// Uvarint writes n as a varint.
func (s *StreamWriter) Uvarint(n uint64) {
	s.buffer.Write(binary.AppendUvarint(s.scratch[:0], n))
}

// Uint64 writes n as eight bytes, little endian.
func (s *StreamWriter) Uint64(n uint64) {
	s.buffer.Write(binary.LittleEndian.AppendUint64(s.scratch[:0], n))
}

// Bytes writes the length of b, as a varint, and b.
func (s *StreamWriter) Bytes(b []byte) {
	s.Uvarint(uint64(len(b)))
	s.buffer.Write(b)
}

// String writes v as Bytes would.
func (s *StreamWriter) String(v string) {
	s.Uvarint(uint64(len(v)))
	s.buffer.WriteString(v)
}

// countingWriter counts what it passes on.
type countingWriter struct {
	to    io.Writer
	bytes int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.bytes += int64(n)
	return n, err
}

// StreamReader reads a snapshot. Nothing it is told is believed: memory is taken only for bytes
// that have arrived. The first failure sticks: what is read after it is zero, so that loops over
// a count must end when Err says so.
type StreamReader struct {
	buffer *bufio.Reader
	err    error
}

// NewStreamReader returns a StreamReader of r. It reads ahead.
func NewStreamReader(r io.Reader) *StreamReader {
	return &StreamReader{buffer: bufio.NewReaderSize(r, streamBuffer)}
}

// Err returns the first failure.
func (s *StreamReader) Err() error { return s.err }

// Fail records a failure that the caller found.
func (s *StreamReader) Fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// fail records what reading failed with. Only End may meet the end of the stream.
func (s *StreamReader) fail(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrTruncated
	}
	s.Fail(err)
}

// End reads the end of the stream. It returns the first failure, or ErrTrailing when there is
// more instead.
func (s *StreamReader) End() error {
	if s.err == nil {
		switch _, err := s.buffer.ReadByte(); {
		case err == nil:
			s.Fail(ErrTrailing)
		case !errors.Is(err, io.EOF):
			s.Fail(err)
		}
	}
	return s.err
}

// Byte reads one byte.
func (s *StreamReader) Byte() byte {
	if s.err != nil {
		return 0
	}
	b, err := s.buffer.ReadByte()
	if err != nil {
		s.fail(err)
	}
	return b
}

// Bool reads a byte that is 0 or 1.
func (s *StreamReader) Bool() bool {
	b := s.Byte()
	if b > 1 {
		s.Fail(ErrMalformed)
	}
	return b == 1
}

// Uvarint reads a varint.
func (s *StreamReader) Uvarint() uint64 {
	var n uint64
	for shift := uint(0); s.err == nil; shift += 7 {
		b := s.Byte()
		if shift == 63 && b > 1 {
			s.Fail(ErrMalformed)
			break
		}
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	return 0
}

// Uint64 reads eight bytes, little endian.
func (s *StreamReader) Uint64() uint64 {
	var b [8]byte
	s.Full(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// Full fills b.
func (s *StreamReader) Full(b []byte) {
	if s.err != nil {
		clear(b)
		return
	}
	if _, err := io.ReadFull(s.buffer, b); err != nil {
		clear(b)
		s.fail(err)
	}
}

// Bytes reads a varint length and that many bytes. The result is nil when there are none.
func (s *StreamReader) Bytes() []byte {
	left := s.Uvarint()
	if s.err != nil || left == 0 {
		return nil
	}
	// The length is a claim until the bytes are there: memory grows with what was read.
	b := make([]byte, 0, min(left, streamBuffer))
	for left > 0 {
		n := min(left, streamBuffer, max(uint64(len(b)), 512))
		start := len(b)
		b = append(b, make([]byte, n)...)
		s.Full(b[start:])
		if s.err != nil {
			return nil
		}
		left -= n
	}
	return b
}

// String reads what Bytes would, as a string.
func (s *StreamReader) String() string { return string(s.Bytes()) }
