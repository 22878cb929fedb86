package members

import (
	"errors"
	"testing"

	"drystone/raft"
	"drystone/roster"
	"drystone/rsm"
)

// TestLegible: a membership of a later version is never taken for an empty one.
func TestLegible(t *testing.T) {
	good := raft.Members{Voters: []raft.NodeID{1}, Directory: roster.Roster{
		{Node: 1, Incarnation: who("a")},
	}.Encode(nil)}
	later := good
	later.Directory = append([]byte{good.Directory[0] + 1}, good.Directory[1:]...)
	entry := func(m raft.Members) raft.Entry {
		return raft.Entry{Index: 7, Kind: raft.EntryConfig, Data: raft.EncodeMembers(nil, m)}
	}
	newest := entry(good)
	newest.Data[0] = 99
	plain := raft.Entry{Index: 6, Data: []byte{99}}
	if err := Legible([]raft.Entry{plain, entry(good)}, good); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"a directory in an entry":     Legible([]raft.Entry{entry(good), entry(later)}, good),
		"an entry":                    Legible([]raft.Entry{newest}, good),
		"the directory of a snapshot": Legible(nil, later),
	} {
		if !errors.Is(err, rsm.ErrNeedsUpgrade) {
			t.Errorf("%s of a later version: %v", name, err)
		}
	}
}
