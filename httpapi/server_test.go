package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A panic of a handler ends its request and nothing else; what it says depends on how far the
// request had come.
func TestPanics(t *testing.T) {
	f := newFront(t)
	f.api.Handle("POST", "/early", func(*Exchange) { panic("early") })
	f.api.Handle("POST", "/late", func(x *Exchange) {
		if _, ok := x.Do([]byte{0}); ok {
			panic("late")
		}
	})
	f.api.Handle("GET", "/half", func(x *Exchange) {
		io.WriteString(x.Writer(), strings.Repeat("half", 10_000))
		panic("half")
	})
	f.call("POST", "/early", nil).wantProblem(t, 500, "internal", "not_applied")
	f.call("POST", "/late", nil).wantProblem(t, 409, "outcome_unknown", "unknown")
	f.call("POST", "/late", nil, "Idempotency-Key", "k").
		wantProblem(t, 504, "outcome_unknown", "unknown")
	resp, err := f.client.Get("http://" + f.address + "/half")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("half a reply looks like a whole one")
	}
	for _, word := range []string{"early", "late", "half", "server_test.go", "request_id=k"} {
		if !strings.Contains(f.log.String(), word) {
			t.Errorf("the log does not say %q", word)
		}
	}
	f.call("GET", "/livez", nil).want(t, 200, "ok\n")
}

// A connection serves one request after another, after refusals that left a body unread, and after
// a handler that went on past the deadline that its body had.
func TestConnectionIsKept(t *testing.T) {
	f := newFront(t)
	f.api.Handle("POST", "/long", func(x *Exchange) {
		if _, ok := x.Body(); !ok {
			return
		}
		past := time.NewTimer(time.Until(x.arrived.Add(100 * time.Millisecond)))
		defer past.Stop()
		select {
		case <-past.C:
			x.Send(200, textType, []byte("ok\n"))
		case <-x.Request().Context().Done():
			x.Fail(codeInternal, "The client seems to have left.")
		}
	})
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	const push = "/v1/stacks/a/push"
	for i, c := range []struct {
		path, headers string
		status        int
	}{
		{"/long", "Drystone-Timeout: 40ms\r\n", 200}, {push, "", 200},
		{push, "Idempotency-Key: a b\r\n", 400}, {push, "", 200},
		{push, "Drystone-Timeout: x\r\n", 400}, {"/nowhere", "", 404}, {push, "", 200},
	} {
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: 2\r\n\r\nxy",
			c.path, c.headers)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		if io.Copy(io.Discard, resp.Body); resp.StatusCode != c.status {
			t.Errorf("request %d: %d", i, resp.StatusCode)
		}
	}
}

// The body has the time that the request has, and no more.
func TestSlowBody(t *testing.T) {
	f := newFront(t)
	began := time.Now()
	for _, head := range []string{
		"Content-Length: 10\r\n\r\nslow", "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
	} {
		f.raw("POST /v1/stacks/a/push HTTP/1.1\r\nHost: localhost\r\nDrystone-Timeout: 50ms\r\n"+head).
			wantProblem(t, 408, "body_timeout", "not_applied")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	f.raw("POST /v1/stacks/a/push HTTP/1.1\r\nHost: localhost\r\n"+
		"Transfer-Encoding: chunked\r\n\r\nzz\r\n").
		wantProblem(t, 400, "bad_request", "not_applied")
}

func TestServerLimits(t *testing.T) {
	s := NewServer(http.NotFoundHandler(), nil)
	if s.ReadHeaderTimeout != 5*time.Second || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 ||
		s.ErrorLog == nil {
		t.Errorf("%+v", s)
	}
	f := newFront(t)
	a := f.raw("GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 80<<10) +
		"\r\n\r\n")
	if a.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 80 KiB: %d", a.status)
	}
}

// The deadline that the service sees is the caller's, less what the way back takes.
func TestDeadlineReachesTheService(t *testing.T) {
	f := newFront(t)
	for given, most := range map[string]time.Duration{
		"10s": 9950 * time.Millisecond, "60": 59950 * time.Millisecond, "400ms": 360 * time.Millisecond,
	} {
		for _, ask := range []func(){
			func() { f.curl("/v1/stacks/a/push", "1", "Drystone-Timeout", given) },
			func() { f.call("GET", "/v1/stacks/a", nil, "Drystone-Timeout", given) },
		} {
			if ask(); f.service.Left > most || f.service.Left < most-time.Second {
				t.Errorf("%s: the service has %v", given, f.service.Left)
			}
		}
	}
	f.call("GET", "/v1/stacks/a", nil)
	if left := f.service.Left; left > 9950*time.Millisecond || left < 8*time.Second {
		t.Errorf("by default the service has %v", left)
	}
}
