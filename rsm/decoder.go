package rsm

import (
	"encoding/binary"
	"errors"
)

// Why bytes could not be decoded.
var (
	ErrTruncated = errors.New("the encoding ends early")
	ErrTrailing  = errors.New("bytes follow the encoding")
	ErrMalformed = errors.New("the encoding is malformed")
)

// Decoder takes an encoding apart from its start. The first failure sticks: what is read after it
// is zero, so that a decoder checks Err once. Nothing is copied but strings: slices alias the
// input. It is the counterpart of encoding/binary's Append functions, and refuses every encoding
// of a number but theirs: equal values have equal encodings.
type Decoder struct {
	rest []byte
	err  error
}

// NewDecoder returns a Decoder of b.
func NewDecoder(b []byte) Decoder { return Decoder{rest: b} }

// Err returns the first failure.
func (d *Decoder) Err() error { return d.err }

// Len returns how many bytes are left: the bound of what a count may honestly claim.
func (d *Decoder) Len() int { return len(d.rest) }

// End returns the first failure, or ErrTrailing when bytes are left.
func (d *Decoder) End() error {
	if d.err == nil && len(d.rest) > 0 {
		d.Fail(ErrTrailing)
	}
	return d.err
}

// Fail records a failure that the caller found.
func (d *Decoder) Fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.rest = nil
}

// Byte reads one byte.
func (d *Decoder) Byte() byte {
	if len(d.rest) == 0 {
		d.Fail(ErrTruncated)
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

// Bool reads a byte that is 0 or 1.
func (d *Decoder) Bool() bool {
	b := d.Byte()
	if b > 1 {
		d.Fail(ErrMalformed)
	}
	return b == 1
}

// Uint64 reads eight bytes, little endian.
func (d *Decoder) Uint64() uint64 {
	if len(d.rest) < 8 {
		d.Fail(ErrTruncated)
		return 0
	}
	n := binary.LittleEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return n
}

// Uvarint reads a varint in its shortest form.
func (d *Decoder) Uvarint() uint64 {
	n, size := binary.Uvarint(d.rest)
	switch {
	case size == 0:
		d.Fail(ErrTruncated)
		return 0
	case size < 0 || (size > 1 && d.rest[size-1] == 0):
		d.Fail(ErrMalformed)
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// Count reads a varint that counts things of at least minBytes each, which all must fit into what
// is left: what is then allocated for them is bounded by the input.
func (d *Decoder) Count(minBytes int) int {
	n := d.Uvarint()
	if n > uint64(len(d.rest)/minBytes) {
		d.Fail(ErrTruncated)
		return 0
	}
	return int(n)
}

// Bytes reads a varint length and that many bytes. The result aliases the input, with no room to
// grow into it, and is nil when empty.
func (d *Decoder) Bytes() []byte {
	n := d.Count(1)
	if n == 0 {
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

// String reads what Bytes would, as a string.
func (d *Decoder) String() string { return string(d.Bytes()) }

// AppendBytes appends b as Decoder.Bytes reads it.
func AppendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// AppendString appends s as Decoder.String reads it.
func AppendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// AppendBool appends b as Decoder.Bool reads it.
func AppendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}
