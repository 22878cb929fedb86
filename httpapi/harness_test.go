package httpapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"drystone/httpapi/httpapitest"
)

// local is a node without a cluster.
type local = httpapitest.Service

// front is a served front, called over a real connection.
type front struct {
	t       testing.TB
	service *local
	api     *API
	held    *contract // every exchange is held against openapi.json
	address string
	log     *bytes.Buffer
	client  *http.Client
}

func newFront(t *testing.T, hosts ...string) *front {
	t.Helper()
	f := &front{t: t, service: httpapitest.New(), log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(f.log, nil))
	f.api = New(f.service, Config{Hosts: hosts, Logger: log, Version: "test"})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = listener.Addr().String()
	f.held = newContract(f.api)
	server := NewServer(f.held, log)
	done := make(chan struct{})
	go func() {
		server.Serve(listener)
		close(done)
	}()
	transport := &http.Transport{}
	f.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		<-done
		if broken := f.held.end(); broken != "" {
			t.Errorf("not as openapi.json has it:\n%s", broken)
		}
	})
	return f
}

// answer is a reply, whole.
type answer struct {
	status int
	header http.Header
	body   string
}

// call sends a request. Headers come in pairs; Host is the request's own field. A body of nil
// sends none.
func (f *front) call(method, path string, body []byte, headers ...string) answer {
	f.t.Helper()
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequest(method, "http://"+f.address+path, r)
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		} else {
			req.Header.Add(headers[i], headers[i+1])
		}
	}
	resp, err := f.client.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(got)}
}

// json sends a body typed as JSON.
func (f *front) json(method, path, body string, headers ...string) answer {
	f.t.Helper()
	return f.call(method, path, []byte(body), append(headers, "Content-Type", "application/json")...)
}

// curl sends a body as `curl -d` does.
func (f *front) curl(path, body string, headers ...string) answer {
	f.t.Helper()
	return f.call("POST", path, []byte(body),
		append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
}

// raw sends bytes as they are, and returns the first reply to them.
func (f *front) raw(request string) answer {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		f.t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// want checks status and body.
func (a answer) want(t testing.TB, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("got %d %q, want %d %q", a.status, a.body, status, body)
	}
}

// problem is the body of an error, decoded.
type problemBody struct {
	Type, Title, Detail, Code, Outcome, Next string
	Status                                   int
	RequestID                                string `json:"request_id"`
	RetrySafe                                *bool  `json:"retry_safe"`
}

// wantProblem checks an error: its status, code and outcome, and that nothing is missing.
func (a answer) wantProblem(t testing.TB, status int, code, outcome string) problemBody {
	t.Helper()
	var p problemBody
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Errorf("got %d %q, which is no problem: %v", a.status, a.body, err)
		return p
	}
	if a.status != status || p.Status != status || p.Code != code || p.Outcome != outcome {
		t.Errorf("got %d %s (%d) %s: %s; want %d %s %s", a.status, p.Code, p.Status, p.Outcome,
			p.Detail, status, code, outcome)
	}
	if a.header.Get("Content-Type") != "application/problem+json" || p.Type != "/errors/"+code ||
		p.Title == "" || p.Detail == "" || p.Next == "" || p.RequestID == "" || p.RetrySafe == nil ||
		a.header.Get("Drystone-Request-Id") != p.RequestID {
		t.Errorf("the problem is not whole: %v %s", a.header, a.body)
	}
	return p
}
