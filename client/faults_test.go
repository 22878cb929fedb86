package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wire is a server of raw bytes. It says who it is as a node does; what becomes of any other
// request is up to do, which has the connection after the request was read.
func wire(t *testing.T, do func(*net.TCPConn)) string {
	t.Helper()
	hijack := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/status" {
			io.WriteString(w, `{"cluster_id":"c"}`)
			return
		}
		io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		do(conn.(*net.TCPConn))
	})
	s := httptest.NewServer(hijack)
	t.Cleanup(s.Close)
	return s.URL
}

// answers answers with raw bytes, and then closes.
func answers(text string) func(*net.TCPConn) {
	return func(c *net.TCPConn) { io.WriteString(c, text) }
}

// accepts takes connections and does something to them, without reading.
func accepts(t *testing.T, do func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			do(c.(*net.TCPConn))
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

func resets(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

// What the network does to a write without identity is told as it is: "not applied" only with
// proof. All of it is in words, and says what to do.
func TestFaults(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := newNode(t, pushed)
	t.Cleanup(func() {
		if len(plain.requests()) != 0 {
			t.Error("a redirect was followed")
		}
	})
	goesOn := map[string]bool{ // until the time is up; the others end by themselves
		"refused": true, "no such host": true, "reset at once": true, "closed at once": true,
		"not HTTP": true, "silence": true,
	}
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
	for name, c := range map[string]struct {
		endpoint string
		code     string
		is       error
		words    string
	}{
		"refused":      {nowhere(t), CodeUnreachable, ErrNotApplied, "nothing listens there"},
		"no such host": {"http://no-such-host.invalid", CodeUnreachable, ErrNotApplied, "host name"},
		// The reset may overtake the end of the dialling: either code is right.
		"reset at once": {accepts(t, resets), "", ErrNotApplied, "broke the connection"},
		"closed at once": {
			accepts(t, func(*net.TCPConn) {}), CodeNoAnswer, ErrNotApplied, "broke the connection",
		},
		"not HTTP": {accepts(t, answers("220 smtp\r\n")), CodeNoAnswer, ErrNotApplied, "not in HTTP"},
		"not TLS": {
			strings.Replace(plain.URL, "http:", "https:", 1), CodeUnreachable, ErrNotApplied, "TLS",
		},
		"a certificate of nobody": {secure.URL, CodeUnreachable, ErrNotApplied, "certificate"},
		"not without TLS": {
			strings.Replace(secure.URL, "https:", "http:", 1), CodeNotDrystone, ErrNotApplied, "400",
		},
		"reset after the request": {wire(t, resets), CodeNoAnswer, ErrUnknown, "broke the connection"},
		"closed after the request": {
			wire(t, func(*net.TCPConn) {}), CodeNoAnswer, ErrUnknown, "broke the connection",
		},
		"cut in the head": {
			wire(t, answers("HTTP/1.1 200 O")), CodeNoAnswer, ErrUnknown, "broke the connection",
		},
		"cut in the body": {
			wire(t, answers(head+"20\r\n\r\n{\"size\"")), CodeNoAnswer, ErrUnknown, "broke the connection",
		},
		"cut in the body of an error": {
			wire(t, answers("HTTP/1.1 503 S\r\nContent-Type: application/problem+json\r\n"+
				"Content-Length: 90\r\n\r\n{\"code\":")), CodeNoAnswer, ErrUnknown, "broke the connection",
		},
		"half a value":   {wire(t, answers(head+"5\r\n\r\n{\"siz")), CodeNotDrystone, ErrUnknown, "JSON"},
		"another shape":  {wire(t, answers(head+"2\r\n\r\n[]")), CodeNotDrystone, ErrUnknown, "read"},
		"a proxy's page": {newNode(t, says(502, "<html>")).URL, CodeNotDrystone, ErrUnknown, "502"},
		"a proxy's 504":  {newNode(t, says(504, "")).URL, CodeNotDrystone, ErrUnknown, "504"},
		"a redirect": {
			newNode(t, says(307, "", "Location", plain.URL)).URL, CodeNotDrystone, ErrUnknown, "307",
		},
		"an outcome that is none": {
			newNode(t, fails(503, "no_leader", "maybe")).URL, CodeNotDrystone, ErrUnknown, "503",
		},
		"silence": {newNode(t, hangs).URL, CodeNoAnswer, ErrUnknown, "in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := soon
			if goesOn[name] {
				timeout = 500 * time.Millisecond
			}
			client := newClient(t, timeout, c.endpoint)
			_, err := client.Push(context.Background(), "a", [][]byte{[]byte("1")},
				PushOptions{WriteOptions: WriteOptions{NoKey: true}})
			var e *Error
			if !errors.As(err, &e) || c.code != "" && e.Code != c.code || !errors.Is(err, c.is) {
				t.Fatalf("%v (%+v)", err, e)
			}
			if !strings.Contains(e.Detail, c.words) || e.Title == "" || e.Next == "" || e.RequestID != "" {
				t.Errorf("%+v", e)
			}
			if e.RetrySafe != (c.is == ErrNotApplied) {
				t.Errorf("safe to repeat: %v", e.RetrySafe)
			}
			for _, bare := range []string{"EOF", "Post ", "Get ", "dial tcp", "read tcp", "context "} {
				if strings.Contains(err.Error(), bare) {
					t.Errorf("%q has the words of a library", err)
				}
			}
		})
	}
}

// Without an identity a write is sent again after proof that it was not applied, and never after
// doubt.
func TestNoKey(t *testing.T) {
	refused := fails(503, "no_leader", "not_applied")
	write := func(c *Client) error {
		_, err := c.Pop(context.Background(), "a", PopOptions{WriteOptions: WriteOptions{NoKey: true}})
		return err
	}
	popped := says(200, `{"values":["1"],"empty":false,"size":4,"index":7}`)
	for name, c := range map[string]struct {
		steps []step
		sent  int
		is    error
	}{
		"refused":              {[]step{refused, refused, popped}, 3, nil},
		"broken":               {[]step{breaks, popped}, 1, ErrUnknown},
		"refused, then broken": {[]step{refused, breaks, popped}, 2, ErrUnknown},
		"a proxy's 503":        {[]step{says(503, ""), popped}, 1, ErrUnknown},
		"said to be unknown":   {[]step{fails(409, "outcome_unknown", "unknown"), popped}, 1, ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, c.steps...)
			err := write(newClient(t, soon, nowhere(t), n.URL))
			if (c.is == nil) != (err == nil) || !errors.Is(err, c.is) || len(n.requests()) != c.sent {
				t.Errorf("%v after %d requests", err, len(n.requests()))
			}
			for _, r := range n.requests() {
				if r.header.Get("Idempotency-Key") != "" {
					t.Error("it had a key")
				}
			}
		})
	}
	// The node's own name for it is the way to learn what became of it.
	n := newNode(t, fails(409, "outcome_unknown", "unknown"))
	var e *Error
	if errors.As(write(newClient(t, soon, n.URL)), &e); e.RequestID != "r" {
		t.Errorf("%+v", e)
	}
}

