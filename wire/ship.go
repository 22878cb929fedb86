package wire

import (
	"fmt"

	"drystone/raft"
)

// A snapshot travels over a connection of its own (§7). Its sender offers it; the receiver says how
// much of it stands on its disk already; the sender goes on from there, or from the beginning, in
// chunks, and says how the whole must check; the receiver answers with its verdict.

// ShipChunkBytes is how much of a snapshot a sender puts into one chunk.
const ShipChunkBytes = 256 << 10

// MaxShipBytes bounds the body of every ShipMessage.
const MaxShipBytes = ShipChunkBytes + 4<<10

// ShipMessage is one of ShipOffer, ShipHave, ShipChunk, ShipEnd, ShipVerdict and ShipAlive.
type ShipMessage interface{ appendTo(dst []byte) []byte }

// ShipOffer is how a sender begins: what the snapshot is of, and how long its file is.
type ShipOffer struct {
	Meta  raft.SnapshotMeta
	Bytes uint64
}

// ShipHave says that the receiver holds the first Bytes of a file of that snapshot, and their
// CRC32C. Only if the sender's own file begins alike may it go on behind them.
type ShipHave struct {
	Bytes uint64
	Sum   uint32
}

// ShipChunk is a piece of the file. Offset is where the last piece ended; in the first it is what
// ShipHave said, or 0 when the sender's file differs.
type ShipChunk struct {
	Offset uint64
	Data   []byte // aliases the frame
}

// ShipEnd says that all was sent, and the CRC32C of the whole file.
type ShipEnd struct{ Sum uint32 }

// ShipVerdict ends a shipment, at any time: the snapshot is durable and checked, or why not.
type ShipVerdict struct {
	Code   ShipCode
	Detail string // a sentence for people; "" with ShipOK
}

// ShipAlive says that the speaker is busy with its disk and will go on.
type ShipAlive struct{}

// ShipCode says why a snapshot was not taken.
type ShipCode string

// The verdicts on a snapshot.
const (
	ShipOK        ShipCode = ""
	ShipDamaged   ShipCode = "damaged"    // it does not check
	ShipNotNow    ShipCode = "not_now"    // the receiver takes none, or takes another one
	ShipDiskError ShipCode = "disk_error" // the receiver cannot keep it
)

// The tagged fields of a ShipVerdict.
const (
	tagShipCode   = 1
	tagShipDetail = 2
)

func (m ShipOffer) appendTo(dst []byte) []byte {
	dst = appendU64(append(dst, Version, kindShipOffer), m.Bytes)
	return appendMeta(dst, m.Meta)
}

func (m ShipHave) appendTo(dst []byte) []byte {
	return appendU32(appendU64(append(dst, Version, kindShipHave), m.Bytes), m.Sum)
}

func (m ShipChunk) appendTo(dst []byte) []byte {
	return appendBytes(appendU64(append(dst, Version, kindShipChunk), m.Offset), m.Data)
}

func (m ShipEnd) appendTo(dst []byte) []byte {
	return appendU32(append(dst, Version, kindShipEnd), m.Sum)
}

func (m ShipVerdict) appendTo(dst []byte) []byte {
	dst = append(dst, Version, kindShipVerdict)
	dst = appendTagged(dst, tagShipCode, string(m.Code))
	return appendTagged(dst, tagShipDetail, m.Detail)
}

func (m ShipAlive) appendTo(dst []byte) []byte { return append(dst, Version, kindShipAlive) }

// EncodeShip appends m's body.
func EncodeShip(dst []byte, m ShipMessage) []byte { return m.appendTo(dst) }

// AppendShipFrame appends m in a frame.
func AppendShipFrame(dst []byte, m ShipMessage) []byte {
	start := len(dst)
	return seal(m.appendTo(append(dst, make([]byte, HeaderBytes)...)), start)
}

// DecodeShip reads what EncodeShip wrote; b is that and no more. A ShipChunk's Data aliases b.
func DecodeShip(b []byte) (ShipMessage, error) {
	c := cursor{rest: b}
	kind, err := c.head()
	if err != nil {
		return nil, err
	}
	var m ShipMessage
	switch kind {
	case kindShipOffer:
		bytes := c.u64()
		m = ShipOffer{Bytes: bytes, Meta: c.meta()}
	case kindShipHave:
		m = ShipHave{Bytes: c.u64(), Sum: c.u32()}
	case kindShipChunk:
		m = ShipChunk{Offset: c.u64(), Data: c.bytes()}
	case kindShipEnd:
		m = ShipEnd{Sum: c.u32()}
	case kindShipVerdict:
		m = c.shipVerdict()
	case kindShipAlive:
		m = ShipAlive{}
	default:
		return nil, fmt.Errorf("%w: kind %d where part of a shipment belongs", ErrMalformed, kind)
	}
	c.skipTagged()
	if err := c.err("part of a shipment"); err != nil {
		return nil, err
	}
	return m, nil
}

func (c *cursor) shipVerdict() ShipVerdict {
	var v ShipVerdict
	var last uint8
	for {
		tag, value, ok := c.tagged(&last)
		if !ok {
			return v
		}
		switch tag {
		case tagShipCode:
			v.Code = ShipCode(c.text(value))
		case tagShipDetail:
			v.Detail = c.text(value)
		}
	}
}
