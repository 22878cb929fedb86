package members

import (
	"fmt"

	"drystone/rsm"
)

// Refusal is why a change is not made, for people.
type Refusal struct {
	Code    rsm.Code
	Detail  string
	Outcome rsm.Outcome

	// Passing: it may be otherwise in a moment, so who asked waits for that as long as it does.
	Passing bool
}

// Refuse is a refusal of what was not begun.
func Refuse(code rsm.Code, format string, args ...any) *Refusal {
	return refusal(code, rsm.NotApplied, fmt.Sprintf(format, args...))
}

func refusal(code rsm.Code, outcome rsm.Outcome, detail string) *Refusal {
	return &Refusal{Code: code, Detail: detail, Outcome: outcome}
}

// NotLeader sends a request on to whoever leads by now.
var NotLeader = Refuse(rsm.CodeNoLeader, "the node asked does not lead any more")

// Reply is the refusal as an answer.
func (r *Refusal) Reply() rsm.AdminReply {
	return rsm.AdminReply{Code: r.Code, Detail: r.Detail, Outcome: r.Outcome}
}
