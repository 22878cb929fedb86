package raft

import (
	"fmt"
	"testing"
)

func TestRandomHistories(t *testing.T) {
	histories, steps := sized(120), 10000
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
	histories, steps := sized(200), 10000
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

// sized cuts the number of histories when each is slow, or when time is short.
func sized(histories int) int {
	if deepChecks || testing.Short() {
		return histories / 8
	}
	return histories
}
