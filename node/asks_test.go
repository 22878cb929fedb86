package node

import (
	"testing"

	"drystone/rsm"
)

// TestAnswersAreOfThisBoot: what a leader answers to an earlier boot of a node reaches nobody who
// asked since.
func TestAnswersAreOfThisBoot(t *testing.T) {
	var before, now asks
	early, _ := before.add(7)
	_, answer := now.add(8)
	now.answer(early, rsm.AdminReply{Code: rsm.CodeMemberExists})
	select {
	case r := <-answer:
		t.Errorf("answered %+v, which was meant for another", r)
	default:
	}
	id, answer := now.add(8)
	now.answer(id, rsm.AdminReply{Outcome: rsm.Applied})
	if r := <-answer; r.Outcome != rsm.Applied {
		t.Errorf("answered %+v", r)
	}
}
