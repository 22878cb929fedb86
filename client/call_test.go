package client

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

var pushed = says(200, `{"size":1,"index":5}`, "Drystone-Index", "5", "Drystone-Request-Id", "k")

func push(c *Client, key string) (Pushed, error) {
	return c.Push(context.Background(), "a", [][]byte{[]byte("1")},
		PushOptions{WriteOptions: WriteOptions{Key: key}})
}

// Whatever happens on the way, the call goes on under one key until it has an answer.
func TestRepeatsUnderOneKey(t *testing.T) {
	for name, steps := range map[string][]step{
		"at once":           {pushed},
		"no leader":         {fails(503, "no_leader", "not_applied"), pushed},
		"draining":          {fails(503, "draining", "not_applied"), pushed},
		"overload":          {fails(429, "overload", "not_applied"), pushed},
		"unknown":           {fails(504, "outcome_unknown", "unknown"), pushed},
		"broken connection": {breaks, breaks, pushed},
		"a proxy's 502":     {says(502, "<html>bad gateway</html>"), pushed},
		"a proxy's 503":     {says(503, ""), pushed},
		"all of it": {
			breaks, fails(503, "no_leader", "not_applied"), fails(504, "outcome_unknown", "unknown"),
			fails(429, "table_full", "not_applied"), pushed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, steps...)
			got, err := push(newClient(t, 5*time.Second, nowhere(t), n.URL), "")
			if err != nil || got.Size != 1 || got.Index != 5 || got.Endpoint != n.URL {
				t.Fatalf("%+v, %v", got, err)
			}
			if key := oneKey(t, n.requests()); len(key) < 20 {
				t.Errorf("the key %s can be guessed", key)
			}
		})
	}
}

