// Package rsm turns a deterministic machine into a replicated one: requests with an identity
// that is checked when they are applied, node sessions, a clock carried by the log, settings
// that all replicas share, and a hash by which replicas compare themselves.
package rsm

import "io"

// Machine is the user's state machine. Equal calls in equal order leave equal states and give
// equal replies, on every replica, for ever: no clock, no randomness but Context's, no map order.
type Machine interface {
	// Apply executes a command. cmd is immutable and valid for the call. A user's mistake is a
	// reply, not an error. A panic stops the node and names the entry. ctx is valid for the call.
	// The reply is copied before the next call, so it may lie in a buffer that is used again.
	Apply(ctx *Context, cmd []byte) []byte
	// Query answers without changing anything, between Applies. Its reply is copied too.
	Query(ctx *Context, q []byte) []byte
	// Snapshot freezes a view, in time that does not grow with the state. It is written while
	// Apply goes on, from another goroutine.
	Snapshot() io.WriterTo
	// Restore replaces the whole state by what a snapshot wrote. It reads r to its end, which
	// checks the rest of the stream, and should replace nothing before; after an error, the state
	// is one that is never used.
	Restore(r io.Reader) error
}

// Hasher is an optional part of a Machine: an incremental hash of the whole state.
type Hasher interface{ Hash() uint64 }

// Versioned is an optional part of a Machine whose later versions add commands. A node that does
// not understand a command stops applying, before the entry that holds it, and needs an upgrade;
// without Versioned its replies would differ from those of nodes that do.
type Versioned interface{ Understands(cmd []byte) bool }

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
