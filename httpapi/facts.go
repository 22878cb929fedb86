package httpapi

import (
	"fmt"
	"strconv"
	"strings"

	"drystone/rsm"
)

// silentAfterMs is when a voter that ought to be heard counts as not answering. Voters that ask
// for votes, and a leader's followers, are heard several times a second.
const silentAfterMs = 2_000

// refusal says what in a node's view explains a code; "" when nothing does.
func refusal(code rsm.Code, s rsm.Status) string {
	switch code {
	case rsm.CodeNoLeader:
		if s.LeaderID == 0 {
			return leadership(s)
		}
		return "No answer came from the leader within the deadline. " + leadership(s)
	case rsm.CodeBootstrapping, rsm.CodeQuarantined:
		switch {
		case s.Reason == "":
		case s.Health == rsm.HealthNeedsUpgrade:
			return fmt.Sprintf("Node %d takes no part: %s", s.NodeID, stopped(s.Reason))
		default:
			return fmt.Sprintf("Node %d is %s: %s", s.NodeID, code, stopped(s.Reason))
		}
	case rsm.CodeDraining:
		return fmt.Sprintf("Node %d is shutting down; another node takes the request.", s.NodeID)
	case rsm.CodeOverload:
		return fmt.Sprintf("The requests that wait on node %d pass its --max-inflight-bytes. %s",
			s.NodeID, leadership(s))
	case rsm.CodeTooManySessions:
		return fmt.Sprintf("%d sessions are open, and the setting max_sessions allows no more. One "+
			"that is not used ends after %d ms of log time.", s.Sessions, s.Settings.SessionTTLMs)
	case rsm.CodeTableFull:
		return fmt.Sprintf("The cluster keeps %d replies, and another would pass max_requests_bytes "+
			"(%d). They go after %d ms of log time.", s.Requests, s.Settings.MaxRequestsBytes,
			s.Settings.RequestRetentionMs)
	}
	return ""
}

// leadership says who leads, how many voters answer, and what is wrong with this node's disk: then
// it has all of them, and yet decides nothing.
func leadership(s rsm.Status) string {
	text := leader(s)
	if s.Health == rsm.HealthDiskFull || s.Health == rsm.HealthDiskStalled {
		text += fmt.Sprintf(" On node %d, %s", s.NodeID, stopped(s.Reason))
	}
	return text
}

func leader(s rsm.Status) string {
	if s.LeaderID != 0 && s.LeaderID != s.NodeID {
		return fmt.Sprintf("Node %d follows %s, the leader of term %d; %s", s.NodeID,
			address(s, s.LeaderID), s.Term, voters(s))
	}
	if s.LeaderID == s.NodeID && s.LeaderID != 0 {
		return fmt.Sprintf("Node %d leads term %d; %s", s.NodeID, s.Term, voters(s))
	}
	return fmt.Sprintf("Node %d knows no leader (term %d); %s", s.NodeID, s.Term, voters(s))
}

// address names a node with the address clients use.
func address(s rsm.Status, id uint64) string {
	for _, m := range s.Members {
		if m.ID == id && m.HTTP != "" {
			return fmt.Sprintf("node %d (%s)", id, m.HTTP)
		}
	}
	return fmt.Sprintf("node %d", id)
}

// voters says how many voters this node hears, itself included, and how many it takes.
func voters(s rsm.Status) string {
	total, heard := 0, 0
	var silent []string
	for _, m := range s.Members {
		if !m.Voter {
			continue
		}
		total++
		if m.ID == s.NodeID || hears(s, m) {
			heard++
		} else {
			silent = append(silent, strconv.FormatUint(m.ID, 10))
		}
	}
	if total == 0 {
		return "it knows no voters."
	}
	needed := total/2 + 1
	text := fmt.Sprintf("%d of %d voters answer, itself included, and %d are needed", heard, total,
		needed)
	if s.LeaderID == 0 && heard >= needed && s.Health != rsm.HealthDiskStalled {
		text += ", so an election is due"
	}
	switch len(silent) {
	case 0:
		return text + "."
	case 1:
		return text + ": node " + silent[0] + " does not."
	}
	return text + ": nodes " + strings.Join(silent[:len(silent)-1], ", ") + " and " +
		silent[len(silent)-1] + " do not."
}

// hears says whether a member answers. A follower with a leader has no need to hear the others
// often: there the connection alone counts.
func hears(s rsm.Status, m rsm.MemberStatus) bool {
	if m.ContactMs == nil {
		return false
	}
	follows := s.LeaderID != 0 && s.LeaderID != s.NodeID && m.ID != s.LeaderID
	return follows || *m.ContactMs <= silentAfterMs
}

// stopped gives a reason its full stop.
func stopped(s string) string { return strings.TrimSuffix(s, ".") + "." }
