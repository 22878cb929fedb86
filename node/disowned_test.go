package node

import (
	"strings"
	"testing"

	"drystone/raft"
	"drystone/rsm"
	"drystone/wire"
)

// TestOnePeerDisowns: that this node was removed is believed for ever, so one peer is not enough to
// believe; nor are two at different times, if the first has taken it back.
func TestOnePeerDisowns(t *testing.T) {
	c := newCluster(t, 3)
	c.start(1, 2, 3)
	c.leader()
	n := c.nodes[1]
	disown := func(by raft.NodeID) {
		n.Refused(by, wire.HelloReply{Code: wire.HelloRemoved, Detail: "node 1 was removed"})
	}
	disown(2)
	c.stop(2)
	c.start(2)
	eventually(t, "node 2 is met again", func() bool { return n.contacts.get(2).connected })
	disown(3)
	if s := n.status(); s.Health == rsm.HealthQuarantined {
		t.Fatalf("one peer's word counts: %s", s.Reason)
	}
	do(t, n, "a")
	disown(2)
	if s := n.status(); s.Health != rsm.HealthQuarantined || !strings.Contains(s.Reason, "removed") {
		t.Errorf("most peers' word does not count: %s: %s", s.Health, s.Reason)
	}
	if r, _ := n.Do(t.Context(), request("b")); r.Code != rsm.CodeQuarantined {
		t.Errorf("a removed node answers %+v", r)
	}
}
