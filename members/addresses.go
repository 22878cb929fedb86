package members

import (
	"drystone/raft"
	"drystone/roster"
)

// Contact is what the last handshake told of who goes by a number; the zero value: nothing.
type Contact struct {
	Incarnation, Address string
	Trusted              bool // it is listened to
}

// Address is where a member is to be reached, "" if nobody knows. Its entry in the roster is newer
// than what people said (given), and what it told itself is newer still; but where only people said
// anything, theirs is the word. Of directories, a later one than the log knows of is where it says:
// whoever is listened to must be answered.
func Address(m raft.Members, r roster.Roster, id raft.NodeID, given string, c Contact) string {
	node := uint64(id)
	if !Speaks(m, r, node, c.Incarnation) {
		c.Address = ""
	}
	_, listed := r.Find(node, c.Incarnation)
	held, _ := r.Holder(node)
	switch {
	case c.Address != "" && (c.Trusted && !listed || held.Peer != "" || given == ""):
		return c.Address
	case held.Peer != "":
		return held.Peer
	}
	return given
}
