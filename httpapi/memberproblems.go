package httpapi

import "net/http"

// memberExplanations are the rows about members and leadership.
var memberExplanations = []Explanation{
	{
		"no_such_member", []int{http.StatusNotFound}, "There is no such member",
		[]string{notApplied},
		"No member of the cluster has that number.",
		fateNothing, "`drystone member list` shows the numbers that there are.",
	}, {
		"learner_behind", []int{http.StatusConflict}, "The learner has not caught up",
		[]string{notApplied},
		"A voter that lacks much of the log would hold up every write as soon as another voter is " +
			"away.",
		fateNothing,
		"Wait: a learner becomes a voter by itself once it has caught up. If it does not come " +
			"nearer, look at its `drystone status`.",
	}, {
		"member_exists", []int{http.StatusConflict}, "The number belongs to a member",
		[]string{notApplied},
		"A member has that number, with a data directory of its own.",
		fateNothing,
		"Choose another number. If that member's directory is lost, `drystone member replace N` " +
			"lets a new one take its place.",
	}, {
		"member_unreachable", []int{http.StatusConflict}, "The member cannot be reached",
		[]string{notApplied},
		"The leader gets no connection to the node at the address that it gave or was given, so it " +
			"could never be told anything.",
		fateNothing,
		"Start the node with `--join`, and give the address that the others reach it at with " +
			"`--advertise-peer`.",
	}, {
		"not_a_voter", []int{http.StatusConflict}, "The node cannot lead", []string{notApplied},
		"Only a voter of the cluster can lead it: not a learner, and not a node of another cluster.",
		fateNothing, "`drystone member list` shows the voters.",
	}, {
		"number_used", []int{http.StatusConflict}, "The number was used before",
		[]string{notApplied},
		"A node of that number was removed. Numbers are never used again: what the old node " +
			"promised must not be taken for a promise of the new one.",
		fateNothing, "Start the new node with another `--id`, and an empty directory.",
	}, {
		"unsafe_change", []int{http.StatusConflict}, "The change would stop the cluster",
		[]string{notApplied},
		"Too few of the voters that would be left answer now: no majority of them could decide " +
			"anything.",
		fateNothing, "Bring the silent voters back first, or let other nodes join.",
	}, {
		"transfer_failed", []int{http.StatusServiceUnavailable}, "Leadership was not taken over",
		[]string{notApplied},
		"The node that was to lead did not win within an election timeout; the old leader leads on.",
		fateNothing, "Repeat it, or choose another voter.",
	},
}
