package disk

import "fmt"

// DamageError says that a file holds something other than what was once made durable in it. It is
// never a torn write: those are expected, and cut. Nothing may be served from what is left.
type DamageError struct {
	File   string // the file's name in its directory
	Offset int64  // bytes from the file's start to the first that is wrong, or to its record
	Detail string // what is wrong, in words
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s", e.File, e.Offset, e.Detail)
}
