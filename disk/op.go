package disk

import (
	"errors"
	"fmt"
)

// ErrCrashed is what every use of a file or directory of an earlier life returns. A hook returns it
// to crash the disk in the middle of the operation it is asked about.
var ErrCrashed = errors.New("the disk has crashed")

// OpKind is what an operation does.
type OpKind uint8

// The operations that a hook sees.
const (
	OpCreate OpKind = iota
	OpOpen
	OpRename
	OpRemove
	OpList
	OpSync
	OpRead
	OpWrite
	OpTruncate
	OpDatasync
)

var opNames = [...]string{"create", "open", "rename", "remove", "list", "sync", "read", "write",
	"truncate", "datasync"}

func (k OpKind) String() string { return opNames[k] }

// Changes says whether the operation changes what is on the disk, or makes it durable: the
// operations at which a crash is interesting.
func (k OpKind) Changes() bool { return k != OpOpen && k != OpList && k != OpRead }

// Op is an operation that is about to happen.
type Op struct {
	Kind    OpKind
	N       uint64 // counts the operations of this Mem from 1
	Name    string // of the file; "" for OpList and OpSync
	NewName string // OpRename
	Offset  int64  // OpRead, OpWrite; OpTruncate: the new length
	Length  int    // OpRead, OpWrite: bytes
}

func (o Op) String() string {
	switch o.Kind {
	case OpRename:
		return fmt.Sprintf("%d %v %s to %s", o.N, o.Kind, o.Name, o.NewName)
	case OpRead, OpWrite:
		return fmt.Sprintf("%d %v %s [%d:+%d]", o.N, o.Kind, o.Name, o.Offset, o.Length)
	}
	return fmt.Sprintf("%d %v %s", o.N, o.Kind, o.Name)
}
