package raft

import (
	"fmt"
	"testing"
)

func TestRandomHistories(t *testing.T) {
	histories, steps := 120, 10000
	if testing.Short() {
		histories = 15
	}
	total := map[string]int{}
	for _, n := range []int{1, 2, 3, 5} {
		for seed := range uint64(histories) {
			s := newSim(t, seed*16+uint64(n), n, Members{Voters: firstIDs(n)})
			for range steps {
				s.step()
			}
			s.heal()
			s.stats["granted"], s.stats["applied"] = s.granted, int(s.highest)
			s.stats["terms"] = len(s.leaders)
			for k, v := range s.stats {
				total[fmt.Sprint(n, " ", k)] += v
			}
		}
	}
	t.Log(total)
}

func TestRandomReconfigurations(t *testing.T) {
	histories, steps := 200, 10000
	if testing.Short() {
		histories = 15
	}
	total := map[string]int{}
	for seed := range uint64(histories) {
		s := newSim(t, seed, 5, Members{Voters: firstIDs(3)})
		for range steps {
			s.step()
		}
		s.heal()
		for k, v := range s.stats {
			total[k] += v
		}
	}
	t.Log(total)
}

func firstIDs(n int) []NodeID {
	var ids []NodeID
	for i := range n {
		ids = append(ids, NodeID(i+1))
	}
	return ids
}
