package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// ReadOptions are those of every read. The zero value is a linearizable read: it sees every write
// that was answered before it began.
type ReadOptions struct {
	Stale    bool          // take what the node has
	MaxStale time.Duration // with Stale: refuse when the node heard no leader for longer; 0: any
	MinIndex uint64        // wait until the node has applied this index
}

// Stack describes a stack.
type Stack struct {
	Name string
	Size uint64 // items
}

// UnmarshalJSON takes a name as text, or in base64 when the object says so.
func (s *Stack) UnmarshalJSON(data []byte) error {
	var in struct {
		Name, Encoding string
		Size           uint64
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	name, err := decoded(in.Name, in.Encoding)
	if err == nil {
		s.Name, s.Size = string(name), in.Size
	}
	return err
}

// GetStack describes a stack.
func (c *Client) GetStack(ctx context.Context, stack string, o ReadOptions) (Stack, Meta, error) {
	var out Stack
	meta, err := c.read(ctx, stackPath(stack), url.Values{}, o, &out)
	return out, meta, err
}

// Size returns how many items a stack holds.
func (c *Client) Size(ctx context.Context, stack string, o ReadOptions) (uint64, error) {
	var out struct{ Size uint64 }
	_, err := c.read(ctx, stackPath(stack)+"/size", url.Values{}, o, &out)
	return out.Size, err
}

// Topmost is the result of Top.
type Topmost struct {
	Meta
	Value []byte
	Empty bool // there is none
	Size  uint64
}

// Top returns the item on top, and leaves it there.
func (c *Client) Top(ctx context.Context, stack string, o ReadOptions) (Topmost, error) {
	var in topReply
	meta, err := c.read(ctx, stackPath(stack)+"/top", url.Values{}, o, &in)
	return Topmost{Meta: meta, Value: in.value, Empty: in.Empty, Size: in.Size}, err
}

// ListedItems is a part of a stack.
type ListedItems struct {
	Meta
	Values [][]byte // from the top
	Size   uint64   // of the whole stack
}

// Items lists items from the top, after skipping offset; limit 0 is the node's own.
func (c *Client) Items(ctx context.Context, stack string, offset, limit uint64, o ReadOptions) (
	ListedItems, error,
) {
	q := url.Values{}
	setNumber(q, "offset", offset)
	setNumber(q, "limit", limit)
	var in valuesReply
	meta, err := c.read(ctx, stackPath(stack)+"/items", q, o, &in)
	return ListedItems{Meta: meta, Values: in.bytes, Size: in.Size}, err
}

// ListOptions are those of ListStacks.
type ListOptions struct {
	ReadOptions
	Prefix string
	After  string // begin after this name
	Limit  uint64 // 0: the node's own
}

// StackList is a part of all stacks, by name.
type StackList struct {
	Meta
	Stacks []Stack
	Next   string // give it as After for the rest; "" at the end
}

// ListStacks lists stacks by name.
func (c *Client) ListStacks(ctx context.Context, o ListOptions) (StackList, error) {
	q := url.Values{}
	if o.Prefix != "" {
		q.Set("prefix", o.Prefix)
	}
	if o.After != "" {
		q.Set("after", o.After)
	}
	setNumber(q, "limit", o.Limit)
	var in listReply
	meta, err := c.read(ctx, "/v1/stacks", q, o.ReadOptions, &in)
	return StackList{Meta: meta, Stacks: in.Stacks, Next: in.next}, err
}

type listReply struct {
	Stacks []Stack
	next   string
}

// UnmarshalJSON takes the last name as text, or in base64 when the object says so.
func (l *listReply) UnmarshalJSON(data []byte) error {
	var in struct {
		Stacks         []Stack
		Next, Encoding string
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	next, err := decoded(in.Next, in.Encoding)
	if err == nil {
		l.Stacks, l.next = in.Stacks, string(next)
	}
	return err
}

func setNumber(q url.Values, name string, n uint64) {
	if n > 0 {
		q.Set(name, strconv.FormatUint(n, 10))
	}
}

// stackPath encodes a name as one segment: any name, "." and ".." among them, which some on the
// way would take for directories.
func stackPath(name string) string {
	switch name {
	case ".":
		return "/v1/stacks/%2E"
	case "..":
		return "/v1/stacks/%2E%2E"
	}
	return "/v1/stacks/" + url.PathEscape(name)
}

type topReply struct {
	value []byte
	Empty bool
	Size  uint64
}

// UnmarshalJSON takes a value as text, or in base64 when the object says so.
func (v *topReply) UnmarshalJSON(data []byte) (err error) {
	var in struct {
		Value, Encoding string
		Empty           bool
		Size            uint64
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	if v.value, err = decoded(in.Value, in.Encoding); err == nil {
		v.Empty, v.Size = in.Empty, in.Size
	}
	return err
}

// valuesReply reads an object that holds values.
type valuesReply struct {
	bytes [][]byte
	Empty bool
	Size  uint64
}

// UnmarshalJSON takes values as text, or in base64 when the object says so.
func (v *valuesReply) UnmarshalJSON(data []byte) error {
	var in struct {
		Values   []string
		Encoding string
		Empty    bool
		Size     uint64
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	bytes := make([][]byte, len(in.Values))
	for i, s := range in.Values {
		b, err := decoded(s, in.Encoding)
		if err != nil {
			return err
		}
		bytes[i] = b
	}
	v.bytes, v.Empty, v.Size = bytes, in.Empty, in.Size
	return nil
}

func decoded(s, encoding string) ([]byte, error) {
	switch encoding {
	case "":
		return []byte(s), nil
	case "base64":
		return base64.StdEncoding.DecodeString(s)
	}
	return nil, fmt.Errorf("the encoding %q is unknown", encoding)
}