// A node that asks for a pause gets it; others are asked meanwhile. No pause leads past the end.
func TestRetryAfter(t *testing.T) {
	busy := says(429, `{"code":"overload","title":"T","detail":"D.","outcome":"not_applied",`+
		`"next":"N."}`, "Content-Type", "application/problem+json", "Retry-After", "1")
	began := time.Now()
	n := newNode(t, busy, pushed)
	if _, err := push(newClient(t, soon, n.URL), ""); err != nil || time.Since(began) < time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}

	first, second := newNode(t, busy, pushed), newNode(t, pushed)
	c := newClient(t, soon, first.URL, second.URL)
	for range 3 {
		if got, err := push(c, ""); err != nil || got.Endpoint != second.URL {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if len(first.requests()) != 1 {
		t.Errorf("the node that asked for a pause was asked %d times", len(first.requests()))
	}

	later := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	n = newNode(t, says(503, `{"code":"no_leader","title":"T","detail":"D.","outcome":"not_applied",`+
		`"next":"N."}`, "Content-Type", "application/problem+json", "Retry-After", later))
	c = newClient(t, time.Minute, n.URL)
	began = time.Now()
	for _, code := range []string{"no_leader", "overload"} { // the second is not even sent
		_, err := push(c, "")
		var e *Error
		if !errors.As(err, &e) || e.Code != code || !errors.Is(err, ErrNotApplied) {
			t.Errorf("%v", err)
		}
	}
	if took := time.Since(began); took > 30*time.Second || len(n.requests()) != 1 {
		t.Errorf("%d requests, after %v", len(n.requests()), took)
	}
}

// What a node is told of the deadline is what is left of it, and shrinks from one attempt to the
// next.
func TestTimeoutIsWhatIsLeft(t *testing.T) {
	for _, c := range []struct{ options, context time.Duration }{
		{400 * time.Millisecond, time.Hour}, {time.Hour, 400 * time.Millisecond},
	} {
		n := newNode(t, fails(503, "no_leader", "not_applied"))
		began := time.Now()
		var left []time.Duration
		n.steps[0] = func(w http.ResponseWriter, r *http.Request) bool {
			left = append(left, 400*time.Millisecond-time.Since(began))
			return fails(503, "no_leader", "not_applied")(w, r)
		}
		client := newClient(t, c.options, n.URL)
		ctx, cancel := context.WithTimeout(context.Background(), c.context)
		_, err := client.Pop(ctx, "a", PopOptions{})
		cancel()
		if !errors.Is(err, ErrNotApplied) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		last := time.Hour
		for i, r := range n.requests() {
			d, err := time.ParseDuration(r.header.Get("Drystone-Timeout"))
			// The request was under way for a while when the server looked at its clock.
			if err != nil || d <= 0 || d >= last || d > left[i]+200*time.Millisecond {
				t.Errorf("attempt %d was told %s, with %v left", i, r.header.Get("Drystone-Timeout"), left[i])
			}
			last = d
		}
		if len(n.requests()) < 3 {
			t.Errorf("only %d attempts", len(n.requests()))
		}
	}
	n := newNode(t, pushed)
	newClient(t, time.Hour, n.URL).Pop(context.Background(), "a", PopOptions{})
	if asked := n.requests()[0].header.Get("Drystone-Timeout"); asked != strconv.Itoa(60_000)+"ms" {
		t.Errorf("a node is asked to take %s", asked)
	}
}
