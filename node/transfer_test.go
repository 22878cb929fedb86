package node

import (
	"testing"
	"time"

	"drystone/rsm"
)

// TestLeadershipMovesOnce: a follower that was asked to have leadership handed to anybody else may
// hear of the new leader before the old one's answer. It must not have that one hand over as well.
func TestLeadershipMovesOnce(t *testing.T) {
	c := newCluster(t, 3)
	for id, config := range c.configs {
		config.Election = 5 * time.Second // nobody stands but who is told to
		c.configs[id] = config
	}
	c.start(1, 2, 3)
	for range 10 {
		lead, asked := c.leader(), c.follower()
		before := c.nodes[lead].status().Term
		r := c.nodes[asked].Administer(t.Context(), rsm.AdminRequest{Op: rsm.AdminTransfer})
		if r.Outcome != rsm.Applied {
			t.Fatalf("asked at node %d: %+v", asked, r)
		}
		if c.leader() == lead || r.Term != before+1 {
			t.Fatalf("asked at node %d in term %d to have node %d hand over; node %d leads in %d",
				asked, before, lead, c.leader(), r.Term)
		}
	}
}
