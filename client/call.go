package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// call is one operation, however often it is sent.
type call struct {
	method      string
	path        string // percent-encoded
	query       url.Values
	body        []byte
	contentType string
	key         string // of a write; "" for a read
	endpoint    string // the only one to ask, and at once: its silence is an answer; "" for any
	waits       bool   // the node is asked to wait: one attempt may have all the time
}

// Meta is what every reply tells beside its content.
type Meta struct {
	Index     uint64 // of the log, which the reply reflects
	Term      uint64 // reads only
	StaleMs   uint64 // stale reads only: since the node heard a leader
	RequestID string // writes only: the Idempotency-Key
	Replayed  bool   // it was executed before, under the same key
	Endpoint  string // who answered

	status int
}

type reply struct {
	Meta
	body []byte
}

// write sends a write, under the caller's key or a fresh one, and reads its reply into out.
func (c *Client) write(ctx context.Context, k call, o WriteOptions, out any) (Meta, error) {
	if k.key = o.Key; k.key == "" {
		k.key = NewKey()
	}
	if !validKey(k.key) {
		return Meta{}, &Error{
			Code: codeBadKey, Title: "The Idempotency-Key cannot be used", Outcome: OutcomeNotApplied,
			RetrySafe: true, RequestID: k.key, Next: "Choose another; a random UUID does well.",
			Detail: fmt.Sprintf("The key %.200q is not 1 to 128 visible ASCII characters.", k.key),
		}
	}
	return c.send(ctx, k, out)
}

// read sends a read, and reads its reply into out.
func (c *Client) read(ctx context.Context, path string, q url.Values, o ReadOptions, out any) (
	Meta, error,
) {
	if o.Stale {
		q.Set("consistency", "stale")
		if o.MaxStale > 0 {
			q.Set("max_stale", o.MaxStale.String())
		}
	}
	setNumber(q, "min_index", o.MinIndex)
	return c.send(ctx, call{method: http.MethodGet, path: path, query: q}, out)
}

func (c *Client) send(ctx context.Context, k call, out any) (Meta, error) {
	r, err := c.do(ctx, k)
	if err != nil {
		return Meta{}, err
	}
	if out == nil {
		return r.Meta, nil
	}
	if json.Unmarshal(r.body, out) != nil {
		e := strange(r.Endpoint, r.status, r.Endpoint+" answers something that cannot be read.")
		return r.Meta, (&attempts{}).verdict(k, e)
	}
	return r.Meta, nil
}

// Pauses between rounds over all endpoints grow from the first to the last, each drawn from its
// upper half so that many clients do not come at once.
const (
	firstPause = 10 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// shortestShare is the least that an endpoint gets before another is asked.
const shortestShare = time.Second

// shortestAttempt is the least that is worth a further attempt once a node has answered: one that
// is cut short would turn a clear refusal into doubt.
const shortestAttempt = 100 * time.Millisecond

// longestAsked is the most that a node may be asked to take.
const longestAsked = 60 * time.Second

// do sends a call until it has a final answer or its time is up. Repeating is safe: a read changes
// nothing, and a write has a key.
func (c *Client) do(ctx context.Context, k call) (reply, *Error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	endpoints, first := c.endpoints, int(c.current.Load())
	if k.endpoint != "" {
		endpoints, first = []string{k.endpoint}, 0
	}
	progress := attempts{began: time.Now()}
	if ctx.Err() != nil {
		e := unreached("", false, ctx.Err())
		e.Detail = "The time was up before the request could be sent."
		progress.note(e)
		return reply{}, progress.giveUp(ctx, k)
	}
	pause := firstPause
	for i := 0; ; i++ {
		at := (first + i) % len(endpoints)
		r, err := c.attempt(ctx, k, endpoints[at], len(endpoints))
		if err == nil {
			if k.endpoint == "" {
				c.current.Store(uint32(at))
			}
			return r, nil
		}
		progress.note(err)
		if ctx.Err() == nil && (!worthRepeating(err) || k.endpoint != "" && err.Status == 0) {
			return reply{}, progress.verdict(k, err)
		}
		if (i+1)%len(endpoints) == 0 || err.Status == http.StatusTooManyRequests {
			rest(ctx, pause)
			pause = min(2*pause, lastPause)
		}
		answered := progress.last.Status != 0
		if ctx.Err() != nil || answered && timeLeft(ctx) < shortestAttempt {
			return reply{}, progress.giveUp(ctx, k)
		}
	}
}

// timeLeft is what a context's deadline leaves.
func timeLeft(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	return time.Until(deadline)
}

func rest(ctx context.Context, pause time.Duration) {
	t := time.NewTimer(pause/2 + rand.N(pause/2))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// worthRepeating says whether another node, or the same one later, may answer otherwise.
func worthRepeating(e *Error) bool {
	switch e.Status {
	case 0, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout:
		return true
	}
	return false
}

// attempt sends a call once.
func (c *Client) attempt(ctx context.Context, k call, endpoint string, endpoints int) (
	reply, *Error,
) {
	left := timeLeft(ctx)
	share := left
	if !k.waits { // a node that hangs must not take the time of those that answer
		share = min(left, max(shortestShare, left/time.Duration(endpoints)))
	}
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	})
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	target := endpoint + k.path
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, k.method, target, bytes.NewReader(k.body))
	if err != nil {
		return reply{}, unreached(endpoint, false, err)
	}
	c.head(req, k, share)
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, unreached(endpoint, sent.Load(), err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, unreached(endpoint, true, err)
	}
	if resp.StatusCode/100 != 2 {
		return reply{}, errorOf(endpoint, resp.StatusCode, resp.Header, body)
	}
	r := reply{body: body, Meta: metaOf(resp.Header)}
	r.Endpoint, r.status = endpoint, resp.StatusCode
	return r, nil
}

