// Package rsm turns a deterministic machine into a replicated one: requests with an identity
// that is checked when they are applied, node sessions, a clock carried by the log, settings
// that all replicas share, and a hash by which replicas compare themselves.
package rsm

import "io"

// Machine is the user's state machine. Equal calls in equal order leave equal states and give
// equal replies, on every replica, for ever: no clock, no randomness but Context's, no map order.
type Machine interface {
	// Apply executes a command. cmd is immutable and valid for the call. A user's mistake is a
	// reply, not an error. A panic stops the node and names the entry.
	Apply(ctx *Context, cmd []byte) []byte
	// Query answers without changing anything, between Applies.
	Query(ctx *Context, q []byte) []byte
	// Snapshot freezes a view, in time that does not grow with the state. It is written while
	// Apply goes on, from another goroutine.
	Snapshot() io.WriterTo
	// Restore replaces the whole state by what a snapshot wrote.
	Restore(r io.Reader) error
}

// Hasher is an optional part of a Machine: an incremental hash of the whole state.
type Hasher interface{ Hash() uint64 }

// Context is where a command runs.
type Context struct {
	Index    uint64 // of the log entry
	Op       uint64 // of this request; on a query, of the last one applied
	LogTime  uint64 // ms since the cluster began
	Settings Settings
	seed     uint64
}

// Settings change what an entry does, so they are replicated.
type Settings struct {
	MaxValueBytes      uint64 `json:"max_value_bytes"`
	MaxSessions        uint64 `json:"max_sessions"`
	SessionTTLMs       uint64 `json:"session_ttl_ms"`
	MaxRequestsBytes   uint64 `json:"max_requests_bytes"`
	RequestRetentionMs uint64 `json:"request_retention_ms"`
}

// DefaultSettings are what a new cluster gets when no flag says otherwise.
func DefaultSettings() Settings {
	return Settings{
		MaxValueBytes:      1 << 20,
		MaxSessions:        10_000,
		SessionTTLMs:       3_600_000,
		MaxRequestsBytes:   256 << 20,
		RequestRetentionMs: 600_000,
	}
}
