package rsm

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Versions of the encodings. What a version may hold never changes: anything new, a request kind
// too, takes a new version. A batch has the lowest version that can hold it: nodes that know no
// later one take part for as long as nobody uses what is new.
const (
	entryVersion = 1
	batchVersion = 2
)

// A batch begins with a version byte and these fields, fixed in place so that a leader reads and
// stamps what it passes on without decoding it.
const (
	batchNodeAt     = 1
	batchBootAt     = batchNodeAt + 8
	batchNumberAt   = batchBootAt + 8
	batchAdmittedAt = batchNumberAt + 8
	batchHeadBytes  = batchAdmittedAt + 8
)

// The least a batch and a request take: what a count may claim is checked against them.
const (
	batchMinBytes   = batchHeadBytes + 2
	requestMinBytes = 4
)

// Which optional fields follow in an encoded request.
const (
	hasKey      = 1 << iota // Scope, Key
	hasSession              // Session, Seq, Ack
	hasBudget               // BudgetMs
	knownFields = hasKey | hasSession | hasBudget
)

// ErrNeedsUpgrade says that bytes were written by a later version than this one.
var ErrNeedsUpgrade = errors.New("written by a later version than this one")

// EncodeBatch appends the encoding of b to dst.
func EncodeBatch(dst []byte, b Batch) []byte {
	version := b.version()
	dst = append(dst, version)
	dst = binary.LittleEndian.AppendUint64(dst, b.Node)
	dst = binary.LittleEndian.AppendUint64(dst, b.Boot)
	dst = binary.LittleEndian.AppendUint64(dst, b.Number)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.Admitted))
	dst = binary.AppendUvarint(dst, b.Ack)
	if version >= 2 {
		dst = binary.AppendUvarint(dst, uint64(len(b.Keep)))
		for _, serial := range b.Keep {
			dst = binary.AppendUvarint(dst, serial)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(b.Requests)))
	for i := range b.Requests {
		dst = appendRequest(dst, &b.Requests[i])
	}
	return dst
}

// version is the lowest that can hold b: version 1 has no Keep, and no kinds of requests but the
// first two.
func (b *Batch) version() byte {
	if len(b.Keep) > 0 {
		return 2
	}
	for i := range b.Requests {
		if b.Requests[i].Kind > SettingsCommand {
			return 2
		}
	}
	return 1
}

func appendRequest(dst []byte, r *Request) []byte {
	id, fields := &r.Identity, byte(0)
	if id.Scope != "" || id.Key != "" {
		fields |= hasKey
	}
	if id.Session|id.Seq|id.Ack != 0 {
		fields |= hasSession
	}
	if r.BudgetMs != 0 {
		fields |= hasBudget
	}
	dst = append(dst, byte(r.Kind), fields)
	dst = binary.AppendUvarint(dst, r.Serial)
	if fields&hasKey != 0 {
		dst = AppendString(dst, id.Scope)
		dst = AppendString(dst, id.Key)
	}
	if fields&hasSession != 0 {
		dst = binary.AppendUvarint(dst, id.Session)
		dst = binary.AppendUvarint(dst, id.Seq)
		dst = binary.AppendUvarint(dst, id.Ack)
	}
	if fields&hasBudget != 0 {
		dst = binary.AppendUvarint(dst, r.BudgetMs)
	}
	return AppendBytes(dst, r.Command)
}

// DecodeBatch decodes what EncodeBatch made. Commands alias the input. The error is
// ErrNeedsUpgrade for a version this one does not know.
func DecodeBatch(encoded []byte) (Batch, error) { return decodeBatch(encoded, nil) }

// decodeBatch decodes a batch, with its requests appended to the empty slice requests.
func decodeBatch(encoded []byte, requests []Request) (Batch, error) {
	var b Batch
	d := NewDecoder(encoded)
	if err := decodeVersion(&d, batchVersion); err != nil {
		return b, err
	}
	version := encoded[0]
	b.Node, b.Boot, b.Number = d.Uint64(), d.Uint64(), d.Uint64()
	b.Admitted = int64(d.Uint64())
	b.Ack = d.Uvarint()
	if version >= 2 {
		b.Keep = decodeKeep(&d)
	}
	count := d.Count(requestMinBytes)
	if requests == nil && count > 0 {
		requests = make([]Request, 0, count)
	}
	for range count {
		if d.Err() != nil {
			break
		}
		requests = append(requests, Request{})
		decodeRequest(&d, &requests[len(requests)-1])
	}
	b.Requests = requests
	if d.Err() == nil && b.version() != version {
		d.Fail(ErrMalformed)
	}
	if err := d.End(); err != nil {
		return Batch{}, fmt.Errorf("decode batch: %w", err)
	}
	return b, nil
}

