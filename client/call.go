package client

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// call is one operation, however often it is sent.
type call struct {
	method      string
	path        string // percent-encoded
	query       url.Values
	body        []byte
	contentType string
	endpoint    string // the only one to ask, and at once: its silence is an answer; "" for any
	waits       bool   // the node is asked to wait: one attempt may have all the time
	alone       bool   // a node answers it without the others: it may be asked though it cannot write

	// What a write is told from another by. A read has none of it.
	write      bool
	key        string // its Idempotency-Key; "" for none
	session    *Session
	seq        uint64 // in the session
	again      bool   // an earlier call has sent it, with an outcome that is unknown
	idempotent bool   // doing it twice is doing it once: no identity is needed to repeat it
	id         string // names it in errors when it has no key
}

// repeatable says whether a call may be sent again while it is not known what became of it.
func (k *call) repeatable() bool {
	return !k.write || k.key != "" || k.session != nil || k.idempotent
}

// Meta is what every reply tells beside its content.
type Meta struct {
	Index     uint64 // of the log, which the reply reflects
	Term      uint64 // reads only
	StaleMs   uint64 // stale reads only: since the node heard a leader
	RequestID string // writes only: the Idempotency-Key, or what the node called it
	Replayed  bool   // it was executed before, under the same identity
	Endpoint  string // who answered

	status int
}

type reply struct {
	Meta
	body []byte
}

// WriteOptions are those of every write.
type WriteOptions struct {
	// Key is the Idempotency-Key: 1 to 128 visible ASCII characters. A write that is repeated
	// with its key gets the first one's result. "": the client makes one.
	Key string
	// Session sends the write as the next of a session, instead of under a key.
	Session *Session
	// Seq repeats a write of the session whose outcome is unknown, as Error.Seq names it. 0: a new
	// one.
	Seq uint64
	// NoKey sends the write without an identity, which costs the cluster nothing to remember. It
	// is then repeated only after proof that it was not applied.
	NoKey bool
}

// write sends a write, under the identity that its options ask for, and reads its reply into out.
func (c *Client) write(ctx context.Context, k call, o WriteOptions, out any) (Meta, error) {
	k.write = true
	if err := o.check(); err != nil {
		return Meta{}, err
	}
	switch {
	case o.Session != nil:
		return o.Session.write(ctx, k, o.Seq, out)
	case !o.NoKey && o.Key == "":
		k.key = NewKey()
	default:
		k.key = o.Key
	}
	return c.send(ctx, k, out)
}

// check refuses options that contradict each other.
func (o *WriteOptions) check() error {
	refused := &Error{
		Code: codeBadRequest, Title: "The request makes no sense", Outcome: OutcomeNotApplied,
		RetrySafe: true, RequestID: o.Key, Next: "Mend the options of the call.",
	}
	switch {
	case o.Key != "" && !validKey(o.Key):
		refused.Code, refused.Title = codeBadKey, "The Idempotency-Key cannot be used"
		refused.Detail = fmt.Sprintf("The key %.200q is not 1 to 128 visible ASCII characters.", o.Key)
		refused.Next = "Choose another; a random UUID does well."
	case o.Session != nil && (o.Key != "" || o.NoKey):
		refused.Detail = "A write of a session has its place in it, and no key."
	case o.Key != "" && o.NoKey:
		refused.Detail = "A write has a key or none."
	case o.Session == nil && o.Seq != 0:
		refused.Detail = "A Seq means nothing without its Session."
	default:
		return nil
	}
	return refused
}

func validKey(key string) bool {
	return key != "" && len(key) <= 128 &&
		strings.IndexFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
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
	return c.send(ctx, call{method: http.MethodGet, path: path, query: q, alone: o.Stale}, out)
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

// shortestAttempt is the least that is worth a further attempt once a node has answered: one that
// is cut short would turn a clear refusal into doubt.
const shortestAttempt = 100 * time.Millisecond

// do sends a call until it has a final answer or its time is up.
func (c *Client) do(ctx context.Context, k call) (reply, *Error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	progress := attempts{began: time.Now(), doubt: k.again}
	if ctx.Err() != nil {
		e := unreached("", false, ctx.Err())
		e.Detail = "The time was up before the request could be sent."
		progress.note(ctx, e)
		return reply{}, progress.giveUp(ctx, k)
	}
	if k.endpoint != "" {
		return c.ask(ctx, k, &progress)
	}
	way, pause := newRotation(&c.pool), firstPause
	way.alone = k.alone
	for {
		e, wait := way.next()
		if e == nil {
			if wait < 0 { // all have turned out to be of no use
				return reply{}, progress.verdict(k, progress.last)
			}
			if wait >= timeLeft(ctx) { // none will take it in time, by its own word
				if progress.last == nil {
					progress.note(ctx, allBusy(wait))
				}
				return reply{}, progress.giveUp(ctx, k)
			}
			rest(ctx, wait, pause)
			if ctx.Err() != nil || progress.refused() && timeLeft(ctx) < shortestAttempt {
				return reply{}, progress.giveUp(ctx, k)
			}
			pause = min(2*pause, lastPause)
			way.again()
			continue
		}
		r, err := c.attempt(ctx, k, e)
		if err == nil {
			c.pool.succeeded(e)
			return r, nil
		}
		progress.note(ctx, err)
		if ctx.Err() != nil {
			return reply{}, progress.giveUp(ctx, k)
		}
		c.pool.failed(e, err)
		switch {
		case !k.repeatable() && err.Outcome != OutcomeNotApplied:
			return reply{}, progress.verdict(k, err)
		case err.hopeless, err.Code == CodeOtherCluster,
			err.Code == CodeNotDrystone && !passing(err.Status):
			way.drop(e)
		case !passing(err.Status):
			return reply{}, progress.verdict(k, err)
		}
		if progress.refused() && timeLeft(ctx) < shortestAttempt {
			return reply{}, progress.giveUp(ctx, k)
		}
	}
}

// ask asks the one endpoint that a call is for. A node that answers, but not yet, is asked again.
func (c *Client) ask(ctx context.Context, k call, progress *attempts) (reply, *Error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		r, err := c.exchange(mayDial(ctx), k, k.endpoint, timeLeft(ctx))
		if err == nil {
			return r, nil
		}
		progress.note(ctx, err)
		switch {
		case ctx.Err() != nil:
			return reply{}, progress.giveUp(ctx, k)
		case err.Status == 0 || !passing(err.Status):
			return reply{}, progress.verdict(k, err)
		}
		rest(ctx, err.retryAfter, pause)
		if timeLeft(ctx) < shortestAttempt {
			return reply{}, progress.giveUp(ctx, k)
		}
	}
}

// timeLeft is what a context's deadline leaves.
func timeLeft(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	return time.Until(deadline)
}

// rest waits for a while, and then a part of a pause, at least half of it, that differs from call
// to call.
func rest(ctx context.Context, atLeast, pause time.Duration) {
	t := time.NewTimer(atLeast + pause/2 + rand.N(pause/2))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// passing says whether a status is of a state that passes: the same node, or another, may answer
// otherwise later.
func passing(status int) bool {
	switch status {
	case 0, http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
