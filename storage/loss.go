package storage

import (
	"drystone/disk"
	"drystone/wal"
)

// LossAt is what a voter's directory may lose by damage to these places, as a disk.Atlas is asked
// about it: its records are indexes of the log. The directory must be whole, and is not changed.
func LossAt(dir disk.Dir, voter int, places ...disk.Place) (disk.Loss, error) {
	e, err := wal.FindExposed(dir, places...)
	return disk.Loss{Voter: voter, Silent: e.Groups > 0,
		First: uint64(e.First), Last: uint64(e.Last), Vote: e.Hard}, err
}
