package disk

import "math/bits"

// Atlas is who of a cluster's voters holds which records, intact, at one moment, and says what the
// cluster owes its users when one more disk loses something. It does nothing to a disk.
//
// A record that a majority's disks hold may be committed: it must not be lost. A disk that finds
// its damage halts its node, and takes its copies out of reach, which is survived as long as a
// majority is left. A disk that cannot find it (its newest group, an older image, an empty
// directory) goes on with less, and that is only survived while those who miss a record are no
// majority. It does not help that the record is on no majority yet: a leader may have been told
// that this disk holds it, counts on that, and commits it once enough others do.
type Atlas struct {
	voters  int
	struck  uint64            // one bit for each voter that may not start any more
	holders map[uint64]uint64 // record: the voters whose disks hold it
}

// Promise is what a cluster owes its users after damage.
type Promise uint8

// The promises, from best to worst.
const (
	// Survives: nothing acknowledged is lost, and a majority goes on.
	Survives Promise = iota
	// Halts: nothing acknowledged is lost without a word: nodes refuse to start, and name file and
	// offset; what is left is no majority.
	Halts
	// Unprotected: a majority may go on that misses something acknowledged. No test may do it.
	Unprotected
)

func (p Promise) String() string {
	return [...]string{"survives", "halts", "unprotected"}[p]
}

// Loss is what a disk loses.
type Loss struct {
	Voter       int    // from 0
	Silent      bool   // nothing that is left on the disk need tell of it; else its node halts
	First, Last uint64 // Silent: the records; none if First > Last
	Vote        bool   // Silent: the term or vote goes back as well, which nobody else holds
}

// NewAtlas is the atlas of so many voters, at most 64, with empty disks.
func NewAtlas(voters int) *Atlas {
	assert(voters > 0 && voters <= 64, "disk: an atlas is of 1 to 64 voters")
	return &Atlas{voters: voters, holders: map[uint64]uint64{}}
}

// Hold notes that a voter's disk holds a record. Two records of the same index and different terms
// are two records.
func (a *Atlas) Hold(voter int, record uint64) {
	assert(voter >= 0 && voter < a.voters, "disk: no such voter")
	a.holders[record] |= 1 << voter
}

// Judge is what is owed after this loss too.
func (a *Atlas) Judge(l Loss) Promise {
	if l.Silent && l.Vote {
		return Unprotected
	}
	// Those who miss a record must be no majority: they could elect one of them. Whether a damaged
	// disk really halts its node shows only when it starts.
	for r := l.First; l.Silent && r <= l.Last; r++ {
		without := a.all() &^ (a.holders[r] &^ (1 << l.Voter))
		if a.majority(without) {
			return Unprotected
		}
	}
	if !a.majority(a.all() &^ (a.struck | 1<<l.Voter)) {
		return Halts
	}
	return Survives
}

// Note notes that a loss has happened.
func (a *Atlas) Note(l Loss) {
	a.struck |= 1 << l.Voter
	for r := l.First; l.Silent && r <= l.Last; r++ {
		a.holders[r] &^= 1 << l.Voter
	}
}

func (a *Atlas) all() uint64 { return ^uint64(0) >> (64 - a.voters) }

func (a *Atlas) majority(set uint64) bool { return bits.OnesCount64(set) > a.voters/2 }
