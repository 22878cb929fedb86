package members

import "drystone/raft"

// Nursery is a leader's care for learners: it promotes those that have caught up and stay so for an
// election timeout (thesis §4.2.1).
type Nursery struct {
	since map[raft.NodeID]uint64 // ms; that are caught up, since when
}

// Due is a learner to be promoted now, unless a promotion is under way; 0: there is none. now is
// monotonic, in ms.
func (n *Nursery) Due(s raft.Status, now uint64, c Clock, busy bool) (due raft.NodeID) {
	if s.Role != raft.Leader || len(s.Members.Learners) == 0 {
		clear(n.since)
		return 0
	}
	for _, id := range s.Members.Learners {
		if !CaughtUp(s, id, c.Quiet) {
			delete(n.since, id)
			continue
		}
		since, known := n.since[id]
		if !known {
			if n.since == nil {
				n.since = make(map[raft.NodeID]uint64)
			}
			n.since[id] = now
			continue
		}
		if due == 0 && !busy && now-since >= c.Election {
			due = id
			delete(n.since, id)
		}
	}
	return due
}
