// Package roster is the cluster's list of who is who: which directories ever were members, under
// which number, and where they are found. It travels with the configuration (raft.Members), so it
// is a function of the log like it, and what it says of the past never changes: a number that was
// removed is not given to another node, and a directory that was removed is not let in again.
package roster

import (
	"cmp"
	"fmt"
	"slices"
)

// Entry is one directory's claim to a number. Who has a number now is its entry of the highest
// generation that has an incarnation, if the configuration has the number at all.
type Entry struct {
	Node        uint64
	Generation  uint64 // counts the directories under this number, from 0
	Incarnation string // of the directory; "": the number waits for one
	Peer        string // host:port at which it was found last; a hint, "" for not known
}

// Roster is entries, ascending by number and generation.
type Roster []Entry

// BootsPerGeneration sets the boots of a number's directories apart: those of generation g begin
// above g times this. Requests are told apart by number and boot, so no directory may use one that
// a former one may have used.
const BootsPerGeneration = 1 << 20

// MaxGeneration is as far as boots go, which are below 2^32.
const MaxGeneration = 1<<12 - 1

// Why a directory is not let in.
const (
	// Member: the number belongs to another directory, which is a member.
	Member Refusal = iota + 1
	// Spent: the number belonged to a node that was removed.
	Spent
	// Gone: this very directory was removed.
	Gone
	// Full: the number has been replaced as often as it can be.
	Full
)

// Refusal is a reason.
type Refusal uint8

func (r Refusal) Error() string {
	switch r {
	case Member:
		return "the number belongs to another directory, which is a member"
	case Spent:
		return "the number belonged to a node that was removed, and numbers are never used again"
	case Gone:
		return "this directory belonged to the cluster and was removed"
	case Full:
		return "the number has been replaced too often"
	}
	return fmt.Sprintf("Refusal(%d)", uint8(r))
}

// Find returns a directory's entry.
func (r Roster) Find(node uint64, incarnation string) (Entry, bool) {
	for _, e := range r {
		if e.Node == node && e.Incarnation == incarnation && incarnation != "" {
			return e, true
		}
	}
	return Entry{}, false
}

// Holder returns the newest directory under a number.
func (r Roster) Holder(node uint64) (held Entry, ok bool) {
	for _, e := range r {
		if e.Node == node && e.Incarnation != "" {
			held, ok = e, true
		}
	}
	return held, ok
}

// Vacant says whether a number waits for a directory.
func (r Roster) Vacant(node uint64) bool {
	last, known := r.last(node)
	return known && r[last].Incarnation == ""
}

// last is the position of a number's newest entry.
func (r Roster) last(node uint64) (at int, ok bool) {
	for i, e := range r {
		if e.Node == node {
			at, ok = i, true
		}
	}
	return at, ok
}

// Admit returns a roster in which a directory holds a number that is new or waits for one, and its
// entry. A directory that holds it already is found again. The error is a Refusal. members says
// whether a number is a member's now.
func (r Roster) Admit(node uint64, incarnation, peer string, member bool) (Roster, Entry, error) {
	if e, ok := r.Find(node, incarnation); ok {
		if held, _ := r.Holder(node); member && held == e {
			return r, e, nil
		}
		return nil, Entry{}, Gone
	}
	last, known := r.last(node)
	switch {
	case known && r[last].Incarnation != "" && member:
		return nil, Entry{}, Member
	case known && r[last].Incarnation != "":
		return nil, Entry{}, Spent
	}
	e := Entry{Node: node, Incarnation: incarnation, Peer: peer}
	out := slices.Clone(r)
	if known {
		e.Generation = r[last].Generation
		out[last] = e
		return out, e, nil
	}
	return out.insert(e), e, nil
}

// Invite returns a roster in which a new number, or one whose directory is to be replaced, waits
// for a directory. The error is a Refusal.
func (r Roster) Invite(node uint64, peer string, replace bool) (Roster, error) {
	last, known := r.last(node)
	e := Entry{Node: node, Peer: peer}
	if known {
		e.Generation = r[last].Generation
		switch {
		case r[last].Incarnation == "":
			out := slices.Clone(r)
			out[last] = e
			return out, nil
		case !replace:
			return nil, Spent
		case e.Generation == MaxGeneration:
			return nil, Full
		}
		e.Generation++
	}
	return slices.Clone(r).insert(e), nil
}

// Withdraw returns a roster in which a number no longer waits for a directory.
func (r Roster) Withdraw(node uint64) Roster {
	return slices.DeleteFunc(slices.Clone(r), func(e Entry) bool {
		return e.Node == node && e.Incarnation == ""
	})
}

// Located returns a roster whose numbers' newest entries have the addresses that where gives.
func (r Roster) Located(where func(Entry) string) Roster {
	out := slices.Clone(r)
	for i := range out {
		if last, _ := out.last(out[i].Node); last == i {
			out[i].Peer = where(out[i])
		}
	}
	return out
}

func (r Roster) insert(e Entry) Roster {
	at, _ := slices.BinarySearchFunc(r, e, compare)
	return slices.Insert(r, at, e)
}

func compare(a, b Entry) int {
	return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Generation, b.Generation))
}
