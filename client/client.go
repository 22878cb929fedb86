package client

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DefaultEndpoints are the nodes of a development cluster on this machine.
var DefaultEndpoints = []string{
	"http://127.0.0.1:12380", "http://127.0.0.1:22380", "http://127.0.0.1:32380",
}

// DefaultTimeout bounds a call, unless Options or the call's context allow less.
const DefaultTimeout = 10 * time.Second

// Options are what a client is made with. The zero value is a client of the development cluster.
type Options struct {
	// Endpoints are addresses of nodes, `host:port` or URLs. Any node takes any call, and names
	// the others. None: DefaultEndpoints.
	Endpoints []string
	// Fixed keeps to the endpoints given, although the cluster names more: behind a load balancer,
	// or where the addresses that nodes advertise are of no use.
	Fixed bool
	// Cluster is the id of the cluster. Nodes of any other are refused. "": that of the first node
	// that answers.
	Cluster string
	Token   string // sent as a bearer token; "" for none
	// Timeout bounds a call with all its repeats; a context can end it sooner. 0: DefaultTimeout.
	Timeout time.Duration
	HTTP    *http.Client // copied; nil: one of its own, with a connection pool
}

// Client calls a cluster. It is safe for use by many goroutines, and starts none: only a Session
// has a timer, which keeps it alive.
type Client struct {
	pool    pool
	token   string
	timeout time.Duration
	http    *http.Client
}

// New returns a client. It connects when it is first used. The error is of an endpoint that is no
// address.
func New(o Options) (*Client, error) {
	c := &Client{token: o.Token, timeout: o.Timeout}
	if c.timeout < 0 {
		return nil, errors.New("the timeout is negative")
	}
	if c.timeout == 0 {
		c.timeout = DefaultTimeout
	}
	if len(o.Endpoints) == 0 {
		o.Endpoints = DefaultEndpoints
	}
	c.pool.fixed, c.pool.cluster = o.Fixed, o.Cluster
	for _, e := range o.Endpoints {
		normal, err := normalEndpoint(e)
		if err != nil {
			return nil, err
		}
		c.pool.all = append(c.pool.all, &endpoint{url: normal, given: true})
	}
	c.http = newHTTP(o.HTTP)
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

// Endpoints are the addresses in use, as URLs: those given, and those that the cluster told since.
func (c *Client) Endpoints() []string { return c.pool.urls() }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// NewKey returns a fresh Idempotency-Key. Its 128 random bits make it unique.
func NewKey() string { return rand.Text() }
