package members

import (
	"drystone/raft"
	"drystone/roster"
)

// InForce is the configuration that a node went by last, and its roster.
type InForce struct {
	members raft.Members
	Roster  roster.Roster
	known   bool
}

// Follow takes the configuration in force now, and says whether it is another one. The index of its
// entry would not tell: two leaders may each have put one there, of which one was overwritten.
func (f *InForce) Follow(m raft.Members) (changed bool) {
	if f.known && f.members.Equal(m) {
		return false
	}
	*f = InForce{members: m, Roster: RosterOf(m), known: true}
	return true
}
