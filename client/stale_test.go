package client

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// leaderless is a node that knows no leader: it answers what it can alone.
type leaderless struct{}

func (leaderless) RoundTrip(r *http.Request) (*http.Response, error) {
	a := &http.Response{StatusCode: 200, Request: r, ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}}
	body := `{"cluster_id":"a","value":"10","size":1}`
	if r.URL.Path != "/v1/status" && r.URL.Query().Get("consistency") != "stale" {
		a.StatusCode = 503
		a.Header = http.Header{"Content-Type": {"application/problem+json"}, "Retry-After": {"1"}}
		body = `{"code":"no_leader","outcome":"not_applied","retry_safe":true}`
	}
	a.Body = io.NopCloser(strings.NewReader(body))
	return a, nil
}

// A node that has asked for patience, as it knows no leader, is asked at once for what it has.
func TestStaleWithoutLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Options{Endpoints: []string{"a:1"}, HTTP: &http.Client{Transport: leaderless{}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := c.Top(ctx, "a", ReadOptions{}); err == nil {
			t.Error("it reads without a leader")
		}
		top, err := c.Top(ctx, "a", ReadOptions{Stale: true})
		if err != nil || top.Size != 1 {
			t.Errorf("got %+v, %v", top, err)
		}
	})
}
