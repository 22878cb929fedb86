package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

// Members is who belongs to the cluster, as its leader knows it.
type Members struct {
	Meta
	Members []Member `json:"members"`
	Leader  uint64   `json:"leader_id"`
	Joint   bool     `json:"joint"`   // a change is between its two steps
	Invited []uint64 `json:"invited"` // numbers that wait for a node to join
	Removed []uint64 `json:"removed"` // numbers that are never used again
}

// Members asks who belongs to the cluster: the leader, or with Stale any node, for what it has
// applied. The other options are of no use here.
func (c *Client) Members(ctx context.Context, o ReadOptions) (out Members, err error) {
	out.Meta, err = c.read(ctx, "/v1/members", url.Values{}, ReadOptions{Stale: o.Stale}, &out)
	return out, err
}

// AddMember lets the next node of that number join, which answers at a peer address already: it
// was started with --join.
func (c *Client) AddMember(ctx context.Context, id uint64, peer string) (Members, error) {
	body, err := json.Marshal(struct {
		ID   uint64 `json:"id"`
		Peer string `json:"peer"`
	}{id, peer})
	if err != nil {
		return Members{}, err
	}
	return c.members(ctx, http.MethodPost, "/v1/members", body)
}

// PromoteMember makes a voter of a learner that has caught up.
func (c *Client) PromoteMember(ctx context.Context, id uint64) (Members, error) {
	return c.members(ctx, http.MethodPost, memberPath(id)+"/promote", nil)
}

// ReplaceMember removes a member whose data directory is lost, and lets a node with an empty one
// join under its number.
func (c *Client) ReplaceMember(ctx context.Context, id uint64) (Members, error) {
	return c.members(ctx, http.MethodPost, memberPath(id)+"/replace", nil)
}

// RemoveMember removes a member for good; its number is never used again.
func (c *Client) RemoveMember(ctx context.Context, id uint64) (Members, error) {
	return c.members(ctx, http.MethodDelete, memberPath(id), nil)
}

// TransferLeadership hands leadership to a voter; 0: to the best one.
func (c *Client) TransferLeadership(ctx context.Context, to uint64) (Members, error) {
	var body []byte
	if to != 0 {
		body = strconv.AppendUint([]byte(`{"to":`), to, 10)
		body = append(body, '}')
	}
	return c.members(ctx, http.MethodPost, "/v1/leader/transfer", body)
}

func memberPath(id uint64) string { return "/v1/members/" + strconv.FormatUint(id, 10) }

// members asks for a change. None does anything twice, so a repeat is safe, and needs no key for
// it; it has one all the same, so that doubt about a change is told as such.
func (c *Client) members(ctx context.Context, method, path string, body []byte) (
	out Members, err error,
) {
	k := call{method: method, path: path, body: body, waits: true, idempotent: true}
	if len(body) > 0 {
		k.contentType = "application/json"
	}
	meta, err := c.write(ctx, k, WriteOptions{}, &out)
	out.Meta = meta
	return out, err
}
