package members

import (
	"drystone/raft"
	"drystone/roster"
)

// Address is where a member is to be reached, "" if nobody knows. given is what
// lists and people said, told what it told itself. Its entry in the roster is newer than any list,
// and what it told itself is newer still; but where only people said anything, theirs is the word.
func Address(listed roster.Roster, id raft.NodeID, given, told string) string {
	held, _ := listed.Holder(uint64(id))
	address := given
	if held.Peer != "" {
		address = held.Peer
	}
	if told != "" && (address == "" || held.Peer != "") {
		address = told
	}
	return address
}
