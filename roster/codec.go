package roster

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"unicode/utf8"
)

// version begins every encoded roster.
const version = 1

// Bounds of what is read.
const (
	incarnationBytes = 16
	maxPeerBytes     = 300
	entryMinBytes    = 8 + 4 + 1 + 2
)

// ErrMalformed is wrapped by every error of Decode.
var ErrMalformed = errors.New("cannot read the roster")

// Encode appends a roster: a version byte, a 4-byte count, then for each entry its number (8), its
// generation (4), 1 and 16 bytes of incarnation or 0, a 2-byte length and its address; little
// endian. It panics on an incarnation that is not 32 hexadecimal digits, and on an address that is
// too long: both are checked where they enter.
func (r Roster) Encode(dst []byte) []byte {
	dst = append(dst, version)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(r)))
	for _, e := range r {
		assert(e.valid(), "an entry that cannot be read back")
		dst = binary.LittleEndian.AppendUint64(dst, e.Node)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(e.Generation))
		if e.Incarnation == "" {
			dst = append(dst, 0)
		} else {
			b, _ := hex.DecodeString(e.Incarnation)
			dst = append(append(dst, 1), b...)
		}
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(e.Peer)))
		dst = append(dst, e.Peer...)
	}
	return dst
}

// Valid says whether an incarnation and an address may stand in a roster.
func Valid(incarnation, peer string) bool {
	return Entry{Node: 1, Incarnation: incarnation, Peer: peer}.valid()
}

func (e Entry) valid() bool {
	b, err := hex.DecodeString(e.Incarnation)
	whole := e.Incarnation == "" ||
		err == nil && len(b) == incarnationBytes && hex.EncodeToString(b) == e.Incarnation
	return whole && e.Node > 0 && e.Generation <= MaxGeneration && len(e.Peer) <= maxPeerBytes &&
		utf8.ValidString(e.Peer)
}

// Decode reads what Encode wrote; b is that and no more. Nothing aliases b. No bytes are an empty
// roster.
func Decode(b []byte) (Roster, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if b[0] != version {
		return nil, fmt.Errorf("%w: version %d is not %d", ErrMalformed, b[0], version)
	}
	d := decoder{rest: b[1:]}
	count := d.number(4)
	if count > uint64(len(d.rest)/entryMinBytes) {
		return nil, fmt.Errorf("%w: it ends early", ErrMalformed)
	}
	r := make(Roster, 0, count)
	for range count {
		e := Entry{Node: d.number(8), Generation: d.number(4)}
		switch has := d.number(1); has {
		case 0:
		case 1:
			e.Incarnation = hex.EncodeToString(d.take(incarnationBytes))
		default:
			return nil, fmt.Errorf("%w: a flag of %d", ErrMalformed, has)
		}
		e.Peer = string(d.take(d.number(2)))
		if d.short {
			return nil, fmt.Errorf("%w: it ends early", ErrMalformed)
		}
		if !e.valid() || len(r) > 0 && compare(r[len(r)-1], e) >= 0 {
			return nil, fmt.Errorf("%w: entry %d makes no sense there", ErrMalformed, len(r))
		}
		r = append(r, e)
	}
	if len(d.rest) > 0 || d.short {
		return nil, fmt.Errorf("%w: %d bytes follow it", ErrMalformed, len(d.rest))
	}
	return r, nil
}

// decoder reads from the front; what is not there is zero, and noted.
type decoder struct {
	rest  []byte
	short bool
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.rest, d.short = nil, true
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) number(bytes uint64) (n uint64) {
	for i, c := range d.take(bytes) {
		n |= uint64(c) << (8 * i)
	}
	return n
}

func assert(ok bool, msg string) {
	if !ok {
		panic("roster: " + msg)
	}
}
