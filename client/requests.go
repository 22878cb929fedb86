package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// What became of a request, beside OutcomeApplied: see Fate.Outcome.
const (
	// OutcomePending: it is on its way to the log.
	OutcomePending = "pending"
	// OutcomeFenced: it was not applied, and never will be.
	OutcomeFenced = "fenced"
	// OutcomeForgotten: it was known once, and its reply is gone.
	OutcomeForgotten = "forgotten"
	// OutcomeAbsent: nothing is known of it. It may still come, until it is fenced.
	OutcomeAbsent = "absent"
)

// Fate is what became of a request.
type Fate struct {
	Meta    `json:"-"`
	Outcome string          `json:"outcome"`
	Result  json.RawMessage `json:"result"` // the reply to one that was applied
}

// Final says whether the outcome can no longer change.
func (f *Fate) Final() bool {
	return f.Outcome == OutcomeApplied || f.Outcome == OutcomeFenced ||
		f.Outcome == OutcomeForgotten
}

// QuoteKey names a write by its key where the bare key could be taken for something else: one that
// looks like a node's name for a request, 1.2.3, or a session's, 1/2, or begins with a quote.
func QuoteKey(key string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
}

// Request asks what became of a write, by its key (see QuoteKey) or what Error.RequestID has.
func (c *Client) Request(ctx context.Context, id string) (fate Fate, err error) {
	if err := checkID(id); err != nil {
		return fate, err
	}
	fate.Meta, err = c.read(ctx, requestPath(id), url.Values{}, ReadOptions{}, &fate)
	return fate, err
}

// Fence settles a write now: it was applied, or it never will be.
func (c *Client) Fence(ctx context.Context, id string) (fate Fate, err error) {
	fate.Meta, err = c.onRequest(ctx, http.MethodPost, id, "/fence", &fate)
	return fate, err
}

// Forget frees the reply that the cluster keeps for a repeat. A repeat under the same key would be
// executed as new.
func (c *Client) Forget(ctx context.Context, id string) error {
	_, err := c.onRequest(ctx, http.MethodDelete, id, "", nil)
	return err
}

// Settle turns an unknown outcome into one that is final: OutcomeApplied, OutcomeFenced or, long
// after, OutcomeForgotten. It fences the request only when it has not been applied already.
func (c *Client) Settle(ctx context.Context, id string) (Fate, error) {
	fate, err := c.Request(ctx, id)
	if err != nil || fate.Final() {
		return fate, err
	}
	return c.Fence(ctx, id)
}

func (c *Client) onRequest(ctx context.Context, method, id, action string, out any) (Meta, error) {
	if err := checkID(id); err != nil {
		return Meta{}, err
	}
	k := call{method: method, path: requestPath(id) + action, write: true, idempotent: true, id: id}
	return c.send(ctx, k, out)
}

// checkID refuses the empty name, which a write without a key has whose answer was lost.
func checkID(id string) error {
	if id != "" {
		return nil
	}
	return &Error{
		Code: codeBadRequest, Title: "The request has no name", Outcome: OutcomeNotApplied,
		RetrySafe: true, Detail: "A request is asked for by its id, and this one is empty.",
		Next: "Give writes a key to be able to ask for them.",
	}
}

func requestPath(id string) string { return "/v1/requests/" + segment(id) }
