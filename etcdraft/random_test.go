package etcdraft

import (
	"fmt"
	"testing"

	"drystone/raft"
)

// What happens in a random history.

// An action is one thing that may happen to a node that is up.
type action struct {
	weight int // of a thousand or so; the seed doubles, halves or forgets the faults'
	fault  bool
	do     func(s *sim, n *simNode)
}

var actions = []action{
	{60, false, func(s *sim, n *simNode) { s.do(n, n.engine.Tick) }},
	{500, false, func(s *sim, _ *simNode) {
		if len(s.net) > 0 {
			s.deliver(s.rng.IntN(len(s.net)))
		}
	}},
	{150, false, func(s *sim, n *simNode) {
		if len(n.writes) > 0 {
			s.write(n, true)
		}
	}},
	{100, false, func(s *sim, n *simNode) { s.persisted(n) }},
	{70, false, func(s *sim, n *simNode) { s.machine(n) }},
	{50, false, func(s *sim, n *simNode) { s.propose(n) }},
	{20, false, func(s *sim, n *simNode) { s.read(n) }},
	{20, true, func(s *sim, n *simNode) { s.compact(n) }},
	{20, false, func(s *sim, _ *simNode) { s.shipOne(s.rng.IntN(3) > 0) }},
	{1, true, func(s *sim, n *simNode) { s.do(n, func() { n.engine.Unreachable(s.any()) }) }},
	{3, true, func(s *sim, n *simNode) { s.do(n, func() { _ = n.engine.Transfer(s.any()) }) }},
	{2, true, func(s *sim, n *simNode) { s.crash(n) }},
	{2, true, func(s *sim, _ *simNode) { s.cut[[2]raft.NodeID{s.any(), s.any()}] = true }},
	{1, true, func(s *sim, n *simNode) { s.isolate(n) }},
	{10, false, func(s *sim, _ *simNode) { clear(s.cut) }},
	{15, true, func(s *sim, n *simNode) { s.reconfigure(n) }},
	{1, true, func(s *sim, _ *simNode) { s.crashAll() }},
	{15, false, func(s *sim, n *simNode) { s.protect(func() { s.drain(n) }) }},
}

func (s *sim) drawWeights() {
	for _, a := range actions {
		w := a.weight * (3 + s.rng.IntN(6))
		if a.fault {
			w = a.weight * s.rng.IntN(20)
		}
		s.weights = append(s.weights, w)
		s.weight += w
	}
}

// step draws one event.
func (s *sim) step() {
	n := s.nodes[s.rng.IntN(len(s.nodes))]
	if n.engine == nil {
		if s.rng.IntN(10) == 0 {
			s.note("n%d starts", n.id)
			s.protect(func() { s.boot(n) })
		}
		return
	}
	k := s.rng.IntN(s.weight)
	for i, w := range s.weights {
		if k -= w; k < 0 {
			actions[i].do(s, n)
			return
		}
	}
}

func (s *sim) isolate(n *simNode) {
	for _, m := range s.nodes {
		s.cut[[2]raft.NodeID{n.id, m.id}], s.cut[[2]raft.NodeID{m.id, n.id}] = true, true
	}
}

func (s *sim) crashAll() {
	for _, n := range s.up() {
		s.crash(n)
	}
}

func (s *sim) any() raft.NodeID { return raft.NodeID(1 + s.rng.IntN(len(s.nodes))) }

func (s *sim) reconfigure(n *simNode) {
	if len(s.first.Voters) == len(s.nodes) {
		return // a cluster of fixed members
	}
	to := raft.Members{Directory: fmt.Appendf(nil, "directory %d", s.next)}
	for _, m := range s.nodes {
		switch s.rng.IntN(3) {
		case 0, 1:
			to.Voters = append(to.Voters, m.id)
		default:
			if s.rng.IntN(2) == 0 {
				to.Learners = append(to.Learners, m.id)
			}
		}
	}
	s.do(n, func() {
		if n.engine.Reconfigure(to) == nil {
			s.stats["reconfigure"]++
		}
	})
}

