package client

import (
	"context"
	"errors"
	"net"
	"net/http"
)

// A connection that was kept may break without a word, and another process listen at the address
// by the time of the next. So only a request that asks who is there opens a connection; a call
// that finds none is sent after such a request.

// errNotMet is why a call gets no connection.
var errNotMet = errors.New("it has to be asked first who is there")

type mayDialKey struct{}

// mayDial lets the requests of a context open connections.
func mayDial(ctx context.Context) context.Context {
	return context.WithValue(ctx, mayDialKey{}, true)
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// guard refuses to dial for requests that may not.
func guard(dial dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if ctx.Value(mayDialKey{}) == nil {
			return nil, errNotMet
		}
		return dial(ctx, network, address)
	}
}

// newHTTP is a copy of the caller's HTTP client, or one of its own, that follows no redirect and
// opens connections as said above. What is no http.Transport is left to open them as it likes.
func newHTTP(given *http.Client) *http.Client {
	h := &http.Client{}
	if given != nil {
		*h = *given
	}
	// No node sends a client elsewhere. What does is a stranger, and might lead a write anywhere.
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var t *http.Transport
	switch given := h.Transport.(type) {
	case nil:
		t = http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 128
	case *http.Transport:
		t = given.Clone()
	default:
		return h
	}
	if t.DialContext == nil {
		t.DialContext = (&net.Dialer{}).DialContext
	}
	t.DialContext = guard(t.DialContext)
	if t.DialTLSContext != nil {
		t.DialTLSContext = guard(t.DialTLSContext)
	}
	h.Transport = t
	return h
}
