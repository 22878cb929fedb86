// Package wire encodes what nodes say to each other: raft's messages, requests on their way to
// the leader, and the handshake. Frames are versioned and checksummed; unknown fields are skipped.
package wire

import (
	"drystone/raft"
	"drystone/rsm"
)

// Message is one thing to say to a peer: exactly one of the fields is set.
type Message struct {
	Raft *raft.Message
	Peer rsm.PeerMessage
}
