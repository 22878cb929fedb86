package sim

import (
	"testing"
)

// TestScenarios plays every scenario, with several courses of what it leaves to chance.
func TestScenarios(t *testing.T) {
	seeds := uint64(6)
	if testing.Short() || raceEnabled {
		seeds = 2
	}
	for _, name := range Scenarios() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range seeds {
				r := Run(Options{Seed: seed + 1, Scenario: name})
				if !r.OK() {
					t.Errorf("%s: %s\nreplay: %s", r.Property, r.Detail, r.Replay())
				}
			}
		})
	}
}
