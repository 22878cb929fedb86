package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// member is what a node says of itself and of the members: nodes by their numbers, which begin
// at 1.
func (n *node) member(cluster string, id, applied int, others ...*node) {
	var list []string
	for _, o := range others {
		list = append(list, fmt.Sprintf(`{"id":%d,"http":%q,"voter":true}`, o.number,
			strings.TrimPrefix(o.URL, "http://")))
	}
	n.about.Store(fmt.Sprintf(`{"cluster_id":%q,"node_id":%d,"applied":%d,"members":[%s],"health":"ok"}`,
		cluster, id, applied, strings.Join(list, ",")))
}

// newNodes are the nodes of a cluster that know each other.
func newNodes(t *testing.T, count int, steps ...step) (nodes []*node) {
	t.Helper()
	for i := range count {
		n := newNode(t, steps...)
		n.number = i + 1
		nodes = append(nodes, n)
	}
	for i, n := range nodes {
		n.member("c", i+1, 1, nodes...)
	}
	return nodes
}

func newLearner(t *testing.T, o Options) *Client {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = soon
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func urls(nodes ...*node) (out []string) {
	for _, n := range nodes {
		out = append(out, n.URL)
	}
	slices.Sort(out)
	return out
}

// One endpoint is enough: it names the others, and they take over.
func TestEndpointsAreLearned(t *testing.T) {
	nodes := newNodes(t, 3, pushed)
	c := newLearner(t, Options{Endpoints: []string{nodes[0].URL}})
	if _, err := push(c, ""); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(slices.Values(c.Endpoints())); !slices.Equal(got, urls(nodes...)) {
		t.Errorf("endpoints %q", got)
	}
	nodes[0].Close()
	got, err := push(c, "")
	if err != nil || got.Endpoint == nodes[0].URL {
		t.Errorf("%+v, %v", got, err)
	}

	nodes = newNodes(t, 2, pushed)
	c = newLearner(t, Options{Endpoints: []string{nodes[0].URL}, Fixed: true})
	push(c, "")
	if got := c.Endpoints(); !slices.Equal(got, []string{nodes[0].URL}) {
		t.Errorf("endpoints %q, although they are fixed", got)
	}
}

// Under another spelling a node is the same node.
func TestGivenEndpointsStay(t *testing.T) {
	nodes := newNodes(t, 2, pushed)
	other := strings.Replace(nodes[0].URL, "127.0.0.1", "localhost", 1)
	c := newLearner(t, Options{Endpoints: []string{other, nodes[1].URL}})
	if _, err := push(c, ""); err != nil {
		t.Fatal(err)
	}
	if got := c.Endpoints(); !slices.Equal(got, []string{other, nodes[1].URL}) {
		t.Errorf("endpoints %q", got)
	}
}

// All nodes are replaced, one after another, and the client goes with them.
func TestClusterMoves(t *testing.T) {
	nodes := newNodes(t, 3, pushed)
	c := newLearner(t, Options{Endpoints: []string{nodes[0].URL}})
	applied := 1
	for i := range 6 {
		fresh := newNode(t, pushed)
		fresh.number = i + 4
		old := nodes[0]
		nodes = append(nodes[1:], fresh)
		applied++
		for _, n := range nodes {
			n.member("c", n.number, applied, nodes...)
		}
		// The one that was removed stays, and tells what it knew.
		old.steps[0] = fails(503, "quarantined", "not_applied")
		c.pool.expire()
		got, err := push(c, "")
		if err != nil || got.Endpoint == old.URL {
			t.Fatalf("move %d: %+v, %v", i, got, err)
		}
		if i >= 3 {
			old.Close()
		}
	}
	learned := slices.Sorted(slices.Values(c.Endpoints()[1:])) // without the one that was given
	if !slices.Equal(learned, urls(nodes...)) {
		t.Errorf("endpoints %q", learned)
	}
}

// What a node that is behind tells of the members is not believed.
func TestOldNewsOfMembers(t *testing.T) {
	nodes := newNodes(t, 3, pushed)
	removed := nodes[0]
	removed.member("c", 1, 1, removed)
	for _, n := range nodes[1:] {
		n.member("c", n.number, 9, nodes[1:]...)
	}
	c := newLearner(t, Options{Endpoints: []string{nodes[1].URL, removed.URL}})
	if _, err := push(c, ""); err != nil {
		t.Fatal(err)
	}
	nodes[1].Close()
	nodes[2].Close()
	if got, err := push(c, ""); err != nil || got.Endpoint != removed.URL {
		t.Errorf("%+v, %v", got, err)
	}
	if got := c.Endpoints(); len(got) != 3 || got[2] != nodes[2].URL {
		t.Errorf("endpoints %q", got)
	}
}

// expire makes the pool ask every endpoint again who it is, as after a while.
func (p *pool) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.all {
		if !e.member.IsZero() {
			e.member = e.member.Add(-2 * memberFor)
		}
	}
}

