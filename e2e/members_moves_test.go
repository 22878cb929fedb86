package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"drystone/internal/proc"
)

// TestGrowReplaceShrink: from one node to five, every one of the five replaced, and back to three,
// the leader itself removed, under writes and reads through all who are members at the time. Only
// who asks a node on its way out may be refused.
func TestGrowReplaceShrink(t *testing.T) {
	m := newMoves(t, 1)
	defer m.x.halt()
	m.x.goesOn(200)
	for round := range *rounds {
		began := time.Now()
		for len(m.nodes) < 5 {
			m.grow()
		}
		m.replaceAll(round)
		// The leader goes, and is asked itself in every second round; then another.
		m.remove(m.leader(), round%2 == 0)
		m.remove(m.others(m.leader())[0], false)
		t.Logf("round %d: %d acknowledged so far, %v", round, m.x.acked.Load(),
			time.Since(began).Round(time.Millisecond))
	}
	m.finish()
}

// moves changes who the members are.
type moves struct {
	t     *testing.T
	c     *proc.Cluster
	x     *traffic
	nodes []*proc.Node // members, ascending
}

func (m *moves) leader() *proc.Node {
	m.t.Helper()
	return m.c.WaitLeader()
}

func (m *moves) others(n *proc.Node) (out []*proc.Node) {
	for _, o := range m.nodes {
		if o != n {
			out = append(out, o)
		}
	}
	return out
}

func sortNodes(nodes []*proc.Node) {
	slices.SortFunc(nodes, func(a, b *proc.Node) int { return int(a.ID) - int(b.ID) })
}

// settled waits until the members are those they should be, and the load goes on.
func (m *moves) settled() {
	m.t.Helper()
	var ids []uint64
	for _, n := range m.nodes {
		ids = append(ids, n.ID)
	}
	for _, n := range m.nodes {
		waitVoters(m.t, n.URL(), ids...)
	}
	m.x.goesOn(40)
}

func (m *moves) grow() {
	m.t.Helper()
	n := m.c.Join(m.nodes[0].Peer)
	n.WaitReady()
	m.x.add(n.URL()) // a learner takes requests as well
	m.nodes = append(m.nodes, n)
	m.settled()
	if !strings.Contains(n.Log(), "received a snapshot") {
		m.t.Errorf("node %d came without a snapshot", n.ID)
	}
}

// replaceAll replaces every member once: a leader that lives, a leader that was killed, and the
// others in turn.
func (m *moves) replaceAll(round int) {
	m.t.Helper()
	pending := slices.Clone(m.nodes)
	for i := range m.nodes {
		next := pending[0]
		if i < 2 {
			if next = m.leader(); !slices.Contains(pending, next) {
				next = pending[0]
				mustAdmin(m.t, "POST", next.URL()+"/v1/leader/transfer",
					fmt.Sprintf(`{"to":%d}`, next.ID))
			}
		}
		m.replace(next, i%2 == 1, (round+i)%4 == 0)
		pending = slices.DeleteFunc(pending, func(n *proc.Node) bool { return n == next })
	}
}

// replace gives a member an empty directory, which it asks to join with; killed before, or told
// while it lives, by itself or by another, and then from another address.
func (m *moves) replace(n *proc.Node, killed, itself bool) {
	m.t.Helper()
	var peers []string
	for _, o := range m.others(n) {
		peers = append(peers, fmt.Sprintf("%d=%s", o.ID, o.Peer))
	}
	m.x.leaves(n.URL(), killed)
	if killed {
		n.Kill()
	}
	ask := m.others(n)[0]
	if itself && !killed {
		ask = n
	}
	eventuallyAdmin(m.t, "POST", ask.URL()+fmt.Sprintf("/v1/members/%d/replace", n.ID))
	if !killed {
		n.WaitStatus("to know that it was removed", wasRemoved)
	}
	m.x.goesOn(40)
	m.x.leaves(n.URL(), true)
	m.x.drop(n.URL())
	if !killed {
		n.Kill()
	}
	n.Wipe()
	if !killed {
		n.Move() // as a node on another machine would be
	}
	n.Start("--join", "--cluster", strings.Join(peers, ","), "--peer", n.Peer)
	n.WaitReady()
	m.x.add(n.URL())
	m.settled()
}

// remove takes a member out for good, and asks it for that itself or another.
func (m *moves) remove(n *proc.Node, itself bool) {
	m.t.Helper()
	ask := m.others(n)[0]
	if itself {
		ask = n
	}
	m.x.leaves(n.URL(), false)
	eventuallyAdmin(m.t, "DELETE", ask.URL()+fmt.Sprintf("/v1/members/%d", n.ID))
	m.nodes = m.others(n)
	m.settled()
	n.WaitStatus("to know that it was removed", wasRemoved)
	m.x.leaves(n.URL(), true)
	m.x.drop(n.URL())
	n.Restart()
	n.WaitStatus("to know so after a restart", wasRemoved)
	n.Kill()
}
