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
}

// Refuse is a refusal of what was not begun.
func Refuse(code rsm.Code, format string, args ...any) *Refusal {
	return &Refusal{code, fmt.Sprintf(format, args...), rsm.NotApplied}
}

// NotLeader sends a request on to whoever leads by now.
var NotLeader = Refuse(rsm.CodeNoLeader, "the node asked does not lead any more")

// Reply is the refusal as an answer.
func (r *Refusal) Reply() rsm.AdminReply {
	return rsm.AdminReply{Code: r.Code, Detail: r.Detail, Outcome: r.Outcome}
}
