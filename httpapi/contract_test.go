package httpapi

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
)

// contract stands before a front, and holds every exchange against openapi.json.
type contract struct {
	front *API
	ours  *API // with no routes but those that New registers

	busy   sync.WaitGroup
	mu     sync.Mutex
	broken []string
	met    map[string]bool // operation and response
	seen   [][]byte        // each exchange in the order of their ends, as golden files have it
}

func newContract(front *API) *contract {
	return &contract{front: front, ours: New(front.service, Config{}), met: map[string]bool{}}
}

func (c *contract) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.busy.Add(1)
	defer c.busy.Done()
	sent := &recorded{ReadCloser: r.Body}
	if r.Body != http.NoBody {
		r.Body = sent
	}
	reply := &recorder{ResponseWriter: w}
	c.front.ServeHTTP(reply, r) // a reply that ends in a panic is none
	c.look(r, sent.kept.Bytes(), answer{reply.status, reply.header, reply.body.String()})
}

func (c *contract) look(r *http.Request, sent []byte, a answer) {
	c.mu.Lock()
	c.seen = append(c.seen, append(append(goldenRequest(r, sent), "\n--> "...), a.golden()...))
	c.mu.Unlock()
	path := r.URL.EscapedPath()
	if n, _ := c.front.routes.find(path, nil); n != nil {
		if own, _ := c.ours.routes.find(path, nil); own == nil {
			return // a route of the test's own
		}
	}
	o, response, err := served().check(r, sent, a)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.broken = append(c.broken, r.Method+" "+path+"?"+r.URL.RawQuery+"\n"+string(a.golden())+
			err.Error())
	case o != nil:
		c.met[o.id+" "+response] = true
	}
}

// end waits for the exchanges under way, and returns those that are not as documented.
func (c *contract) end() string {
	c.busy.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.broken, "\n\n")
}

// exchanges are those that have ended.
func (c *contract) exchanges() [][]byte {
	c.busy.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

// recorded keeps what is read of a body.
type recorded struct {
	io.ReadCloser
	kept bytes.Buffer
}

func (r *recorded) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.kept.Write(p[:n])
	return n, err
}

// recorder keeps what is sent.
type recorder struct {
	http.ResponseWriter
	status int
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	r.status, r.header = status, r.Header().Clone()
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	r.body.Write(p)
	return r.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
