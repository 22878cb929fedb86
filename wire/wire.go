// Package wire encodes what nodes say to each other: raft's messages, requests on their way to
// the leader, and the handshake. It knows bytes only; package transport knows connections.
//
// Everything is little endian. A body is a version byte, a kind byte, the kind's fixed fields, and
// then any number of tagged fields (tag, length, bytes; tags ascend). A tag that this version does
// not know is skipped: that is how a later version adds a field without a new kind. A body travels
// in a frame: its length, its CRC32C, the body. docs/formats.md has the tables.
//
// Decoders take bytes from anybody. They never panic, allocate no more than a small multiple of
// what they were given, and refuse what is cut short or has something behind its end.
package wire

import (
	"errors"

	"drystone/raft"
	"drystone/rsm"
)

// Message is one thing to say to a peer: exactly one of the fields is set.
type Message struct {
	Raft *raft.Message
	Peer rsm.PeerMessage
}

// Version is the first byte of every body that this package writes, and the only one it reads.
const Version = 1

// What a decoder says of bytes that it cannot use; returned errors wrap one of these.
var (
	// ErrVersion: written by a version that this one does not read.
	ErrVersion = errors.New("wire: unknown version")
	// ErrMalformed: cut short, too long, or of a shape that nobody writes.
	ErrMalformed = errors.New("wire: malformed")
	// ErrTooLarge: a frame announces more than the reader takes.
	ErrTooLarge = errors.New("wire: frame too large")
	// ErrChecksum: a frame's body is not what was sent.
	ErrChecksum = errors.New("wire: checksum mismatch")
)

// The kinds of body. A number stands for its kind for ever.
const (
	kindRequestVote     = 1
	kindVoteReply       = 2
	kindAppendEntries   = 3
	kindAppendReply     = 4
	kindHeartbeat       = 5
	kindHeartbeatReply  = 6
	kindInstallSnapshot = 7
	kindSnapshotReply   = 8
	kindTimeoutNow      = 9

	kindForward    = 16
	kindRefusal    = 17
	kindReadAsk    = 18
	kindReadAnswer = 19
	kindAdminAsk   = 20
	kindAdminReply = 21

	kindHello      = 32
	kindHelloReply = 33

	kindShipOffer   = 48
	kindShipHave    = 49
	kindShipChunk   = 50
	kindShipEnd     = 51
	kindShipVerdict = 52
	kindShipAlive   = 53
)

// The bits of a flags byte. Others are refused: a later version adds tagged fields instead.
const (
	flagPreVote  = 1 << 0 // RequestVote, VoteReply
	flagTransfer = 1 << 1 // RequestVote
	flagGranted  = 1 << 1 // VoteReply
	flagSuccess  = 1 << 0 // AppendReply
	flagOK       = 1 << 0 // ReadAnswer
)

func assert(ok bool, msg string) {
	if !ok {
		panic("wire: " + msg)
	}
}