// heal lets everything work, and expects a leader and agreement.
func (s *sim) heal() {
	s.lossy = false
	clear(s.cut)
	s.ships = nil
	for _, n := range s.nodes {
		if n.engine == nil {
			s.boot(n)
		}
		// A host that lost its network tells the engine of every transfer that failed.
		for _, p := range n.engine.Status().Progress {
			s.do(n, func() { n.engine.Shipped(p.ID, raft.SnapshotMeta{}, false) })
		}
	}
	s.run(400)
	lead := s.leader()
	if lead == nil {
		s.fail("no leader after healing:%s", s.describe())
	}
	members := lead.engine.Status().Members
	if !members.IsVoter(lead.id) {
		s.fail("n%d still leads, and is no member:%s", lead.id, s.describe())
	}
	last := s.highest
	s.propose(lead)
	s.run(100)
	if s.highest <= last {
		s.fail("nothing commits after healing:%s", s.describe())
	}
	for _, id := range members.All() {
		if n := s.node(id); n.applied != s.highest {
			s.fail("n%d applied %d of %d after healing:%s", n.id, n.applied, s.highest, s.describe())
		}
	}
	if lead.engine.Status().Members.Joint() {
		s.fail("still joint after healing:%s", s.describe())
	}
}

// run lets time pass for nodes whose work is done at once.
func (s *sim) run(ticks int) {
	for range ticks {
		for _, n := range s.up() {
			s.do(n, n.engine.Tick)
		}
		s.settle()
	}
}

func (s *sim) settle() {
	for busy := true; busy; {
		busy = false
		for _, n := range s.up() {
			s.protect(func() { s.drain(n) })
			for len(n.writes) > 0 && !n.hangs {
				s.write(n, true)
				busy = true
			}
			for len(n.acks) > 0 {
				s.persisted(n)
				busy = true
			}
			for len(n.given) > 0 && n.restore == 0 {
				s.machine(n)
				busy = true
			}
			s.protect(func() { s.drain(n) })
		}
		for len(s.net) > 0 {
			s.deliver(0)
			busy = true
		}
		for len(s.ships) > 0 {
			s.shipOne(true)
			busy = true
		}
	}
}

func (s *sim) leader() *simNode {
	for _, n := range s.up() {
		if st := n.engine.Status(); st.Role == raft.Leader && st.CommittedTerm {
			return n
		}
	}
	return nil
}

func (s *sim) describe() (text string) {
	for _, n := range s.nodes {
		st := n.engine.Status()
		text += fmt.Sprintf("\n%v members=%v", st, st.Members)
	}
	return text
}

// TestRandomHistories runs every engine, and a cluster of both, through histories drawn from
// seeds. The native one is there to show that the checks are right.
func TestRandomHistories(t *testing.T) {
	seeds := uint64(10)
	few := testing.Short() || raceEnabled
	if few {
		seeds = 2
	}
	voters := func(ids ...raft.NodeID) raft.Members { return raft.Members{Voters: ids} }
	for _, c := range []struct {
		name    string
		nodes   int
		members raft.Members
	}{
		{"one", 1, voters(1)}, {"three", 3, voters(1, 2, 3)}, {"five", 5, voters(1, 2, 3, 4, 5)},
		{"members", 5, voters(1, 2, 3)},
		{"few", 4, raft.Members{Voters: []raft.NodeID{1, 2}, Learners: []raft.NodeID{3}}},
	} {
		for _, engine := range []string{"etcd", "mixed", "native"} {
			t.Run(c.name+"/"+engine, func(t *testing.T) {
				stats := map[string]int{}
				for seed := range seeds {
					s := newSim(t, engine, seed, c.nodes, c.members)
					for range 10_000 {
						s.step()
					}
					s.heal()
					for k, v := range s.stats {
						stats[k] += v
					}
					stats["applied"] += int(s.highest)
					stats["granted"] += s.granted
				}
				if few {
					return // not everything happens
				}
				if stats["applied"] == 0 || stats["granted"] == 0 || stats["compact"] == 0 ||
					c.nodes > 1 && stats["install"] == 0 ||
					len(c.members.Voters) != c.nodes && stats["reconfigure"] == 0 {
					t.Errorf("something never happened: %v", stats)
				}
			})
		}
	}
}

// TestSameSeedSameHistory: an engine draws on nothing but its seed.
func TestSameSeedSameHistory(t *testing.T) {
	history := func(seed uint64) uint64 {
		s := newSim(t, "etcd", seed, 5, raft.Members{Voters: []raft.NodeID{1, 2, 3}})
		for range 5000 {
			s.step()
		}
		return s.hash
	}
	seen := map[uint64]bool{}
	for seed := range uint64(5) {
		a, b := history(seed), history(seed)
		if a != b {
			t.Errorf("seed %d: %x, then %x", seed, a, b)
		}
		seen[a] = true
	}
	if len(seen) != 5 {
		t.Errorf("5 seeds made %d histories", len(seen))
	}
}
