package explore

import (
	"fmt"
	"strings"
)

// maxNodes bounds the nodes of a world.
const maxNodes = 4

// Bounds are how much may happen in a world. Everything else happens at will.
type Bounds struct {
	Voters int // members of the first configuration: n1, n2, …
	Others int // nodes after these that may be added

	Elections  int // timers that fire
	Entries    int // commands proposed
	Crashes    int
	Duplicates int // messages delivered that stay under way
	Stalls     int // times that a disk is late: what it is given then waits, while all else goes on
	Adds       int // voters added
	Removes    int // voters removed
	Snapshots  int // snapshots taken, each of all that its node has applied

	// Exact loses no message but by what the network does to it; see the package's comment.
	Exact bool
	// Named tells apart worlds that differ only in which node is which.
	Named bool
}

func (b Bounds) nodes() int { return b.Voters + b.Others }

func (b Bounds) check() {
	if b.Voters < 1 || b.nodes() > maxNodes {
		panic(fmt.Sprintf("explore: %d nodes, and at most %d can be", b.nodes(), maxNodes))
	}
}

// String is the bounds in a line, without what may not happen.
func (b Bounds) String() string {
	var parts []string
	add := func(n int, one, many string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+one)
		case n > 1:
			parts = append(parts, fmt.Sprint(n, " ", many))
		}
	}
	add(b.Voters, "voter", "voters")
	add(b.Others, "other", "others")
	add(b.Elections, "election", "elections")
	add(b.Entries, "entry", "entries")
	add(b.Crashes, "crash", "crashes")
	add(b.Duplicates, "duplicate", "duplicates")
	add(b.Stalls, "stall", "stalls")
	add(b.Adds, "add", "adds")
	add(b.Removes, "remove", "removes")
	add(b.Snapshots, "snapshot", "snapshots")
	if b.Exact {
		parts = append(parts, "exact")
	}
	if b.Named {
		parts = append(parts, "named")
	}
	return strings.Join(parts, ", ")
}

// used counts what has happened, in the order of the fields of Bounds.
type used [8]uint8

const (
	elections = iota
	entries
	crashes
	duplicates
	stalls
	adds
	removes
	snapshots
)

func (b Bounds) limits() used {
	var u used
	for i, n := range []int{b.Elections, b.Entries, b.Crashes, b.Duplicates, b.Stalls, b.Adds,
		b.Removes, b.Snapshots} {
		u[i] = uint8(n)
	}
	return u
}
