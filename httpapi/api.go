// Package httpapi is the HTTP front of a node: it gives every request its identity and deadline,
// carries it to the log or to a read, and puts what became of it into words. The built-in store's
// routes register on it, and so do those of someone's own machine (API.Handle).
//
// Every error is an RFC 9457 problem with a code of one table (problems.go, docs/errors.md). The
// body of a write's reply is a function of what the log decided and of nothing else, so a repeat
// under the same Idempotency-Key gets the first reply byte for byte, from any node.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"drystone/rsm"
)

// Service is what the front needs of a node. ctx carries the deadline, by which each method
// returns.
type Service interface {
	// Do carries a request to the log, and returns what became of it and the id by which it can
	// be asked for later ("" when it never got one).
	Do(ctx context.Context, r rsm.Request) (rsm.Result, string)
	// Query answers a read.
	Query(ctx context.Context, q []byte, o rsm.ReadOptions) rsm.ReadResult
	// Status waits until the node has applied an index; 0 does not wait.
	Status(ctx context.Context, applied uint64) (rsm.Status, error)
}

// Config is what a front is made with. The zero value serves loopback only.
type Config struct {
	// Hosts are the names and addresses, with or without a port or scheme, that the node is
	// reached by besides loopback: those it listens on and those it advertises.
	Hosts   []string
	Logger  *slog.Logger // nil: slog.Default()
	Version string       // reported by a Service that names none
}

// Handler answers one exchange. It must answer: by Send, by Fail, through Writer, or by calling
// something that has already done so when it returned false.
type Handler func(*Exchange)

// API is the front. It is an http.Handler.
type API struct {
	service  Service
	config   Config
	hosts    map[string]bool
	origins  *http.CrossOriginProtection
	routes   router
	maxValue atomic.Uint64 // max_value_bytes as last seen; 0: not yet
	draining atomic.Bool
}

var _ http.Handler = (*API)(nil)

// New returns a front with the store's routes, the seed's six calls, and status.
func New(s Service, c Config) *API {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	a := &API{
		service: s, config: c, hosts: hostSet(c.Hosts), origins: http.NewCrossOriginProtection(),
	}
	a.addStacks()
	a.addSeed()
	a.addStatus()
	a.addSessions()
	a.addRequests()
	a.addMembers()
	a.addErrors()
	a.addOpenAPI()
	return a
}

// Handle registers a route. pattern begins with a slash; a segment {…} stands for one name,
// percent-encoded in the path, and {…...} at the end for all the rest. GET also answers HEAD.
// It panics on a pattern that is taken. Register before the first request.
func (a *API) Handle(method, pattern string, h Handler) { a.routes.add(method, pattern, h) }

// Drain makes /readyz say that the node is shutting down, so that nothing new is sent to it.
func (a *API) Drain() { a.draining.Store(true) }

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &Exchange{api: a, w: w, r: r, arrived: time.Now()}
	defer x.end()
	n, params := a.routes.find(r.URL.EscapedPath(), x.space[:0])
	x.params = params
	if n != nil && n.plain {
		x.plain = true
		x.succeed("")
	}
	if !a.admit(x) {
		return
	}
	if n == nil {
		x.Fail(codeNotFound, fmt.Sprintf("There is no route %s. A slash inside of a name is "+
			"written %%2F.", quoted(r.URL.EscapedPath())))
		return
	}
	h := n.methods[r.Method]
	if h == nil && r.Method == http.MethodHead {
		h = n.methods[http.MethodGet]
	}
	if h == nil {
		w.Header()["Allow"] = n.allow
		x.Fail(codeMethodNotAllowed, fmt.Sprintf("%s is not for %s; this route has %s.",
			quoted(r.Method), quoted(r.URL.EscapedPath()), n.allow[0]))
		return
	}
	h(x)
}

// end releases what an exchange holds, and turns a panic of a handler into a reply: one request's
// mistake must not end the node.
func (x *Exchange) end() {
	if x.cancel != nil {
		x.cancel()
	}
	fault := recover()
	if fault == nil {
		return
	}
	if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(fault)
	}
	x.api.config.Logger.Error("a handler panicked", "request_id", x.ID(), "method", x.r.Method,
		"path", x.r.URL.EscapedPath(), "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
	switch {
	case x.sent: // a half reply must not look like a whole one
		panic(http.ErrAbortHandler)
	case x.submitted:
		x.failUnknown("The server met a fault after it had sent the request to the log.")
	default:
		x.Fail(codeInternal, "The server met a fault before it had sent anything to the log.")
	}
}

// Limits of the server, against clients that are slow or send without end. The deadline of a
// request bounds its body; see readBody.
const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)

// NewServer returns a server for a front, with its limits set. The caller listens and serves.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	if log == nil {
		log = slog.Default()
	}
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		// OPTIONS * is a request like any other: a 404 in our words.
		DisableGeneralOptionsHandler: true,
	}
}
