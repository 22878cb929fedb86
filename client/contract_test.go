package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// cluster is a server that keeps the contract of writes: keys, sessions, fences. It executes
// pushes, and remembers them in order.
type cluster struct {
	mu       sync.Mutex
	executed []string          // values pushed, in order
	keys     map[string]string // replies by key; "" when fenced
	sessions map[string]*kept
	opened   int
	ttlMs    int
	kept     int // keepalives
	most     uint64
	down     bool // nothing is taken, and everything refused as such
}

// kept is a session as the server has it.
type kept struct {
	acked   uint64
	replies map[uint64]string // "" when fenced
}

func newCluster() *cluster {
	return &cluster{keys: map[string]string{}, sessions: map[string]*kept{}, ttlMs: 3_600_000}
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	path := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/v1/"), "/")
	switch {
	case path[0] == "status":
		io.WriteString(w, `{"cluster_id":"c","node_id":1,"applied":1}`)
	case c.down:
		problem(w, 503, "no_leader", "not_applied")
	case path[0] == "sessions":
		c.serveSession(w, r, path[1:])
	case path[0] == "requests":
		c.serveRequest(w, r, path[1:])
	case r.Header.Get("Drystone-Session") != "":
		c.pushInSession(w, r, string(body))
	default:
		c.pushUnderKey(w, r, string(body))
	}
}

func problem(w http.ResponseWriter, status int, code, outcome string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"code":%q,"title":"T","detail":"Cause of %s.","outcome":%q,"next":"Do it."}`,
		code, code, outcome)
}

func (c *cluster) serveSession(w http.ResponseWriter, r *http.Request, path []string) {
	if len(path) == 0 {
		key := r.Header.Get("Idempotency-Key")
		if c.keys[key] == "" {
			c.opened++
			id := strconv.Itoa(100 + c.opened)
			c.sessions[id] = &kept{replies: map[uint64]string{}}
			c.keys[key] = fmt.Sprintf(`{"session":%s,"ttl_ms":%d}`, id, c.ttlMs)
		}
		io.WriteString(w, c.keys[key])
		return
	}
	if c.sessions[path[0]] == nil {
		problem(w, 410, "session_expired", "not_applied")
		return
	}
	if r.Method == http.MethodDelete {
		delete(c.sessions, path[0])
	} else {
		c.kept++
	}
	io.WriteString(w, `{}`)
}

func (c *cluster) serveRequest(w http.ResponseWriter, r *http.Request, path []string) {
	id := strings.ReplaceAll(path[0], "%2F", "/")
	key := QuoteKey(id)
	reply, known := c.keys[key]
	session, seq, inSession := strings.Cut(id, "/")
	number, _ := strconv.ParseUint(seq, 10, 64)
	s := c.sessions[session]
	if inSession && s != nil {
		reply, known = s.replies[number]
	}
	fence := len(path) > 1
	switch {
	case r.Method == http.MethodDelete:
		delete(c.keys, key)
		io.WriteString(w, `{}`)
	case inSession && (s == nil || number <= s.acked):
		io.WriteString(w, `{"outcome":"forgotten"}`)
	case !known && !fence:
		io.WriteString(w, `{"outcome":"absent"}`)
	case !known || reply == "":
		if inSession {
			s.replies[number] = ""
		} else {
			c.keys[key] = ""
		}
		io.WriteString(w, `{"outcome":"fenced"}`)
	default:
		fmt.Fprintf(w, `{"outcome":"applied","result":%s}`, reply)
	}
}

// execute does a push, and makes its reply.
func (c *cluster) execute(value string) string {
	c.executed = append(c.executed, value)
	return fmt.Sprintf(`{"size":%d,"index":%d}`, len(c.executed), len(c.executed))
}

func (c *cluster) pushUnderKey(w http.ResponseWriter, r *http.Request, value string) {
	key := r.Header.Get("Idempotency-Key")
	reply, known := c.keys[key]
	switch {
	case key == "":
		reply = c.execute(value)
	case !known:
		reply = c.execute(value)
		c.keys[key] = reply
	case reply == "":
		problem(w, 410, "fenced", "not_applied")
		return
	default:
		w.Header().Set("Idempotency-Replayed", "true")
	}
	io.WriteString(w, reply)
}

func (c *cluster) pushInSession(w http.ResponseWriter, r *http.Request, value string) {
	s := c.sessions[r.Header.Get("Drystone-Session")]
	seq, _ := strconv.ParseUint(r.Header.Get("Drystone-Seq"), 10, 64)
	ack, _ := strconv.ParseUint(r.Header.Get("Drystone-Ack"), 10, 64)
	if s == nil {
		problem(w, 410, "session_expired", "unknown")
		return
	}
	if s.acked = max(s.acked, ack); seq <= s.acked {
		problem(w, 410, "reply_forgotten", "not_applied")
		return
	}
	if seq > s.acked+1024 || r.Header.Get("Idempotency-Key") != "" {
		problem(w, 400, "bad_request", "not_applied")
		return
	}
	for old := range s.replies {
		if old <= s.acked {
			delete(s.replies, old)
		}
	}
	reply, known := s.replies[seq]
	switch {
	case !known:
		c.most = max(c.most, seq)
		reply = c.execute(value)
		s.replies[seq] = reply
	case reply == "":
		problem(w, 410, "fenced", "not_applied")
		return
	default:
		w.Header().Set("Idempotency-Replayed", "true")
	}
	io.WriteString(w, reply)
}

func (c *cluster) values() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.executed...)
}

func (c *cluster) do(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// line stands between a client and a server, and loses what it is told to.
type line struct {
	*httptest.Server
	inner http.Handler

	mu    sync.Mutex
	count int
	fate  func(n int, r *http.Request) loss // of the n-th request, from 1; status is never lost
}

type loss int

const (
	nothing    loss = iota
	request         // does not arrive
	answer          // lost whole, after the server has executed
	halfAnswer      // cut in the middle, after the server has executed
	silence         // the server executes, and nothing is heard until the client leaves
)

func newLine(t *testing.T, inner http.Handler, fate func(int, *http.Request) loss) *line {
	t.Helper()
	l := &line{inner: inner, fate: fate}
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	return l
}

func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/status" {
		l.inner.ServeHTTP(w, r)
		return
	}
	l.mu.Lock()
	l.count++
	n, fate := l.count, l.fate
	l.mu.Unlock()
	lost := fate(n, r)
	if lost == request {
		panic(http.ErrAbortHandler)
	}
	recorded := httptest.NewRecorder()
	l.inner.ServeHTTP(recorded, r)
	switch lost {
	case answer:
		panic(http.ErrAbortHandler)
	case silence:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	for name, values := range recorded.Header() {
		w.Header()[name] = values
	}
	body := recorded.Body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(recorded.Code)
	if lost == halfAnswer {
		w.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	}
	w.Write(body)
}

func (l *line) set(fate func(int, *http.Request) loss) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fate = fate
}

func (l *line) requests() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

func never(int, *http.Request) loss { return nothing }

func always(l loss) func(int, *http.Request) loss {
	return func(int, *http.Request) loss { return l }
}

// fields decodes an object of JSON.
func fields(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// soon is a bound for what should take no time.
const soon = 20 * time.Second
