package store

import (
	"encoding/binary"
	"fmt"

	"drystone/rsm"
)

// An encoded command or query begins with its kind. What a kind holds never changes: anything new
// takes a new kind. 0 is none.
const (
	kindCreateStack = 1 + iota
	kindDeleteStack
	kindPush
	kindPop
	lastCommand = kindPop
)

const (
	kindGetStack = 1 + iota
	kindItems
	kindListStacks
)

// EncodeCommand appends the encoding of c to dst. Equal commands have equal encodings.
func EncodeCommand(dst []byte, c Command) []byte {
	switch c := c.(type) {
	case CreateStack:
		return rsm.AppendString(append(dst, kindCreateStack), c.Stack)
	case DeleteStack:
		return rsm.AppendString(append(dst, kindDeleteStack), c.Stack)
	case Push:
		dst = rsm.AppendString(append(dst, kindPush), c.Stack)
		dst = append(dst, byte(c.End))
		dst = rsm.AppendBool(dst, c.MustExist)
		return appendValues(dst, c.Values)
	case Pop:
		dst = rsm.AppendString(append(dst, kindPop), c.Stack)
		return binary.AppendUvarint(append(dst, byte(c.End)), c.Count)
	}
	panic("store: a command without an encoding")
}

// DecodeCommand decodes what EncodeCommand made. Values alias the input.
func DecodeCommand(encoded []byte) (Command, error) {
	d := rsm.NewDecoder(encoded)
	var c Command
	switch kind := d.Byte(); kind {
	case kindCreateStack:
		c = CreateStack{Stack: d.String()}
	case kindDeleteStack:
		c = DeleteStack{Stack: d.String()}
	case kindPush:
		c = Push{Stack: d.String(), End: End(d.Byte()), MustExist: d.Bool(),
			Values: decodeValues(&d)}
	case kindPop:
		c = Pop{Stack: d.String(), End: End(d.Byte()), Count: d.Uvarint()}
	default:
		d.Fail(rsm.ErrMalformed)
	}
	if err := d.End(); err != nil {
		return nil, fmt.Errorf("decode command: %w", err)
	}
	return c, nil
}

// EncodeQuery appends the encoding of q to dst.
func EncodeQuery(dst []byte, q Query) []byte {
	switch q := q.(type) {
	case GetStack:
		dst = rsm.AppendString(append(dst, kindGetStack), q.Stack)
		return rsm.AppendBool(dst, q.WithTop)
	case Items:
		dst = rsm.AppendString(append(dst, kindItems), q.Stack)
		dst = binary.AppendUvarint(dst, q.Offset)
		return binary.AppendUvarint(dst, q.Limit)
	case ListStacks:
		dst = rsm.AppendString(append(dst, kindListStacks), q.Prefix)
		dst = rsm.AppendString(dst, q.After)
		return binary.AppendUvarint(dst, q.Limit)
	}
	panic("store: a query without an encoding")
}

// DecodeQuery decodes what EncodeQuery made.
func DecodeQuery(encoded []byte) (Query, error) {
	d := rsm.NewDecoder(encoded)
	var q Query
	switch kind := d.Byte(); kind {
	case kindGetStack:
		q = GetStack{Stack: d.String(), WithTop: d.Bool()}
	case kindItems:
		q = Items{Stack: d.String(), Offset: d.Uvarint(), Limit: d.Uvarint()}
	case kindListStacks:
		q = ListStacks{Prefix: d.String(), After: d.String(), Limit: d.Uvarint()}
	default:
		d.Fail(rsm.ErrMalformed)
	}
	if err := d.End(); err != nil {
		return nil, fmt.Errorf("decode query: %w", err)
	}
	return q, nil
}

// Which optional fields follow in an encoded reply.
const (
	hasValues   = 1 << iota
	hasStacks   // Stacks and Next
	isCreated   // no field: Created itself
	knownFields = hasValues | hasStacks | isCreated
)

// EncodeReply appends the encoding of r to dst.
func EncodeReply(dst []byte, r Reply) []byte {
	var fields byte
	if len(r.Values) > 0 {
		fields |= hasValues
	}
	if len(r.Stacks) > 0 || r.Next != "" {
		fields |= hasStacks
	}
	if r.Created {
		fields |= isCreated
	}
	dst = append(dst, byte(r.Code), fields)
	dst = binary.AppendUvarint(dst, r.Size)
	if fields&hasValues != 0 {
		dst = appendValues(dst, r.Values)
	}
	if fields&hasStacks != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(r.Stacks)))
		for _, info := range r.Stacks {
			dst = rsm.AppendString(dst, info.Name)
			dst = binary.AppendUvarint(dst, info.Size)
		}
		dst = rsm.AppendString(dst, r.Next)
	}
	return dst
}

// DecodeReply decodes what EncodeReply made. Values alias the input; a list that is empty is nil.
func DecodeReply(encoded []byte) (Reply, error) {
	d := rsm.NewDecoder(encoded)
	r := Reply{Code: Code(d.Byte())}
	fields := d.Byte()
	if fields&^knownFields != 0 {
		d.Fail(rsm.ErrMalformed)
	}
	r.Created = fields&isCreated != 0
	r.Size = d.Uvarint()
	if fields&hasValues != 0 {
		if r.Values = decodeValues(&d); len(r.Values) == 0 {
			d.Fail(rsm.ErrMalformed)
		}
	}
	if fields&hasStacks != 0 {
		for range d.Count(2) {
			r.Stacks = append(r.Stacks, StackInfo{Name: d.String(), Size: d.Uvarint()})
		}
		if r.Next = d.String(); len(r.Stacks) == 0 && r.Next == "" {
			d.Fail(rsm.ErrMalformed)
		}
	}
	if err := d.End(); err != nil {
		return Reply{}, fmt.Errorf("decode reply: %w", err)
	}
	return r, nil
}

func appendValues(dst []byte, values [][]byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	for _, value := range values {
		dst = rsm.AppendBytes(dst, value)
	}
	return dst
}

// decodeValues reads values that alias the input. An empty one is an empty slice: nil would not
// be a value.
func decodeValues(d *rsm.Decoder) [][]byte {
	count := d.Count(1)
	if count == 0 {
		return nil
	}
	values := make([][]byte, count)
	for i := range values {
		if values[i] = d.Bytes(); values[i] == nil {
			values[i] = []byte{}
		}
	}
	return values
}