func decodeKeep(d *Decoder) []uint64 {
	count := d.Count(1)
	if count == 0 {
		return nil
	}
	serials, last := make([]uint64, 0, count), uint64(0)
	for range count {
		serial := d.Uvarint()
		if serial <= last {
			d.Fail(ErrMalformed)
			break
		}
		serials, last = append(serials, serial), serial
	}
	return serials
}

func decodeRequest(d *Decoder, r *Request) {
	id := &r.Identity
	r.Kind = RequestKind(d.Byte())
	fields := d.Byte()
	if r.Kind > lastKind || fields&^knownFields != 0 {
		d.Fail(ErrMalformed)
	}
	r.Serial = d.Uvarint()
	if fields&hasKey != 0 {
		id.Scope, id.Key = d.String(), d.String()
		if id.Scope == "" && id.Key == "" {
			d.Fail(ErrMalformed)
		}
	}
	if fields&hasSession != 0 {
		id.Session, id.Seq, id.Ack = d.Uvarint(), d.Uvarint(), d.Uvarint()
		if id.Session|id.Seq|id.Ack == 0 {
			d.Fail(ErrMalformed)
		}
	}
	if fields&hasBudget != 0 {
		if r.BudgetMs = d.Uvarint(); r.BudgetMs == 0 {
			d.Fail(ErrMalformed)
		}
	}
	r.Command = d.Bytes()
}

// StampBatch sets Admitted, in place, in an encoded batch.
func StampBatch(encoded []byte, admitted int64) {
	assert(len(encoded) >= batchHeadBytes && encoded[0]-1 < batchVersion, "stamp no batch")
	binary.LittleEndian.PutUint64(encoded[batchAdmittedAt:], uint64(admitted))
}

// BatchHead reads whose batch this is and its number, without decoding its requests.
func BatchHead(encoded []byte) (node, boot, number uint64, err error) {
	d := NewDecoder(encoded)
	if err := decodeVersion(&d, batchVersion); err != nil {
		return 0, 0, 0, err
	}
	if len(encoded) < batchMinBytes {
		return 0, 0, 0, fmt.Errorf("decode batch: %w", ErrTruncated)
	}
	return d.Uint64(), d.Uint64(), d.Uint64(), nil
}

// EncodeEntry appends the encoding of e to dst.
func EncodeEntry(dst []byte, e Entry) []byte {
	dst = append(dst, entryVersion)
	dst = binary.LittleEndian.AppendUint64(dst, e.Stamp)
	dst = binary.AppendUvarint(dst, uint64(len(e.Batches)))
	for _, batch := range e.Batches {
		dst = AppendBytes(dst, batch)
	}
	return dst
}

// DecodeEntry decodes what EncodeEntry made. Batches alias the input and are still encoded. The
// error is ErrNeedsUpgrade for a version this one does not know.
func DecodeEntry(encoded []byte) (Entry, error) { return decodeEntry(encoded, nil) }

// decodeEntry decodes an entry, with its batches appended to the empty slice batches.
func decodeEntry(encoded []byte, batches [][]byte) (Entry, error) {
	d := NewDecoder(encoded)
	if err := decodeVersion(&d, entryVersion); err != nil {
		return Entry{}, err
	}
	e := Entry{Stamp: d.Uint64()}
	count := d.Count(1)
	if batches == nil && count > 0 {
		batches = make([][]byte, 0, count)
	}
	for range count {
		if d.Err() != nil {
			break
		}
		batches = append(batches, d.Bytes())
	}
	e.Batches = batches
	if err := d.End(); err != nil {
		return Entry{}, fmt.Errorf("decode entry: %w", err)
	}
	return e, nil
}

// decodeVersion reads a version byte. Version 0 was never written.
func decodeVersion(d *Decoder, known byte) error {
	switch version := d.Byte(); {
	case d.Err() != nil:
		return d.Err()
	case version > known:
		return fmt.Errorf("version %d is unknown: %w", version, ErrNeedsUpgrade)
	case version == 0:
		return fmt.Errorf("version 0: %w", ErrMalformed)
	}
	return nil
}
