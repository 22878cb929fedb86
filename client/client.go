// Package client is the Go client of drystone, over HTTP and with the standard library only.
//
// Every write carries an Idempotency-Key, the caller's or one of its own, so the client may repeat
// it, on any node, until it has an answer: it takes effect once at most. What it cannot find out
// within its time it says: an error matches ErrUnknown or ErrNotApplied, never neither of what a
// caller must know.
package client

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// DefaultEndpoints are the nodes of a development cluster on this machine.
var DefaultEndpoints = []string{
	"http://127.0.0.1:12380", "http://127.0.0.1:22380", "http://127.0.0.1:32380",
}

// DefaultTimeout bounds a call when nothing else does.
const DefaultTimeout = 10 * time.Second

// Options are what a client is made with. The zero value is a client of the development cluster.
type Options struct {
	// Endpoints are the nodes' addresses, `host:port` or URLs. Any node takes any call; several
	// let a call go on when a node is away. None: DefaultEndpoints.
	Endpoints []string
	Token     string        // sent as a bearer token; "" for none
	Timeout   time.Duration // of a call with all its repeats; 0: DefaultTimeout
	HTTP      *http.Client  // nil: one of its own, with a connection pool
}

// Client calls a cluster. It is safe for use by many goroutines.
type Client struct {
	endpoints []string
	token     string
	timeout   time.Duration
	http      *http.Client
	current   atomic.Uint32 // index of the endpoint that answered last
}

// New returns a client. It connects when it is first used. The error is of an endpoint that is no
// address.
func New(o Options) (*Client, error) {
	c := &Client{token: o.Token, timeout: o.Timeout, http: o.HTTP}
	if c.timeout < 0 {
		return nil, errors.New("the timeout is negative")
	}
	if c.timeout == 0 {
		c.timeout = DefaultTimeout
	}
	if len(o.Endpoints) == 0 {
		o.Endpoints = DefaultEndpoints
	}
	for _, e := range o.Endpoints {
		normal, err := normalEndpoint(e)
		if err != nil {
			return nil, err
		}
		c.endpoints = append(c.endpoints, normal)
	}
	if c.http == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 128
		c.http = &http.Client{Transport: t}
	}
	return c, nil
}

func normalEndpoint(e string) (string, error) {
	full := e
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	u, err := url.Parse(full)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") ||
		u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("the endpoint %q is no address: write host:port or http://host:port", e)
	}
	return strings.TrimRight(full, "/"), nil
}

// Endpoints are the addresses, as URLs.
func (c *Client) Endpoints() []string { return c.endpoints }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// NewKey returns a fresh Idempotency-Key. Its 128 random bits make it unique.
func NewKey() string { return rand.Text() }
