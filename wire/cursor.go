package wire

import (
	"encoding/binary"
	"fmt"
)

// cursor reads a body from front to back. The first read past the end fails it; a failed cursor
// gives zeros, so that a decoder checks once, at its end.
type cursor struct {
	rest   []byte
	failed bool
}

func (c *cursor) fail() { c.rest, c.failed = nil, true }

// take gives the next n bytes, aliasing the input; nil for none.
func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.fail()
		return nil
	}
	if n == 0 {
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) u8() uint8 {
	if len(c.rest) < 1 {
		c.fail()
		return 0
	}
	v := c.rest[0]
	c.rest = c.rest[1:]
	return v
}

func (c *cursor) u32() uint32 {
	if len(c.rest) < 4 {
		c.fail()
		return 0
	}
	v := binary.LittleEndian.Uint32(c.rest)
	c.rest = c.rest[4:]
	return v
}

func (c *cursor) u64() uint64 {
	if len(c.rest) < 8 {
		c.fail()
		return 0
	}
	v := binary.LittleEndian.Uint64(c.rest)
	c.rest = c.rest[8:]
	return v
}

// flags reads a byte of which only the known bits may be set.
func (c *cursor) flags(known uint8) uint8 {
	v := c.u8()
	if v&^known != 0 {
		c.fail()
	}
	return v
}

// bytes reads a length and as many bytes, aliasing the input.
func (c *cursor) bytes() []byte { return c.take(uint64(c.u32())) }

// count reads how many items of at least size bytes follow. More than can be there fails, so that
// a caller may allocate that many.
func (c *cursor) count(size int) int {
	n := uint64(c.u32())
	if n*uint64(size) > uint64(len(c.rest)) {
		c.fail()
		return 0
	}
	return int(n)
}

// tagged gives the next tagged field, or false at the end of the body. Tags ascend from last, so
// none comes twice and zeros behind a body are not taken for fields.
func (c *cursor) tagged(last *uint8) (tag uint8, value []byte, ok bool) {
	if len(c.rest) == 0 {
		return 0, nil, false
	}
	tag = c.u8()
	value = c.bytes()
	if tag <= *last {
		c.fail()
	}
	*last = tag
	return tag, value, !c.failed
}

// skipTagged ends the decoding of a body that has no tagged fields in this version.
func (c *cursor) skipTagged() {
	var last uint8
	for {
		if _, _, ok := c.tagged(&last); !ok {
			return
		}
	}
}

func (c *cursor) err(what string) error {
	if c.failed {
		return fmt.Errorf("%w: %s", ErrMalformed, what)
	}
	return nil
}

// head reads version and kind.
func (c *cursor) head() (kind uint8, err error) {
	if len(c.rest) < 2 {
		return 0, fmt.Errorf("%w: body of %d bytes", ErrMalformed, len(c.rest))
	}
	if version := c.u8(); version != Version {
		return 0, fmt.Errorf("%w %d, this is %d", ErrVersion, version, Version)
	}
	return c.u8(), nil
}

func appendU32(dst []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(dst, v) }
func appendU64(dst []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(dst, v) }

// appendBytes writes what bytes reads. The limit is the length field's, far above any frame's.
func appendBytes(dst, b []byte) []byte {
	assert(uint64(len(b)) <= 1<<32-1, "field longer than its length can say")
	return append(appendU32(dst, uint32(len(b))), b...)
}

// appendTagged writes a tagged field; an empty one is left out, which reads the same.
func appendTagged(dst []byte, tag uint8, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, tag)
	dst = appendU32(dst, uint32(len(value)))
	return append(dst, value...)
}

func bit(set bool, flag uint8) uint8 {
	if set {
		return flag
	}
	return 0
}
