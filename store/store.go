package store

import (
	"io"

	"drystone/cow"
	"drystone/rsm"
)

// Store is the machine: an ordered keyspace of stacks. It implements rsm.Machine, rsm.Hasher and
// rsm.Versioned.
type Store struct {
	stacks cow.Map[string, *stack]
	bytes  uint64
	hash   uint64 // sum over the stacks
	epoch  uint64 // counts snapshots: a stack of an earlier epoch is shared with one
	reply  []byte // memory of the last reply, used again
}

// New returns an empty store.
func New() *Store { return &Store{} }

// Hash returns the hash of the whole content, in constant time.
func (s *Store) Hash() uint64 { return s.hash }

// Bytes is what the content counts in memory, the same on every replica: for each stack its name
// and 256 bytes, for each item its value and 32 bytes.
func (s *Store) Bytes() uint64 { return s.bytes }

// replyKept is how much memory a reply may leave behind for the next one.
const replyKept = 64 << 10

// Apply executes an encoded Command and returns an encoded Reply, valid until the next call.
// What can't be decoded or is out of bounds is answered BadRequest, and changes nothing.
func (s *Store) Apply(ctx *rsm.Context, cmd []byte) []byte {
	return s.encode(s.apply(ctx, cmd))
}

func (s *Store) apply(ctx *rsm.Context, cmd []byte) Reply {
	c, err := DecodeCommand(cmd)
	if err != nil {
		return Reply{Code: BadRequest}
	}
	switch c := c.(type) {
	case CreateStack:
		return s.createStack(c)
	case DeleteStack:
		return s.deleteStack(c)
	case Push:
		return s.push(ctx, c)
	case Pop:
		return s.pop(c)
	}
	panic("store: a command without an implementation")
}

// Query answers an encoded Query with an encoded Reply, valid until the next call.
func (s *Store) Query(_ *rsm.Context, q []byte) []byte {
	return s.encode(s.query(q))
}

func (s *Store) query(q []byte) Reply {
	c, err := DecodeQuery(q)
	if err != nil {
		return Reply{Code: BadRequest}
	}
	switch c := c.(type) {
	case GetStack:
		return s.getStack(c)
	case Items:
		return s.items(c)
	case ListStacks:
		return s.listStacks(c)
	}
	panic("store: a query without an implementation")
}

func (s *Store) encode(r Reply) []byte {
	encoded := EncodeReply(s.reply[:0], r)
	if cap(encoded) <= replyKept {
		s.reply = encoded
	}
	return encoded
}

// Understands reports whether this version has the command; one that no version has is answered
// BadRequest.
func (s *Store) Understands(cmd []byte) bool { return len(cmd) == 0 || cmd[0] <= lastCommand }

// Snapshot freezes the store in constant time.
func (s *Store) Snapshot() io.WriterTo {
	f := &frozen{stacks: s.stacks, hash: s.hash}
	s.stacks = s.stacks.Fork()
	s.epoch++
	return f
}
