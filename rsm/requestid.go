package rsm

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// RequestID names a request in one of three ways: by its key, by its place in a client session,
// or by the node that took it.
type RequestID struct {
	Scope string // of Key or Session: whose it is
	Key   string // Idempotency-Key

	Session, Seq uint64 // of a client session

	Node, Boot, Serial uint64 // what the node called it: Drystone-Request-Id
}

// String returns the id as ParseRequestID reads it, without the scope.
func (id RequestID) String() string {
	switch {
	case id.Session != 0:
		return fmt.Sprintf("%d/%d", id.Session, id.Seq)
	case id.Node != 0:
		return fmt.Sprintf("%d.%d.%d", id.Node, id.Boot, id.Serial)
	}
	return id.Key
}

// ParseRequestID reads an id: "node.boot.serial", "session/seq", or else a key, which may be any
// text. A key that looks like one of the others must be told from it by whoever asks.
func ParseRequestID(scope, text string) RequestID {
	if n, ok := parseNumbers(text, "."); ok && len(n) == 3 {
		return RequestID{Node: n[0], Boot: n[1], Serial: n[2]}
	}
	if n, ok := parseNumbers(text, "/"); ok && len(n) == 2 {
		return RequestID{Scope: scope, Session: n[0], Seq: n[1]}
	}
	return RequestID{Scope: scope, Key: text}
}

// parseNumbers reads numbers from 1 on, as strconv writes them.
func parseNumbers(text, separator string) (numbers []uint64, ok bool) {
	for part := range strings.SplitSeq(text, separator) {
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil || n == 0 || strconv.FormatUint(n, 10) != part {
			return nil, false
		}
		numbers = append(numbers, n)
	}
	return numbers, true
}

// How a RequestID is encoded.
const (
	idByKey = iota + 1
	idBySession
	idByNode
)

// EncodeRequestID appends the encoding of id to dst.
func EncodeRequestID(dst []byte, id RequestID) []byte {
	switch {
	case id.Session != 0:
		dst = AppendString(append(dst, idBySession), id.Scope)
		dst = binary.AppendUvarint(dst, id.Session)
		return binary.AppendUvarint(dst, id.Seq)
	case id.Node != 0:
		dst = binary.AppendUvarint(append(dst, idByNode), id.Node)
		dst = binary.AppendUvarint(dst, id.Boot)
		return binary.AppendUvarint(dst, id.Serial)
	}
	return AppendString(AppendString(append(dst, idByKey), id.Scope), id.Key)
}

// DecodeRequestID decodes what EncodeRequestID made of an id that names something: an empty key,
// or a number 0, does not.
func DecodeRequestID(encoded []byte) (RequestID, error) {
	var id RequestID
	named := false
	d := NewDecoder(encoded)
	switch d.Byte() {
	case idByKey:
		id.Scope, id.Key = d.String(), d.String()
		named = id.Key != ""
	case idBySession:
		id.Scope, id.Session, id.Seq = d.String(), d.Uvarint(), d.Uvarint()
		named = id.Session != 0 && id.Seq != 0
	case idByNode:
		id.Node, id.Boot, id.Serial = d.Uvarint(), d.Uvarint(), d.Uvarint()
		named = id.Node != 0 && id.Boot != 0 && id.Serial != 0
	}
	if !named {
		d.Fail(ErrMalformed)
	}
	if err := d.End(); err != nil {
		return RequestID{}, fmt.Errorf("decode request id: %w", err)
	}
	return id, nil
}
