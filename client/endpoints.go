package client

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// endpoint is an address of the cluster, and how it did lately. The pool's lock guards all but url.
type endpoint struct {
	url    string
	given  bool          // by the caller, and so never dropped
	node   uint64        // who answered there; 0: not known
	member time.Time     // when it was seen to belong to the cluster; zero: it has to be asked
	rested time.Time     // not asked before, if another can be
	pause  time.Duration // its last rest; 0 after a success
	busy   time.Time     // it is not to be asked before: its own word, Retry-After
}

// An endpoint that fails rests, ever longer, while others can be asked.
const (
	firstRest = 500 * time.Millisecond
	lastRest  = 10 * time.Second
)

// memberFor is how long an endpoint is taken for a member of the cluster without being asked again.
const memberFor = time.Minute

// pool is the endpoints of a client: those given, and those that the cluster tells.
type pool struct {
	mu      sync.Mutex
	all     []*endpoint // the given ones first, in their order
	current *endpoint   // who answered last
	fixed   bool        // the cluster's own list is of no interest
	cluster string      // its id; "" until the first node has told it
	applied uint64      // by the node that told the members: how new they are
}

func (p *pool) urls() (urls []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.all {
		urls = append(urls, e.url)
	}
	return urls
}

func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all)
}

// rotation is the way of one call through the endpoints, in rounds: each is asked once a round.
type rotation struct {
	pool  *pool
	tried map[*endpoint]bool // in this round
	out   map[*endpoint]bool // of no use to this call
	alone bool               // those who are busy are asked once as well
}

func newRotation(p *pool) *rotation {
	return &rotation{pool: p, tried: map[*endpoint]bool{}, out: map[*endpoint]bool{}}
}

// next is whom to ask, from the one that answered last onwards. nil: the round is over, and the
// next may begin after wait; a negative wait says that there is nobody left to ask.
func (r *rotation) next() (e *endpoint, wait time.Duration) {
	p := r.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	first := max(0, slices.Index(p.all, p.current))
	var resting *endpoint
	wait = -1
	for i := range p.all {
		e := p.all[(first+i)%len(p.all)]
		if r.out[e] {
			continue
		}
		until := max(0, e.busy.Sub(now))
		if r.alone && !r.tried[e] {
			until = 0
		}
		if wait < 0 || until < wait {
			wait = until
		}
		switch {
		case r.tried[e] || until > 0:
		case !e.rested.After(now):
			r.tried[e] = true
			return e, 0
		case resting == nil || e.rested.Before(resting.rested):
			resting = e
		}
	}
	if resting != nil && len(r.tried) == 0 {
		r.tried[resting] = true
		return resting, 0
	}
	return nil, wait
}

// again begins another round.
func (r *rotation) again() {
	clear(r.tried)
	r.alone = false
}

// drop leaves an endpoint out of the rest of the call.
func (r *rotation) drop(e *endpoint) { r.out[e] = true }

func (p *pool) succeeded(e *endpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = e
	e.rested, e.busy, e.pause = time.Time{}, time.Time{}, 0
}

// failed notes why an endpoint gave no result. One that gave no answer at all rests, and is asked
// who it is before it gets anything again: another may listen there by then.
func (p *pool) failed(e *endpoint, err *Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if err.retryAfter > 0 {
		e.busy = now.Add(err.retryAfter)
	}
	if err.Status != 0 && err.Code != CodeNotDrystone && err.Code != CodeOtherCluster {
		return
	}
	e.member = time.Time{}
	e.pause = min(max(firstRest, 2*e.pause), lastRest)
	e.rested = now.Add(e.pause/2 + rand.N(e.pause/2))
}

// isMember says whether an endpoint is known to belong to the cluster. When that is long ago, one
// caller is sent to ask again, and the others go on.
func (p *pool) isMember(e *endpoint) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if e.member.IsZero() {
		return false
	}
	fresh := now.Sub(e.member) < memberFor
	e.member = now
	return fresh
}

// meet asks an endpoint who it is before a call is sent to it: a key or a session means nothing to
// another cluster, which would execute a repeat as new. What it says of the members is learned.
// An error says that nothing of the call was sent.
func (c *Client) meet(ctx context.Context, e *endpoint, timeout time.Duration) *Error {
	k := call{method: http.MethodGet, path: "/v1/status"}
	r, err := c.exchange(mayDial(ctx), k, e.url, timeout)
	if err == nil {
		var s Status
		if json.Unmarshal(r.body, &s) != nil {
			err = strange(e.url, r.status, e.url+" answers something that cannot be read.")
		} else {
			err = c.pool.learn(e, &s)
		}
	}
	if err != nil {
		err.Outcome, err.RetrySafe = OutcomeNotApplied, true
	}
	return err
}

// learn compares an endpoint's cluster with the client's, and takes over the list of its members.
func (p *pool) learn(e *endpoint, s *Status) *Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case s.ClusterID == "" && p.cluster == "":
		return nil // it may answer for itself that it is not ready
	case s.ClusterID == "":
		return &Error{
			Code: codeBootstrapping, Title: "The node belongs to no cluster", Endpoint: e.url,
			Status: http.StatusServiceUnavailable,
			Detail: fmt.Sprintf("%s belongs to no cluster yet: %s.", e.url,
				strings.TrimSuffix(s.Reason, ".")),
			Next: "Send it to another node.",
		}
	case p.cluster == "":
		p.cluster = s.ClusterID
	case p.cluster != s.ClusterID:
		return &Error{
			Code: CodeOtherCluster, Title: "The node belongs to another cluster", Endpoint: e.url,
			Detail: fmt.Sprintf("%s belongs to cluster %s, and this client to %s.", e.url, s.ClusterID,
				p.cluster),
			Next: "Check the addresses. A cluster that was restored or made anew is another one: make " +
				"a new client for it.",
		}
	}
	e.node, e.member = s.NodeID, time.Now()
	// A node that was removed, or is behind, tells of members that are none any more.
	if !p.fixed && s.Health != "quarantined" && s.Applied >= p.applied {
		p.applied = s.Applied
		scheme, _, _ := strings.Cut(e.url, "://")
		p.follow(scheme, s.Members)
	}
	return nil
}

// follow makes the members' addresses endpoints, and forgets those of members of old.
func (p *pool) follow(scheme string, members []Member) {
	told := map[string]uint64{}
	for _, m := range members {
		if m.HTTP == "" {
			continue
		}
		_, bare, ok := strings.Cut(m.HTTP, "://")
		if !ok {
			bare = m.HTTP
		}
		told[scheme+"://"+strings.TrimRight(bare, "/")] = m.ID
	}
	known := map[string]bool{}
	met := map[uint64]bool{} // by an address that was given
	for _, e := range p.all {
		met[e.node] = met[e.node] || e.given
	}
	p.all = slices.DeleteFunc(p.all, func(e *endpoint) bool {
		return !e.given && (told[e.url] == 0 || met[told[e.url]])
	})
	for _, e := range p.all {
		known[e.url] = true
	}
	var urls []string
	for url, id := range told {
		if !known[url] && !met[id] {
			urls = append(urls, url)
		}
	}
	slices.Sort(urls)
	for _, url := range urls {
		p.all = append(p.all, &endpoint{url: url})
	}
}
