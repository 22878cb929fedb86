package client

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// node is a server that answers by a script: one step for each request, the last for all others.
// Who it is it says at any time, aside from the script.
type node struct {
	*httptest.Server
	about  atomic.Value // string: its status
	number int          // among the members

	mu    sync.Mutex
	steps []step
	seen  []seen
}

// step answers one request; false breaks the connection.
type step func(w http.ResponseWriter, r *http.Request) bool

// seen is a request as the node got it.
type seen struct {
	method, uri, body string
	header            http.Header
}

func newNode(t *testing.T, steps ...step) *node {
	t.Helper()
	n := &node{steps: steps}
	n.about.Store(`{"cluster_id":"c"}`)
	n.Server = httptest.NewServer(n)
	t.Cleanup(n.Close)
	return n
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.RequestURI == "/v1/status" {
		io.WriteString(w, n.about.Load().(string))
		return
	}
	body, _ := io.ReadAll(r.Body)
	n.mu.Lock()
	n.seen = append(n.seen, seen{r.Method, r.RequestURI, string(body), r.Header.Clone()})
	do := n.steps[0]
	if len(n.steps) > 1 {
		n.steps = n.steps[1:]
	}
	n.mu.Unlock()
	if !do(w, r) {
		panic(http.ErrAbortHandler)
	}
}

func (n *node) requests() []seen {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen
}

// says answers with a body of JSON.
func says(status int, body string, headers ...string) step {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
		return true
	}
}

// fails answers with a problem.
func fails(status int, code, outcome string) step {
	body := `{"code":"` + code + `","title":"T","status":0,"detail":"Cause of ` + code + `.",` +
		`"outcome":"` + outcome + `","request_id":"r","retry_safe":true,"next":"Do it."}`
	return says(status, body, "Content-Type", "application/problem+json")
}

func breaks(http.ResponseWriter, *http.Request) bool { return false }

// hangs answers nothing until the client leaves.
func hangs(_ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	return false
}

// nowhere is an address that refuses connections: it was free a moment ago.
func nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func newClient(t *testing.T, timeout time.Duration, endpoints ...string) *Client {
	t.Helper()
	c, err := New(Options{Endpoints: endpoints, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// oneKey checks that all requests carried one and the same key, and returns it bare.
func oneKey(t *testing.T, requests []seen) string {
	t.Helper()
	key := ""
	for i, r := range requests {
		k := r.header.Get("Idempotency-Key")
		if i > 0 && k != key || len(k) < 3 || !strings.HasPrefix(k, `"`) || !strings.HasSuffix(k, `"`) {
			t.Errorf("request %d has the key %s, the one before %s", i, k, key)
		}
		key = k
	}
	return strings.Trim(key, `"`)
}

// quiet is where servers log what tests provoke.
var quiet = log.New(io.Discard, "", 0)
