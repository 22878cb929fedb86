package rsm

import "io"

// The machine's part of a snapshot is written in frames, each a varint length and at most
// frameBytes bytes, and ends with an empty frame and a hash of what was in the others: the
// machine may write what it likes and read ahead as it likes.
const frameBytes = streamBuffer

// frameWriter writes what it is given as frames.
type frameWriter struct {
	to   *StreamWriter
	hash uint64
}

func (f *frameWriter) Write(b []byte) (n int, err error) {
	for n < len(b) {
		frame := b[n:min(n+frameBytes, len(b))]
		f.hash = HashBytes(f.hash, frame)
		f.to.Uvarint(uint64(len(frame)))
		if _, err := f.to.Write(frame); err != nil {
			return n, err
		}
		n += len(frame)
	}
	return n, nil
}

// end writes the empty frame and the hash.
func (f *frameWriter) end() {
	f.to.Uvarint(0)
	f.to.Uint64(f.hash)
}

// frameReader reads the frames that a frameWriter wrote, as one stream. It reports the end of the
// stream only once it has checked the hash and seen that nothing follows: whoever reads it to its
// end has read a whole and sound snapshot.
type frameReader struct {
	from   *StreamReader
	buffer [frameBytes]byte
	unread []byte // of buffer
	hash   uint64
	done   bool
}

func (f *frameReader) Read(b []byte) (int, error) {
	if len(f.unread) == 0 && !f.done && f.from.Err() == nil {
		f.next()
	}
	if err := f.from.Err(); err != nil {
		return 0, err
	}
	if f.done {
		return 0, io.EOF
	}
	n := copy(b, f.unread)
	f.unread = f.unread[n:]
	return n, nil
}

// next reads a frame, or the end.
func (f *frameReader) next() {
	n := f.from.Uvarint()
	switch {
	case f.from.Err() != nil:
	case n > frameBytes:
		f.from.Fail(ErrMalformed)
	case n > 0:
		f.unread = f.buffer[:n]
		f.from.Full(f.unread)
		f.hash = HashBytes(f.hash, f.unread)
	default:
		if hash := f.from.Uint64(); f.from.Err() == nil && hash != f.hash {
			f.from.Fail(errContradiction)
		}
		f.done = f.from.End() == nil
	}
}

// finish reads what the machine left unread, to the end of the stream.
func (f *frameReader) finish() error {
	_, err := io.Copy(io.Discard, f)
	return err
}
