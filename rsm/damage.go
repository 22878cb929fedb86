package rsm

import "fmt"

// DamagedEntryError says that a committed entry cannot be understood, although its version is
// known. Nothing of it was applied, and nothing after it can be: the node stops applying.
type DamagedEntryError struct {
	Index, Term uint64
	Err         error
}

func (e *DamagedEntryError) Error() string {
	return fmt.Sprintf("entry %d of term %d is damaged: %v", e.Index, e.Term, e.Err)
}

// Unwrap returns what is wrong with it.
func (e *DamagedEntryError) Unwrap() error { return e.Err }

// MachinePanic is what State.Apply panics with when its machine did. Part of the entry has been
// applied: the State is lost, and so is the node, on every replica, until the machine is mended.
type MachinePanic struct {
	Index, Term uint64 // of the entry
	Op          uint64 // of the request
	Value       any    // what the machine panicked with
}

func (p *MachinePanic) Error() string {
	return fmt.Sprintf("the machine panicked on entry %d of term %d, op %d: %v",
		p.Index, p.Term, p.Op, p.Value)
}

// Unwrap returns what the machine panicked with, if that was an error.
func (p *MachinePanic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}
