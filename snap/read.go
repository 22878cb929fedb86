package snap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"drystone/disk"
	"drystone/raft"
)

// reader returns the content of a snapshot, each chunk after it was checked.
type reader struct {
	file  disk.File
	name  string
	size  int64 // of the file
	off   int64
	chunk []byte // checked, not returned yet
	buf   []byte
	head  uint32 // its checksum
	foot  foot   // of what was read so far
	err   error
}

func (r *reader) damage(detail string) error {
	return &DamageError{File: r.name, Offset: r.off, Detail: detail}
}

// fill reads n bytes from the current offset, within the file.
func (r *reader) fill(n int) ([]byte, error) {
	if int64(n) > r.size-r.off {
		return nil, r.damage("the file ends too early")
	}
	if cap(r.buf) < n {
		r.buf = make([]byte, n)
	}
	b := r.buf[:n]
	if m, err := r.file.ReadAt(b, r.off); m < n {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read snapshot %s: byte %d: %w", r.name, r.off+int64(m), err)
	}
	return b, nil
}

// begin reads the head.
func (r *reader) begin() (m raft.SnapshotMeta, err error) {
	if r.size, err = r.file.Size(); err != nil {
		return m, fmt.Errorf("read snapshot %s: %w", r.name, err)
	}
	b, err := r.fill(headBytes)
	if err != nil {
		return m, err
	}
	if !bytes.Equal(b[:4], headMagic) {
		return m, r.damage("it doesn't begin as a snapshot")
	}
	version, length := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	sum, crc := binary.LittleEndian.Uint32(b[12:]), crc32.Checksum(b[:12], castagnoli)
	if length > maxMetaBytes {
		return m, r.damage("the head fails its checksum")
	}
	if b, err = r.fill(headBytes + int(length)); err != nil {
		return m, err
	}
	b = b[headBytes:]
	if crc32.Update(crc, castagnoli, b) != sum {
		return m, r.damage("the head fails its checksum")
	}
	if version != formatVersion {
		return m, r.damage(fmt.Sprintf("format version %d is not known to this program", version))
	}
	if m, err = decodeMeta(b); err != nil {
		return m, r.damage(err.Error())
	}
	r.head = sum
	r.off += headBytes + int64(length)
	return m, nil
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.chunk) == 0 && r.err == nil {
		r.err = r.next()
	}
	if len(r.chunk) == 0 {
		return 0, r.err
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

// next reads a chunk, or the foot and then io.EOF.
func (r *reader) next() error {
	b, err := r.fill(chunkHead)
	if err != nil {
		return err
	}
	n, sum := int(binary.LittleEndian.Uint32(b)), binary.LittleEndian.Uint32(b[4:])
	if n == 0 {
		return r.end()
	}
	if n > maxChunkBytes {
		return r.damage(fmt.Sprintf("a chunk of %d bytes", n))
	}
	if b, err = r.fill(chunkHead + n); err != nil {
		return err
	}
	b = b[chunkHead:]
	if chunkCRC(r.head, r.foot.chunks, b) != sum {
		return r.damage(fmt.Sprintf("chunk %d fails its checksum", r.foot.chunks))
	}
	r.off += int64(chunkHead + n)
	r.foot.chunks++
	r.foot.length += uint64(n)
	r.chunk = b
	return nil
}

func (r *reader) end() error {
	b, err := r.fill(footBytes)
	if err != nil {
		return err
	}
	switch f, ok := decodeFoot(b, r.head); {
	case !ok:
		return r.damage("the foot fails its checksum")
	case f != r.foot:
		return r.damage(fmt.Sprintf("%d bytes in %d chunks, and the foot says %d in %d",
			r.foot.length, r.foot.chunks, f.length, f.chunks))
	}
	if r.off += footBytes; r.off != r.size {
		return r.damage("bytes follow the foot")
	}
	return io.EOF
}

func (r *reader) Close() error { return r.file.Close() }