func (c *Client) head(req *http.Request, k call, share time.Duration) {
	h := req.Header
	if k.contentType != "" {
		h["Content-Type"] = []string{k.contentType}
	}
	if k.key != "" {
		h["Idempotency-Key"] = []string{quoteKey(k.key)}
	}
	if c.token != "" {
		h["Authorization"] = []string{"Bearer " + c.token}
	}
	// The node is to answer before this side stops to listen: what it says is worth more than
	// silence.
	asked := min(share-min(share/10, 100*time.Millisecond), longestAsked)
	h["Drystone-Timeout"] = []string{strconv.FormatInt(max(1, asked.Milliseconds()), 10) + "ms"}
}

func validKey(key string) bool {
	return key != "" && len(key) <= 128 &&
		strings.IndexFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// quoteKey writes a key as a structured-field string.
func quoteKey(key string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
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

// attempts is what was learned on the way to a verdict.
type attempts struct {
	began   time.Time
	last    *Error   // that a node reported, if any did; otherwise the network's
	doubt   bool     // an attempt may have taken effect
	reasons []string // why endpoints gave no answer, each once
}

func (a *attempts) note(e *Error) {
	a.doubt = a.doubt || e.Outcome == OutcomeUnknown
	if e.Status == 0 {
		if len(a.reasons) < 8 && !slices.Contains(a.reasons, e.Detail) {
			a.reasons = append(a.reasons, e.Detail)
		}
		if a.last != nil && a.last.Status != 0 {
			return
		}
	}
	a.last = e
}

// verdict is the error of the whole call. "Not applied" speaks of one attempt: when another may
// have taken effect, the outcome of the call is unknown. A key that stands for another command is
// the exception: then none of this call's attempts took effect.
func (a *attempts) verdict(k call, e *Error) *Error {
	v := *e
	if k.key == "" { // a read has no effect to be uncertain of
		v.Outcome, v.RetrySafe = OutcomeNotApplied, true
		return &v
	}
	v.RequestID = k.key
	if a.doubt && v.Outcome == OutcomeNotApplied && v.Code != codeKeyReused {
		v.Code, v.Title, v.Outcome = codeOutcomeUnknown, "The outcome is unknown", OutcomeUnknown
		v.Detail = "An earlier attempt may have taken effect. The last answer was: " + e.Detail
		v.Next = "Repeat it with the same key: it cannot take effect twice."
	}
	return &v
}

// giveUp is the error of a call whose time is up, or whose caller left.
func (a *attempts) giveUp(ctx context.Context, k call) *Error {
	v := a.verdict(k, a.last)
	v.cause = cmp.Or(ctx.Err(), context.DeadlineExceeded)
	if errors.Is(ctx.Err(), context.Canceled) {
		v.Code, v.Title = CodeCancelled, "The caller left"
		v.Detail = "The call was cancelled before an answer came."
		return v
	}
	switch v.Code {
	case CodeUnreachable:
		v.Detail = strings.Join(a.reasons, " ")
	case CodeNoAnswer:
		v.Detail = fmt.Sprintf("No answer came within %v: %s",
			time.Since(a.began).Round(time.Millisecond), strings.Join(a.reasons, " "))
	}
	return v
}
