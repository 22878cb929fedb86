package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"drystone/rsm"
)

// A body in JSON may need six bytes for one of the value's (a control character is \u0001), and
// some for what is around it. More is refused before it is read.
const (
	jsonGrowth = 6
	jsonAround = 64 << 10
)

// bodyKind is how a body is to be understood.
type bodyKind uint8

const (
	rawBody bodyKind = iota
	jsonBody
)

// kindOfBody tells JSON from raw bytes by the Content-Type; it has failed the exchange when it
// returns false. What curl -d sends by default is raw.
func (x *Exchange) kindOfBody() (bodyKind, bool) {
	if e := x.r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		x.Fail(codeMediaType, "The Content-Encoding is "+quoted(e)+"; send the body as it is.")
		return rawBody, false
	}
	declared := x.r.Header.Get("Content-Type")
	switch declared { // those that need no parsing
	case "application/json":
		return jsonBody, true
	case "", "application/octet-stream", "application/x-www-form-urlencoded":
		return rawBody, true
	}
	media, params, err := mime.ParseMediaType(declared)
	if err != nil {
		x.Fail(codeMediaType, "The Content-Type "+quoted(declared)+" cannot be parsed.")
		return rawBody, false
	}
	switch {
	case media == "application/json":
		if c := params["charset"]; c != "" && !strings.EqualFold(c, "utf-8") {
			x.Fail(codeMediaType, "JSON is UTF-8; the Content-Type says "+quoted(c)+".")
			return jsonBody, false
		}
		return jsonBody, true
	case strings.HasPrefix(media, "multipart/"):
		x.Fail(codeMediaType, "The body is a form in parts (curl -F). The value would be the whole "+
			"form; send the value alone (curl --data-binary @FILE).")
		return rawBody, false
	}
	return rawBody, true
}

// maxValueBytes is the limit of a value as last seen. It may be old: what it would refuse is
// looked at again with a fresh one (allows), and what it lets pass the machine decides.
func (x *Exchange) maxValueBytes() uint64 {
	if n := x.api.maxValue.Load(); n > 0 {
		return n
	}
	return x.freshMaxValueBytes()
}

func (x *Exchange) freshMaxValueBytes() uint64 {
	s, ok := x.status()
	if !ok || s.Settings.MaxValueBytes == 0 {
		return rsm.DefaultSettings().MaxValueBytes
	}
	x.api.maxValue.Store(s.Settings.MaxValueBytes)
	return s.Settings.MaxValueBytes
}

// noLimit is above any body there is room for. A max_value_bytes may say more, and the sums below
// must not overflow.
const noLimit = 1 << 48

func (k bodyKind) bound(maxValue uint64) uint64 {
	maxValue = min(maxValue, noLimit)
	if k == rawBody {
		return maxValue
	}
	return jsonGrowth*maxValue + jsonAround
}

// allows says whether n bytes are within the limit of a body, and what that is.
func (x *Exchange) allows(k bodyKind, n uint64) (uint64, bool) {
	bound := k.bound(x.maxValueBytes())
	if n > bound {
		bound = k.bound(x.freshMaxValueBytes())
	}
	return bound, n <= bound
}

// readBody reads the whole body, within the deadline and the limit. It has failed the exchange
// when it returns false.
func (x *Exchange) readBody(k bodyKind) ([]byte, bool) {
	if x.r.Body == nil || x.r.Body == http.NoBody {
		return nil, true
	}
	if n := x.r.ContentLength; n > 0 {
		if bound, ok := x.allows(k, uint64(n)); !ok {
			x.failTooLarge(k, uint64(n), bound)
			return nil, false
		}
	}
	// The request's deadline is the connection's, too, until the body has ended: there the server
	// takes it back. A writer that has no connection has no deadline, and that is an error to ignore.
	if deadline, ok := x.ctx.Deadline(); ok {
		_ = http.NewResponseController(x.w).SetReadDeadline(deadline)
	}
	body, err := x.readUpTo(k)
	if err != nil {
		x.failBody(err)
		return nil, false
	}
	if bound, ok := x.allows(k, uint64(len(body))); !ok {
		x.failTooLarge(k, uint64(len(body)), bound)
		return nil, false
	}
	return body, true
}

// readUpTo reads to the end, or until the body is known to be too large.
func (x *Exchange) readUpTo(k bodyKind) ([]byte, error) {
	if n := x.r.ContentLength; n >= 0 {
		body := make([]byte, n)
		_, err := io.ReadFull(x.r.Body, body)
		return body, err
	}
	var body []byte
	for {
		bound, ok := x.allows(k, uint64(len(body)))
		if !ok {
			return body, nil
		}
		more, err := io.ReadAll(io.LimitReader(x.r.Body, int64(bound)-int64(len(body))+1))
		body = append(body, more...)
		if err != nil || uint64(len(body)) <= bound {
			return body, err
		}
	}
}

func (x *Exchange) failTooLarge(k bodyKind, n, bound uint64) {
	x.w.Header().Set("Connection", "close") // the rest of the body is not waited for
	if k == rawBody {
		x.Fail(codeValueTooLarge, fmt.Sprintf("The value has %d bytes or more; the setting "+
			"max_value_bytes allows %d.", n, bound))
		return
	}
	x.Fail(codeValueTooLarge, fmt.Sprintf("The body has %d bytes or more; %d is the most that JSON "+
		"needs under the setting max_value_bytes.", n, bound))
}

func (x *Exchange) failBody(err error) {
	x.w.Header().Set("Connection", "close")
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		x.Fail(codeBodyTimeout, "")
		return
	}
	x.Fail(codeBadRequest, "The body ended before its announced end.")
}

// Body reads a raw body, at most max_value_bytes of it. It has failed the exchange when it
// returns false.
func (x *Exchange) Body() ([]byte, bool) {
	if !x.Begin() {
		return nil, false
	}
	return x.readBody(rawBody)
}
