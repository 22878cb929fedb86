package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Status is what a node says of itself and of the cluster as it sees it.
type Status struct {
	Version       string            `json:"version"`
	Engine        string            `json:"engine"`
	ClusterID     string            `json:"cluster_id"`
	NodeID        uint64            `json:"node_id"`
	Incarnation   string            `json:"incarnation"`
	Role          string            `json:"role"`
	Term          uint64            `json:"term"`
	LeaderID      uint64            `json:"leader_id"` // 0: not known
	Commit        uint64            `json:"commit"`
	Applied       uint64            `json:"applied"`
	Op            uint64            `json:"op"`
	Durable       uint64            `json:"durable"`
	FirstIndex    uint64            `json:"first_index"`
	LastIndex     uint64            `json:"last_index"`
	SnapshotIndex uint64            `json:"snapshot_index"`
	LogTimeMs     uint64            `json:"log_time_ms"`
	StateHash     string            `json:"state_hash"` // at Applied
	WALBytes      uint64            `json:"wal_bytes"`
	Sessions      uint64            `json:"sessions"`
	Requests      uint64            `json:"requests"`
	Members       []Member          `json:"members"`
	Joint         bool              `json:"joint"`
	Settings      map[string]uint64 `json:"settings"`
	Health        string            `json:"health"`
	Reason        string            `json:"reason"`
	Flags         map[string]string `json:"flags"`
	UptimeMs      uint64            `json:"uptime_ms"`

	Raw json.RawMessage `json:"-"` // the whole reply, with what this client does not know
}

// Member is a member of the cluster as a node sees it. Match and Lag are the leader's knowledge.
type Member struct {
	ID        uint64  `json:"id"`
	Peer      string  `json:"peer"`
	HTTP      string  `json:"http"`
	RESP      string  `json:"resp"`
	Voter     bool    `json:"voter"`
	Match     *uint64 `json:"match"`
	Lag       *uint64 `json:"lag"`
	ContactMs *uint64 `json:"contact_ms"` // since it was heard; nil: never, or not connected
}

// StatusOptions are those of Status.
type StatusOptions struct {
	Endpoint string // ask this node and no other; "": any
	Applied  uint64 // wait until the node has applied this index
}

// Status asks one node how it sees itself and the cluster.
func (c *Client) Status(ctx context.Context, o StatusOptions) (Status, error) {
	k := call{method: http.MethodGet, path: "/v1/status", query: url.Values{}, waits: o.Applied > 0}
	setNumber(k.query, "applied", o.Applied)
	var out Status
	if o.Endpoint != "" {
		normal, err := normalEndpoint(o.Endpoint)
		if err != nil {
			return out, err
		}
		k.endpoint = normal
	}
	r, err := c.do(ctx, k)
	if err != nil {
		return out, err
	}
	if json.Unmarshal(r.body, &out) != nil {
		e := strange(r.Endpoint, r.status, r.Endpoint+" answers something that cannot be read.")
		return out, (&attempts{}).verdict(k, e)
	}
	out.Raw = r.body
	return out, nil
}
