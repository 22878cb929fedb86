package disk

import (
	"errors"
	"syscall"
)

// FullError is a full disk met before anything depended on what was written: nothing is lost, and
// the same call may be tried again when there is space. A sync of the log that finds the disk full
// is not one: it may have lost what was written.
type FullError struct{ Err error }

func (e *FullError) Error() string { return e.Err.Error() }

func (e *FullError) Unwrap() error { return e.Err }

// Full makes a *FullError of an error that says that the disk, or the user's part of it, is full,
// and returns any other as it is.
func Full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &FullError{err}
	}
	return err
}

// IsFull says that an error is a *FullError.
func IsFull(err error) bool {
	var full *FullError
	return errors.As(err, &full)
}