func TestKeysDiffer(t *testing.T) {
	n := newNode(t, pushed)
	c := newClient(t, time.Second, n.URL)
	push(c, "")
	push(c, "")
	push(c, `my"key\`)
	r := n.requests()
	if r[0].header.Get("Idempotency-Key") == r[1].header.Get("Idempotency-Key") {
		t.Error("two calls have one key")
	}
	if k := r[2].header.Get("Idempotency-Key"); k != `"my\"key\\"` {
		t.Errorf("the caller's key is sent as %s", k)
	}
	for _, bad := range []string{"two words", "é", "a\r\nb: c", strings.Repeat("k", 129)} {
		_, err := push(c, bad)
		if !errors.Is(err, ErrNotApplied) || len(n.requests()) != 3 {
			t.Errorf("the key %q: %v", bad, err)
		}
	}
}

// What the server has decided is not asked again.
func TestFinalAnswers(t *testing.T) {
	for _, c := range []struct {
		status        int
		code, outcome string
		is            error
	}{
		{400, "bad_name", "not_applied", ErrNotApplied},
		{403, "foreign_host", "not_applied", ErrNotApplied},
		{404, "no_such_stack", "applied", ErrNoSuchStack},
		{409, "outcome_unknown", "unknown", ErrUnknown},
		{413, "value_too_large", "not_applied", ErrNotApplied},
		{422, "key_reused", "not_applied", ErrNotApplied},
		{500, "internal", "not_applied", ErrNotApplied},
	} {
		n := newNode(t, fails(c.status, c.code, c.outcome))
		_, err := push(newClient(t, 5*time.Second, n.URL), "mine")
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, c.is) {
			t.Fatalf("%s: %v", c.code, err)
		}
		if e.Code != c.code || e.Outcome != c.outcome || e.Status != c.status || e.Next != "Do it." ||
			e.RequestID != "mine" || e.Endpoint != n.URL || len(n.requests()) != 1 {
			t.Errorf("%+v after %d requests", e, len(n.requests()))
		}
		for _, other := range []error{ErrUnknown, ErrNotApplied, ErrNoSuchStack} {
			if other != c.is && errors.Is(err, other) {
				t.Errorf("%s also matches %v", c.code, other)
			}
		}
	}
}

// "Not applied" speaks of one attempt. After an attempt whose fate is unknown, so is the call's.
func TestDoubtStays(t *testing.T) {
	refused := fails(503, "no_leader", "not_applied")
	for name, c := range map[string]struct {
		steps []step
		is    error
		code  string
	}{
		"only refusals": {[]step{refused}, ErrNotApplied, "no_leader"},
		"unknown, then refusals": {
			[]step{fails(504, "outcome_unknown", "unknown"), refused}, ErrUnknown, "outcome_unknown",
		},
		"broken, then refusals": {[]step{breaks, refused}, ErrUnknown, "outcome_unknown"},
		"broken, then final": {
			[]step{breaks, fails(400, "bad_request", "not_applied")}, ErrUnknown, "outcome_unknown",
		},
		"broken, then a reused key": {
			[]step{breaks, fails(422, "key_reused", "not_applied")}, ErrNotApplied, "key_reused",
		},
		"broken, then applied": {
			[]step{breaks, fails(404, "no_such_stack", "applied")}, ErrNoSuchStack, "no_such_stack",
		},
		"only broken": {[]step{breaks}, ErrUnknown, "no_answer"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, c.steps...)
			_, err := push(newClient(t, 150*time.Millisecond, n.URL), "mine")
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, c.is) || e.Code != c.code || e.RequestID != "mine" {
				t.Errorf("%v (%+v)", err, e)
			}
			if e.Detail == "" || e.Next == "" {
				t.Errorf("%+v", e)
			}
		})
	}
}

// Nothing listens: nothing was sent, and every endpoint is named.
func TestUnreachable(t *testing.T) {
	a, b := nowhere(t), nowhere(t)
	_, err := push(newClient(t, 100*time.Millisecond, a, b), "")
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeUnreachable || !errors.Is(err, ErrNotApplied) {
		t.Fatalf("%v", err)
	}
	for _, word := range []string{a, b, "nothing listens there"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
	c := newClient(t, 5*time.Second, "http://no-such-host.invalid")
	began := time.Now()
	_, err = c.Status(context.Background(), StatusOptions{Endpoint: a})
	if !errors.As(err, &e) || e.Code != CodeUnreachable || time.Since(began) > 2*time.Second {
		t.Errorf("the status of a node that is down: %v after %v", err, time.Since(began))
	}
}

// A node that hangs does not take the time of those that answer, and the next call spares it.
func TestHangingNode(t *testing.T) {
	bad, good := newNode(t, hangs), newNode(t, pushed)
	c := newClient(t, 3*time.Second, bad.URL, good.URL)
	for range 2 {
		if got, err := push(c, ""); err != nil || got.Endpoint != good.URL {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if n := len(bad.requests()); n != 1 {
		t.Errorf("the node that hangs was asked %d times", n)
	}
	asked := bad.requests()[0].header.Get("Drystone-Timeout")
	d, err := time.ParseDuration(asked)
	if err != nil || d > 1500*time.Millisecond || d < time.Second {
		t.Errorf("it was given %s", asked)
	}
}

// The caller's context and the client's timeout both end a call, in words.
func TestDeadlines(t *testing.T) {
	n := newNode(t, hangs)
	const soon, long = 80 * time.Millisecond, time.Hour
	for name, c := range map[string]struct {
		timeout, limit, leaves time.Duration
		code                   string
		cause                  error
	}{
		"the client's":      {soon, long, long, CodeNoAnswer, context.DeadlineExceeded},
		"the caller's":      {long, soon, long, CodeNoAnswer, context.DeadlineExceeded},
		"the caller leaves": {long, long, soon, CodeCancelled, context.Canceled},
	} {
		client := newClient(t, c.timeout, n.URL)
		ctx, cancel := context.WithTimeout(context.Background(), c.limit)
		timer := time.AfterFunc(c.leaves, cancel)
		_, err := client.Pop(ctx, "a", PopOptions{})
		timer.Stop()
		var e *Error
		if !errors.As(err, &e) || e.Code != c.code || !errors.Is(err, ErrUnknown) ||
			!errors.Is(err, c.cause) {
			t.Errorf("%s: %v", name, err)
		}
		text := err.Error()
		if c.timeout == soon { // a read has no outcome to doubt
			_, err = client.Size(ctx, "a", ReadOptions{})
		} else { // and a write after the end was never sent
			_, err = client.Pop(ctx, "a", PopOptions{})
		}
		cancel()
		if !errors.Is(err, ErrNotApplied) {
			t.Errorf("%s: %v", name, err)
		}
		text += err.Error()
		for _, bare := range []string{"context deadline", "context canceled", "EOF", "Post ", "Get "} {
			if strings.Contains(text, bare) {
				t.Errorf("%s: %s has the words of a library", name, text)
			}
		}
	}
}

// Something else than drystone answers: it is said, and taken for no success.
func TestStrangers(t *testing.T) {
	for name, s := range map[string]step{
		"a page": says(200, "<html>hello</html>"), "its 404": says(404, "not found"),
		"its problem": says(400, "{}", "Content-Type", "application/problem+json"),
	} {
		n := newNode(t, s)
		_, err := push(newClient(t, time.Second, n.URL), "")
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeNotDrystone || !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, bad := range []string{"", "ftp://x", "http://", "http://x?y", "::", "http://[::1"} {
		if _, err := New(Options{Endpoints: []string{bad}}); err == nil {
			t.Errorf("%q is an endpoint", bad)
		}
	}
	if _, err := New(Options{Timeout: -1}); err == nil {
		t.Error("a negative timeout is taken")
	}
	c, err := New(Options{Endpoints: []string{"localhost:1", "http://h:2/", "https://h"}})
	if err != nil || strings.Join(c.Endpoints(), " ") != "http://localhost:1 http://h:2 https://h" {
		t.Errorf("%v %v", c, err)
	}
	if c, err := New(Options{}); err != nil || len(c.Endpoints()) != 3 {
		t.Errorf("%v %v", c, err)
	}
	n := newNode(t, pushed)
	c, _ = New(Options{Endpoints: []string{n.URL}, Token: "secret"})
	push(c, "")
	c.Size(context.Background(), "a", ReadOptions{})
	for _, r := range n.requests() {
		if r.header.Get("Authorization") != "Bearer secret" {
			t.Errorf("headers %v", r.header)
		}
	}
}
