package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drystone/client"
)

// lossyLine passes requests on to a node, and breaks the connection in place of every third answer
// to a write.
func lossyLine(t *testing.T, address string) string {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	var answers atomic.Int64
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.Request.Method != http.MethodGet && answers.Add(1)%3 != 0 {
			panic(http.ErrAbortHandler)
		}
		return nil
	}
	idle := &http.Transport{}
	proxy.Transport = idle
	line := httptest.NewServer(proxy)
	t.Cleanup(func() {
		line.Close()
		idle.CloseIdleConnections()
	})
	return line.URL
}

// Against a real node, behind a line that loses answers: what goroutines push under keys and in a
// session they share is there once, and can be asked for.
func TestRealNode(t *testing.T) {
	address, stop := oneNode()
	defer stop()
	c, err := client.New(client.Options{
		Endpoints: []string{lossyLine(t, address)}, Fixed: true, Timeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	s, err := c.OpenSession(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const callers, each = 4, 6
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for j := range each {
				o := client.PushOptions{WriteOptions: client.WriteOptions{Session: s}}
				value := fmt.Sprintf("%d.%d", i, j)
				if i%2 == 0 {
					o.WriteOptions = client.WriteOptions{Key: "k-" + value}
				}
				if _, err := c.Push(ctx, "a", [][]byte{[]byte(value)}, o); err != nil {
					t.Errorf("%s: %v", value, err)
				}
			}
		})
	}
	all.Wait()
	items, err := c.Items(ctx, "a", 0, 0, client.ReadOptions{})
	if err != nil || items.Size != callers*each {
		t.Fatalf("%d items, %v", items.Size, err)
	}
	last := map[byte]byte{}
	for i := range items.Values { // from the bottom
		v := items.Values[len(items.Values)-1-i]
		if v[2] <= last[v[0]] {
			t.Errorf("%s came after %c", v, last[v[0]])
		}
		last[v[0]] = v[2]
	}
	fate, err := c.Settle(ctx, "k-0.0")
	if err != nil || fate.Outcome != client.OutcomeApplied || len(fate.Result) == 0 {
		t.Errorf("%+v, %v", fate, err)
	}
	if fate, err = c.Settle(ctx, "never-sent"); err != nil || fate.Outcome != client.OutcomeFenced {
		t.Errorf("%+v, %v", fate, err)
	}
	_, err = c.Push(ctx, "a", [][]byte{[]byte("late")},
		client.PushOptions{WriteOptions: client.WriteOptions{Key: "never-sent"}})
	if !errors.Is(err, client.ErrNotApplied) {
		t.Errorf("a fenced push: %v", err)
	}
	if err := c.Forget(ctx, "k-0.0"); err != nil {
		t.Error(err)
	}
	// Number 1 was acknowledged long ago.
	fate, err = c.Request(ctx, s.ID()+"/1")
	if err != nil || fate.Outcome != client.OutcomeForgotten {
		t.Errorf("%+v, %v", fate, err)
	}
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	_, err = c.Pop(ctx, "a", client.PopOptions{WriteOptions: client.WriteOptions{Session: s}})
	if !errors.Is(err, client.ErrSessionExpired) || !errors.Is(err, client.ErrNotApplied) {
		t.Errorf("after its close: %v", err)
	}
}
