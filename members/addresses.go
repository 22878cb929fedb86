package members

import "drystone/roster"

// Address is where the directory that holds a number is to be reached, "" if nobody knows. given
// is what lists and people said of the number, told what the directory said itself. Its entry in
// the roster is newer than any list, and what it told itself is newer still; but where only people
// said anything, theirs is the word. A successor, which was let in since, is to be reached before
// all: this node would never hear of it otherwise.
func Address(held roster.Entry, given, told, successor string) string {
	if successor != "" {
		return successor
	}
	address := given
	if held.Peer != "" {
		address = held.Peer
	}
	if told != "" && (address == "" || held.Peer != "") {
		address = told
	}
	return address
}
