package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"drystone/store"
)

// How much one reply lists.
const (
	listedStacks     = 100
	listedStacksMost = 1_000
	listedItems      = 100
	listedItemsMost  = 10_000
)

func listStacks(x *Exchange) {
	p, o, ok := x.ReadParameters("prefix", "after", "limit")
	if !ok {
		return
	}
	q := store.ListStacks{
		Prefix: p.Text("prefix"), After: p.Text("after"),
		Limit: p.Number("limit", listedStacks, 1, listedStacksMost),
	}
	if !p.ok {
		return
	}
	for _, name := range [...]string{"prefix", "after"} {
		if n := len(p.Text(name)); n > store.MaxNameBytes {
			p.fail("The parameter %s has %d bytes; names have at most %d.", name, n,
				store.MaxNameBytes)
			return
		}
	}
	reply, ok := x.ask(q, "", o)
	if !ok {
		return
	}
	body := append(make([]byte, 0, 64), `{"stacks":[`...)
	for i, s := range reply.Stacks {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendStack(body, s.Name, s.Size)
	}
	body = append(body, `],"next":`...)
	inBase64 := !utf8.ValidString(reply.Next)
	body = appendValue(body, []byte(reply.Next), inBase64)
	if inBase64 {
		body = append(body, encodedBase64...)
	}
	x.Send(http.StatusOK, jsonType, append(body, "}\n"...))
}

// appendStack appends a stack's line. Names that came by another protocol may be any bytes.
func appendStack(dst []byte, name string, size uint64) []byte {
	inBase64 := !utf8.ValidString(name)
	dst = append(dst, `{"name":`...)
	dst = appendValue(dst, []byte(name), inBase64)
	dst = appendNumber(dst, `,"size":`, size)
	if inBase64 {
		dst = append(dst, encodedBase64...)
	}
	return append(dst, '}')
}

func appendEmpty(dst []byte, empty bool) []byte {
	return strconv.AppendBool(append(dst, `,"empty":`...), empty)
}

func describeStack(x *Exchange) {
	if name, reply, ok := x.look(store.GetStack{}); ok {
		x.Send(http.StatusOK, jsonType, append(appendStack(nil, name, reply.Size), '\n'))
	}
}

func sizeOfStack(x *Exchange) {
	if _, reply, ok := x.look(store.GetStack{}); ok {
		x.Send(http.StatusOK, jsonType, append(appendNumber(nil, `{"size":`, reply.Size), "}\n"...))
	}
}

func topOfStack(x *Exchange) {
	_, reply, ok := x.look(store.GetStack{WithTop: true})
	switch {
	case !ok:
		return
	case x.wantsBytes():
		x.sendBytes(reply.Values)
		return
	}
	body := append(make([]byte, 0, 128), `{"value":`...)
	inBase64 := needsBase64(reply.Values...)
	if len(reply.Values) == 0 {
		body = append(body, "null"...)
	} else {
		body = appendValue(body, reply.Values[0], inBase64)
	}
	body = appendEmpty(body, len(reply.Values) == 0)
	body = appendNumber(body, `,"size":`, reply.Size)
	if inBase64 {
		body = append(body, encodedBase64...)
	}
	x.Send(http.StatusOK, jsonType, append(body, "}\n"...))
}

// look reads the stack that the path names, with the parameters of every read.
func (x *Exchange) look(q store.GetStack) (string, store.Reply, bool) {
	name, ok := x.Name(0)
	if !ok {
		return "", store.Reply{}, false
	}
	_, o, ok := x.ReadParameters()
	if !ok {
		return "", store.Reply{}, false
	}
	q.Stack = name
	reply, ok := x.ask(q, name, o)
	return name, reply, ok
}

func itemsOfStack(x *Exchange) {
	name, ok := x.Name(0)
	if !ok {
		return
	}
	p, o, ok := x.ReadParameters("offset", "limit")
	if !ok {
		return
	}
	q := store.Items{
		Stack: name, Offset: p.Number("offset", 0, 0, 1<<63),
		Limit: p.Number("limit", listedItems, 1, listedItemsMost),
	}
	if !p.ok {
		return
	}
	reply, ok := x.ask(q, name, o)
	if !ok {
		return
	}
	inBase64 := needsBase64(reply.Values...)
	body := append(make([]byte, 0, 256), `{"values":`...)
	body = appendValues(body, reply.Values, inBase64)
	body = appendNumber(body, `,"size":`, reply.Size)
	if inBase64 {
		body = append(body, encodedBase64...)
	}
	x.Send(http.StatusOK, jsonType, append(body, "}\n"...))
}

// wantsBytes says whether the client asks for the raw bytes of one value.
func (x *Exchange) wantsBytes() bool {
	for _, line := range x.r.Header["Accept"] {
		for item := range strings.SplitSeq(line, ",") {
			media, _, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.TrimSpace(media), bytesType[0]) {
				return true
			}
		}
	}
	return false
}

// sendBytes sends one value as it is, or 204 for none.
func (x *Exchange) sendBytes(values [][]byte) {
	if len(values) == 0 {
		x.w.Header()["Drystone-Empty"] = headerTrue
		x.SendNothing()
		return
	}
	x.Send(http.StatusOK, bytesType, values[0])
}