// A node of another cluster gets nothing: a repeat of a write would be executed there as new.
func TestStrangeCluster(t *testing.T) {
	ours, theirs := newNode(t, breaks, pushed), newNode(t, pushed)
	theirs.member("other", 1, 9)
	c := newLearner(t, Options{Endpoints: []string{ours.URL, theirs.URL}})
	if got, err := push(c, ""); err != nil || got.Endpoint != ours.URL {
		t.Errorf("%+v, %v", got, err)
	}
	ours.Close()
	c.timeout = 300 * time.Millisecond
	_, err := push(c, "")
	if err == nil || len(theirs.requests()) != 0 {
		t.Errorf("%v; the other cluster got %d requests", err, len(theirs.requests()))
	}

	c = newLearner(t, Options{Endpoints: []string{theirs.URL}, Cluster: "c"})
	began := time.Now()
	_, err = push(c, "k")
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeOtherCluster || !errors.Is(err, ErrNotApplied) ||
		e.RequestID != "k" || e.Next == "" || time.Since(began) > soon/2 {
		t.Errorf("%+v after %v", e, time.Since(began))
	}

	// Who was a member may be another's by now: after a break it is asked again.
	n := newNode(t, pushed, breaks, pushed)
	c = newLearner(t, Options{Endpoints: []string{n.URL}})
	push(c, "")
	sent := len(n.requests())
	n.steps[0] = func(http.ResponseWriter, *http.Request) bool {
		n.member("other", 1, 1)
		return false
	}
	_, err = push(c, "")
	if !errors.As(err, &e) || !errors.Is(err, ErrUnknown) || len(n.requests()) != sent+1 {
		t.Errorf("%v after %d requests", err, len(n.requests())-sent)
	}

	// With a transport of the caller's, which opens connections as it likes, after a break as well.
	n = newNode(t, pushed, breaks, pushed)
	c = newLearner(t, Options{Endpoints: []string{n.URL}, HTTP: &http.Client{Transport: &whim{}}})
	push(c, "")
	n.steps[0] = func(http.ResponseWriter, *http.Request) bool {
		n.member("other", 1, 1)
		return false
	}
	_, err = push(c, "")
	if !errors.As(err, &e) || !errors.Is(err, ErrUnknown) || len(n.requests()) != 2 {
		t.Errorf("%v after %d requests", err, len(n.requests()))
	}

	// Also when the connection went while nobody looked.
	n = newNode(t, pushed)
	c = newLearner(t, Options{Endpoints: []string{n.URL}})
	push(c, "")
	c.http.CloseIdleConnections()
	n.member("other", 1, 1)
	_, err = push(c, "")
	if !errors.As(err, &e) || e.Code != CodeOtherCluster || !errors.Is(err, ErrNotApplied) ||
		len(n.requests()) != 1 {
		t.Errorf("%v after %d requests", err, len(n.requests()))
	}
}

// whim is a transport of its own kind, with a connection for each request.
type whim struct{}

func (*whim) RoundTrip(r *http.Request) (*http.Response, error) {
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
}

// A node that belongs to no cluster yet answers for itself, unless the client knows its own.
func TestFormingCluster(t *testing.T) {
	n := newNode(t, fails(503, "bootstrapping", "not_applied"), pushed)
	n.about.Store(`{"cluster_id":"","health":"bootstrapping","reason":"Waits for node 2.",` +
		`"members":[{"id":2,"http":"127.0.0.1:1"}]}`)
	c := newLearner(t, Options{Endpoints: []string{n.URL}})
	if _, err := push(c, ""); err != nil || len(c.Endpoints()) != 1 {
		t.Errorf("%v; endpoints %q", err, c.Endpoints())
	}
	c = newLearner(t, Options{
		Endpoints: []string{n.URL}, Cluster: "c", Timeout: 200 * time.Millisecond,
	})
	sent := len(n.requests())
	_, err := push(c, "")
	var e *Error
	if !errors.As(err, &e) || e.Code != "bootstrapping" || !strings.Contains(e.Detail, "node 2") ||
		!errors.Is(err, ErrNotApplied) || len(n.requests()) != sent {
		t.Errorf("%v after %d requests", err, len(n.requests())-sent)
	}
}

// An endpoint that fails is left alone for a while, unless there is no other.
func TestBadEndpointsRest(t *testing.T) {
	bad, good := newNode(t, breaks), newNode(t, pushed)
	c := newLearner(t, Options{Endpoints: []string{bad.URL, good.URL}, Fixed: true})
	push(c, "")
	for i := range 20 {
		if i%5 == 0 { // the good one fails as well now and then
			good.mu.Lock()
			good.steps = []step{fails(503, "no_leader", "not_applied"), pushed}
			good.mu.Unlock()
		}
		if _, err := push(c, ""); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(bad.requests()); n > 5 {
		t.Errorf("the bad endpoint was asked %d times", n)
	}
	good.Close()
	sent := len(bad.requests())
	bad.mu.Lock()
	bad.steps = []step{pushed}
	bad.mu.Unlock()
	if got, err := push(c, ""); err != nil || got.Endpoint != bad.URL {
		t.Errorf("%+v, %v", got, err)
	}
	if len(bad.requests()) != sent+1 {
		t.Errorf("%d requests", len(bad.requests())-sent)
	}
}

// A caller who leaves says nothing of the node.
func TestLeavingBlamesNobody(t *testing.T) {
	n := newNode(t, hangs, pushed)
	c := newLearner(t, Options{Endpoints: []string{nowhere(t), n.URL}})
	ctx, cancel := context.WithCancel(context.Background())
	timer := time.AfterFunc(50*time.Millisecond, cancel)
	defer timer.Stop()
	if _, err := c.Pop(ctx, "a", PopOptions{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	c.pool.mu.Lock()
	e := c.pool.all[1]
	rests := !e.rested.IsZero() || e.member.IsZero()
	c.pool.mu.Unlock()
	if rests {
		t.Error("the node is blamed")
	}
}
