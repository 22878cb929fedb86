// Package store is the built-in machine: one typed keyspace of stacks. Names and items are
// any bytes within the limits; both ends of a stack push and pop in O(1).
package store

// End is an end of a stack.
type End uint8

// The ends of a stack.
const (
	Top End = iota
	Bottom
)

// Command is a write. Sealed: the types below are all there are.
type Command interface{ command() }

type (
	// CreateStack creates an empty stack; one that stands is left alone.
	CreateStack struct{ Stack string }
	// DeleteStack deletes a stack and its items.
	DeleteStack struct{ Stack string }
	// Push pushes values in order onto an end: the last one becomes the outermost.
	Push struct {
		Stack     string
		Values    [][]byte
		End       End
		MustExist bool // false: creates the stack
	}
	// Pop takes up to Count items from an end, in the order taken.
	Pop struct {
		Stack string
		Count uint64 // at least 1
		End   End
	}
)

func (CreateStack) command() {}
func (DeleteStack) command() {}
func (Push) command()        {}
func (Pop) command()         {}

// Query is a read. Sealed: the types below are all there are.
type Query interface{ query() }

type (
	// GetStack asks for a stack's size and its top item (Reply.Values, when WithTop).
	GetStack struct {
		Stack   string
		WithTop bool
	}
	// Items lists items from the top: Limit of them, after skipping Offset.
	Items struct {
		Stack         string
		Offset, Limit uint64
	}
	// ListStacks lists stacks by name: those with Prefix, after the name After.
	ListStacks struct {
		Prefix, After string
		Limit         uint64
	}
)

func (GetStack) query()   {}
func (Items) query()      {}
func (ListStacks) query() {}

// Code is how a command or query ended.
type Code uint8

// How a command or query can end.
const (
	OK Code = iota
	NoSuchStack
	WrongType
	TooLarge   // a value over Settings.MaxValueBytes
	BadRequest // undecodable, or a name or count out of bounds
)

// Limits of names, in bytes.
const (
	MinNameBytes = 1
	MaxNameBytes = 512
)

// Reply answers a Command or a Query.
type Reply struct {
	Code    Code
	Created bool     // CreateStack, Push: it did not stand before
	Size    uint64   // items in the stack afterwards
	Values  [][]byte // popped, top, or listed
	Stacks  []StackInfo
	Next    string // ListStacks: give it as After for the rest; "" at the end
}

// StackInfo is one line of a list.
type StackInfo struct {
	Name string
	Size uint64
}
