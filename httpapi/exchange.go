package httpapi

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"drystone/rsm"
	"drystone/store"
)

// Exchange is one request and its reply.
type Exchange struct {
	api     *API
	w       http.ResponseWriter
	r       *http.Request
	arrived time.Time

	params []string // still encoded
	space  [3]string
	plain  bool // errors are one line of text: the seed's calls

	ctx    context.Context
	cancel context.CancelFunc

	key        string       // Idempotency-Key; "" for none
	session    rsm.Identity // of a client session, or zero
	id         string       // names the request in replies; "" until asked for
	named      bool         // id is what the node called it: it can be asked for
	about      string       // what to say when the session that is asked about is gone
	idempotent bool         // twice does no more than once, whatever its identity
	submitted  bool         // a write was handed to the service
	sent       bool         // the reply has begun
}

// Request is the request as it came.
func (x *Exchange) Request() *http.Request { return x.r }

// Service is the node behind the front.
func (x *Exchange) Service() Service { return x.api.service }

// Writer is for replies that Send cannot give, such as streams.
func (x *Exchange) Writer() http.ResponseWriter {
	x.sent = true
	return x.w
}

// Header is the reply's header, before it is sent.
func (x *Exchange) Header() http.Header { return x.w.Header() }

// Send sends a whole reply.
func (x *Exchange) Send(status int, contentType []string, body []byte) {
	x.sent = true
	h := x.w.Header()
	h["Content-Type"] = contentType
	h["X-Content-Type-Options"] = noSniff
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.w.WriteHeader(status)
	if x.r.Method != http.MethodHead {
		x.w.Write(body) // an error means that the client left: nobody is there to be told
	}
}

// SendNothing answers 204.
func (x *Exchange) SendNothing() {
	x.sent = true
	x.w.WriteHeader(http.StatusNoContent)
}

var noSniff = []string{"nosniff"}

// ID names the request: its Idempotency-Key when it has one, or else what the node called it, or
// a name made here when it never reached the node.
func (x *Exchange) ID() string {
	if x.id == "" {
		x.id = "front-" + strconv.FormatUint(rand.Uint64(), 36)
	}
	return x.id
}

// Name returns the i-th parameter of the route's pattern, decoded, as the name of a thing: 1 to
// 512 bytes of UTF-8. It has failed the exchange when it returns false.
func (x *Exchange) Name(i int) (string, bool) {
	name, err := url.PathUnescape(x.params[i])
	if err != nil {
		x.Fail(codeBadName, "The path is not percent-encoded as it should be: "+
			quoted(x.params[i])+".")
		return "", false
	}
	return name, x.checkName(name)
}

// failID says that the path does not name something as it should, which is no name one may choose.
func (x *Exchange) failID(detail string) {
	p := newProblem(codeBadName, detail)
	p.next = "Mend the path."
	x.fail(p)
}

func (x *Exchange) checkName(name string) bool {
	switch {
	case len(name) < store.MinNameBytes:
		x.Fail(codeBadName, "The name is empty.")
	case len(name) > store.MaxNameBytes:
		x.Fail(codeBadName, fmt.Sprintf("The name has %d bytes; %d is the most.", len(name),
			store.MaxNameBytes))
	case !utf8.ValidString(name):
		x.Fail(codeBadName, "The name is not UTF-8: "+strconv.QuoteToASCII(name)+".")
	default:
		return true
	}
	return false
}

// Timeouts, CONTRACT-given. The slack is for the way back to the client, so that the answer is
// there by its deadline.
const (
	defaultTimeout = 10 * time.Second
	maxTimeout     = 60 * time.Second
	timeoutSlack   = 50 * time.Millisecond
)

// Begin reads what all calls share, the deadline; it has failed the exchange when it returns
// false. Write and Query call it.
func (x *Exchange) Begin() bool {
	if x.ctx != nil {
		return true
	}
	timeout := defaultTimeout
	if values := x.r.Header["Drystone-Timeout"]; len(values) > 0 {
		d, ok := parseDuration(values[0])
		if !ok || len(values) > 1 || d <= 0 || d > maxTimeout {
			x.Fail(codeBadTimeout, fmt.Sprintf("Drystone-Timeout is %s; it must be above zero and at "+
				"most 60s, in seconds or with a unit, as in 10, 2.5s, 500ms.", quoted(values[0])))
			return false
		}
		timeout = d
	}
	timeout -= min(timeoutSlack, timeout/10)
	x.ctx, x.cancel = context.WithDeadline(x.r.Context(), x.arrived.Add(timeout))
	return true
}

// parseDuration takes Go's durations and plain seconds.
func parseDuration(s string) (time.Duration, bool) {
	if d, err := time.ParseDuration(s); err == nil {
		return d, true
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' {
			return 0, false // no signs, exponents, infinities
		}
	}
	seconds, err := strconv.ParseFloat(s, 64)
	if err != nil || seconds > 1e9 {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// quoted makes anything a client sent fit for a sentence, and bounds it.
func quoted(s string) string {
	const longest = 200
	if len(s) > longest {
		cut := longest
		for cut > longest-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
			cut--
		}
		return strconv.Quote(s[:cut]) + "…"
	}
	return strconv.Quote(s)
}

// Facts to put into a sentence must come at once or not at all.
const factsTimeout = 200 * time.Millisecond

// status asks the node for its own view, also when the exchange's deadline has passed.
func (x *Exchange) status() (rsm.Status, bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), factsTimeout)
	defer cancel()
	s, err := x.api.service.Status(ctx, 0)
	return s, err == nil
}
