package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"
)

// shortestShare is the least that an endpoint gets before another is asked.
const shortestShare = time.Second

// longestAsked is the most that a node may be asked to take.
const longestAsked = 60 * time.Second

// maxProblemBytes bounds the body of an error.
const maxProblemBytes = 1 << 20

// attempt sends a call once, to an endpoint that belongs to the cluster.
func (c *Client) attempt(ctx context.Context, k call, e *endpoint) (reply, *Error) {
	share := timeLeft(ctx)
	if n := c.pool.size(); !k.waits && k.repeatable() {
		// A node that hangs must not take the time of those that answer.
		share = min(share, max(shortestShare, share/time.Duration(n)))
	}
	end := time.Now().Add(share)
	if !c.pool.isMember(e) {
		if err := c.meet(ctx, e, share); err != nil {
			return reply{}, err
		}
	}
	r, err := c.exchange(ctx, k, e.url, time.Until(end))
	if err == nil || !err.unmet {
		return r, err
	}
	if err := c.meet(ctx, e, time.Until(end)); err != nil {
		return reply{}, err
	}
	return c.exchange(mayDial(ctx), k, e.url, time.Until(end))
}

// exchange sends a request and takes its reply, within a time.
func (c *Client) exchange(ctx context.Context, k call, endpoint string, share time.Duration) (
	r reply, err *Error,
) {
	// Whatever fails before there is a connection, handshake of TLS included, was not sent. From
	// then on it may have been, whatever the error: bytes that were given to the system are gone.
	var connections atomic.Int32
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connections.Add(1) },
	})
	defer func() {
		// net/http repeats by itself what has an Idempotency-Key, when a connection of old breaks.
		// The answer then speaks of the last time only.
		if err != nil && k.key != "" && connections.Load() > 1 {
			err.resent = true
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	target := endpoint + k.path
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	req, fault := http.NewRequestWithContext(ctx, k.method, target, bytes.NewReader(k.body))
	if fault != nil {
		return reply{}, unreached(endpoint, false, fault)
	}
	c.head(req, &k, share)
	resp, fault := c.http.Do(req)
	if fault != nil {
		sent := connections.Load() > 0
		err := unreached(endpoint, sent, fault)
		err.unmet = !sent && errors.Is(fault, errNotMet)
		return reply{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		body, fault := io.ReadAll(io.LimitReader(resp.Body, maxProblemBytes))
		if fault != nil {
			return reply{}, unreached(endpoint, true, fault)
		}
		return reply{}, errorOf(endpoint, resp.StatusCode, resp.Header, body)
	}
	body, fault := io.ReadAll(resp.Body)
	switch {
	case fault != nil:
		return reply{}, unreached(endpoint, true, fault)
	case resp.StatusCode != http.StatusNoContent && !json.Valid(body):
		return reply{}, strange(endpoint, resp.StatusCode, fmt.Sprintf("%s answers %d, but not in "+
			"JSON: something else listens there, or stands in between.", endpoint, resp.StatusCode))
	}
	r = reply{body: body, Meta: metaOf(resp.Header)}
	r.Endpoint, r.status = endpoint, resp.StatusCode
	return r, nil
}

func (c *Client) head(req *http.Request, k *call, share time.Duration) {
	h := req.Header
	if k.contentType != "" {
		h["Content-Type"] = []string{k.contentType}
	}
	if k.key != "" {
		h["Idempotency-Key"] = []string{QuoteKey(k.key)}
	}
	if k.session != nil {
		number := func(n uint64) []string { return []string{strconv.FormatUint(n, 10)} }
		h["Drystone-Session"] = []string{k.session.id}
		h["Drystone-Seq"] = number(k.seq)
		h["Drystone-Ack"] = number(k.session.ack())
	}
	if c.token != "" {
		h["Authorization"] = []string{"Bearer " + c.token}
	}
	// The node is to answer before this side stops to listen: what it says is worth more than
	// silence.
	asked := min(share-min(share/10, 100*time.Millisecond), longestAsked)
	h["Drystone-Timeout"] = []string{strconv.FormatInt(max(1, asked.Milliseconds()), 10) + "ms"}
}

func metaOf(h http.Header) Meta {
	number := func(name string) uint64 {
		n, _ := strconv.ParseUint(h.Get(name), 10, 64)
		return n
	}
	return Meta{
		Index: number("Drystone-Index"), Term: number("Drystone-Term"),
		StaleMs: number("Drystone-Stale-Ms"), RequestID: h.Get("Drystone-Request-Id"),
		Replayed: h.Get("Idempotency-Replayed") == "true",
	}
}

// retryAfter reads the header of that name: seconds, or a date; 0 for none.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}
