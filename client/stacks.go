package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"unicode/utf8"
)

// End is an end of a stack. The zero value is the top.
type End string

// The ends of a stack.
const (
	Top    End = "top"
	Bottom End = "bottom"
)

// PushOptions are those of Push.
type PushOptions struct {
	WriteOptions
	End       End
	MustExist bool // refuse, instead of creating the stack
}

// Pushed is the result of Push.
type Pushed struct {
	Meta
	Size uint64 // items in the stack afterwards
}

// Push pushes values in order: the last one becomes the outermost at its end. Values are any
// bytes.
func (c *Client) Push(ctx context.Context, stack string, values [][]byte, o PushOptions) (
	Pushed, error,
) {
	k := call{method: http.MethodPost, path: stackPath(stack) + "/push", query: url.Values{}}
	if o.MustExist {
		k.query.Set("create", "false")
	}
	if len(values) == 1 && (o.End == "" || o.End == Top) {
		k.body, k.contentType = values[0], "application/octet-stream"
	} else {
		k.body, k.contentType = pushBody(values, o.End), "application/json"
	}
	var out Pushed
	meta, err := c.write(ctx, k, o.WriteOptions, &out)
	out.Meta = meta
	return out, err
}

func pushBody(values [][]byte, end End) []byte {
	body := struct {
		Values   any    `json:"values"`
		End      End    `json:"end,omitempty"`
		Encoding string `json:"encoding,omitempty"`
	}{End: end}
	texts := make([]string, len(values))
	for i, v := range values {
		if !utf8.Valid(v) {
			body.Encoding = "base64"
		}
		texts[i] = string(v)
	}
	if body.Values = any(texts); body.Encoding != "" {
		for i, v := range values {
			texts[i] = base64.StdEncoding.EncodeToString(v)
		}
	}
	return marshal(body)
}

// PopOptions are those of Pop.
type PopOptions struct {
	WriteOptions
	Count uint64 // 0: one
	End   End
}

// Popped is the result of Pop. An empty stack is no error.
type Popped struct {
	Meta
	Values [][]byte // in the order taken
	Empty  bool     // there was nothing to take
	Size   uint64   // items left
}

// Pop takes items from an end.
func (c *Client) Pop(ctx context.Context, stack string, o PopOptions) (Popped, error) {
	k := call{method: http.MethodPost, path: stackPath(stack) + "/pop"}
	if o.Count > 0 || o.End != "" {
		k.contentType = "application/json"
		k.body = marshal(struct {
			Count uint64 `json:"count"`
			End   End    `json:"end,omitempty"`
		}{max(1, o.Count), o.End})
	}
	var in valuesReply
	meta, err := c.write(ctx, k, o.WriteOptions, &in)
	return Popped{Meta: meta, Values: in.bytes, Empty: in.Empty, Size: in.Size}, err
}

// Created is the result of CreateStack.
type Created struct {
	Meta
	Created bool   // false: it stood before, and was left as it was
	Size    uint64 // items in it
}

// CreateStack creates a stack; one that stands is left alone.
func (c *Client) CreateStack(ctx context.Context, stack string, o WriteOptions) (Created, error) {
	var out Created
	k := call{method: http.MethodPut, path: stackPath(stack)}
	meta, err := c.write(ctx, k, o, &out)
	out.Meta, out.Created = meta, meta.status == http.StatusCreated
	return out, err
}

// DeleteStack deletes a stack with its items.
func (c *Client) DeleteStack(ctx context.Context, stack string, o WriteOptions) (Meta, error) {
	return c.write(ctx, call{method: http.MethodDelete, path: stackPath(stack)}, o, nil)
}

func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("client: a request cannot be encoded: " + err.Error())
	}
	return b.Bytes()
}
