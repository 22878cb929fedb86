package client

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Replies are lost after the server has executed, some callers give up and come back with their
// key, and yet everything is done once.
func TestNothingTwice(t *testing.T) {
	server := newCluster()
	lossy := func(n int, _ *http.Request) loss {
		return [...]loss{answer, nothing, halfAnswer, request, nothing}[n%5]
	}
	a, b := newLine(t, server, lossy), newLine(t, server, lossy)
	const callers, each = 6, 12
	var all sync.WaitGroup
	for i := range callers {
		c := newClient(t, soon, a.URL, b.URL)
		all.Go(func() {
			for j := range each {
				key := NewKey()
				o := PushOptions{WriteOptions: WriteOptions{Key: key}}
				ctx, cancel := context.WithTimeout(context.Background(), soon)
				if j%4 == 0 {
					cancel() // the answer is not even waited for
				}
				_, err := c.Push(ctx, "a", [][]byte{[]byte(key)}, o)
				cancel()
				if j%4 == 0 {
					if !errors.Is(err, context.Canceled) {
						t.Errorf("cancelled: %v", err)
					}
					_, err = c.Push(context.Background(), "a", [][]byte{[]byte(key)}, o)
				}
				if err != nil {
					t.Errorf("%d/%d: %v", i, j, err)
				}
			}
		})
	}
	all.Wait()
	got := server.values()
	slices.Sort(got)
	if n := len(slices.Compact(got)); n != callers*each || len(server.values()) != n {
		t.Errorf("%d pushes were executed, %d of them different; %d were asked for",
			len(server.values()), n, callers*each)
	}
}

// silently sends a push whose answer does not come.
func silently(t *testing.T, c *Client, l *line, lost loss, value string) *Error {
	t.Helper()
	l.set(always(lost))
	defer l.set(never)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Push(ctx, "a", [][]byte{[]byte(value)}, PushOptions{})
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrUnknown) || !e.RetrySafe ||
		!strings.Contains(e.Next, "Settle") {
		t.Fatalf("%+v", e)
	}
	return e
}

// An unknown outcome becomes a definite one, and stays it.
func TestSettle(t *testing.T) {
	ctx := context.Background()
	server := newCluster()
	l := newLine(t, server, never)
	c := newClient(t, soon, l.URL)

	applied := silently(t, c, l, silence, "1")
	fate, err := c.Settle(ctx, applied.RequestID)
	if err != nil || fate.Outcome != OutcomeApplied || fields(t, fate.Result)["size"] != 1.0 {
		t.Errorf("%+v, %v", fate, err)
	}

	lost := silently(t, c, l, request, "2")
	fate, err = c.Request(ctx, lost.RequestID)
	if err != nil || fate.Outcome != OutcomeAbsent || fate.Final() {
		t.Errorf("%+v, %v", fate, err)
	}
	fate, err = c.Settle(ctx, lost.RequestID)
	if err != nil || fate.Outcome != OutcomeFenced || !fate.Final() {
		t.Errorf("%+v, %v", fate, err)
	}
	// The late copy, after an attempt whose fate was unknown: it is known now.
	l.set(func(n int, _ *http.Request) loss { return loss(n % 2) })
	for range 2 {
		_, err = push(c, lost.RequestID)
		var e *Error
		if !errors.As(err, &e) || e.Code != "fenced" || !errors.Is(err, ErrNotApplied) {
			t.Errorf("after the fence: %v", err)
		}
	}
	if got := server.values(); !slices.Equal(got, []string{"1"}) {
		t.Errorf("executed %q", got)
	}

	if err := c.Forget(ctx, applied.RequestID); err != nil {
		t.Error(err)
	}
	if fate, err = c.Request(ctx, applied.RequestID); err != nil || fate.Outcome != OutcomeAbsent {
		t.Errorf("%+v, %v", fate, err)
	}
	for _, ask := range []func() error{
		func() error { _, err := c.Request(ctx, ""); return err },
		func() error { _, err := c.Settle(ctx, ""); return err },
		func() error { return c.Forget(ctx, "") },
	} {
		if err := ask(); !errors.Is(err, ErrNotApplied) {
			t.Errorf("a request without a name: %v", err)
		}
	}
}

// A fence that gets no answer leaves the request unknown, under its own name.
func TestFenceWithoutAnswer(t *testing.T) {
	n := newNode(t, breaks)
	_, err := newClient(t, 100*time.Millisecond, n.URL).Fence(context.Background(), "a/b")
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrUnknown) || e.RequestID != "a/b" || !e.RetrySafe {
		t.Errorf("%+v", e)
	}
	if uri := n.requests()[0].uri; uri != "/v1/requests/a%2Fb/fence" {
		t.Errorf("asked %s", uri)
	}
}

// Deadlines bound every method, whatever the nodes do.
func TestEveryCallEnds(t *testing.T) {
	server := newCluster()
	l := newLine(t, server, never)
	c := newClient(t, soon, l.URL)
	s := openSession(t, c)
	l.set(always(silence))
	began := time.Now()
	for i, ask := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := pushIn(ctx, c, s, 0, "1"); return err },
		func(ctx context.Context) error { _, err := c.OpenSession(ctx); return err },
		func(ctx context.Context) error { _, err := c.Request(ctx, "k"); return err },
		func(ctx context.Context) error { _, err := c.Settle(ctx, "k"); return err },
		func(ctx context.Context) error { return c.Forget(ctx, "k") },
		s.Close,
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		err := ask(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if took := time.Since(began); took > soon/2 {
		t.Errorf("it took %v", took)
	}
}
