package sim

import (
	"testing"
	"time"

	"drystone/etcdraft"
	"drystone/raft"
	"drystone/replica"
)

// etcdEngine is the other engine: the same worlds, the same checks.
var etcdEngine = replica.EngineKind{
	Name: etcdraft.Name,
	New:  func(c raft.Config, d raft.Restored) replica.Engine { return etcdraft.New(c, d) },
}

// TestOtherEngine runs worlds on it, one of them twice. The long runs are the command's.
func TestOtherEngine(t *testing.T) {
	o := Options{Engine: etcdEngine, Duration: 10 * time.Second, MinOps: 200}
	count := 8
	if testing.Short() || raceEnabled {
		count = 3
	}
	s := seedsOK(t, o, 1, count)
	if s.Committed == 0 || s.Reached["restored"] == 0 {
		t.Errorf("nothing happened: %s", s.String())
	}
	o.Seed = 3
	a, b := Run(o), Run(o)
	if a.Digest != b.Digest || a.Steps != b.Steps {
		t.Errorf("equal seeds, and digests %x and %x", a.Digest, b.Digest)
	}
	if want := "drystone sim --seed 3 --engine etcd --time 10s --ops 200 --trace"; a.Replay() != want {
		t.Errorf("replay is %q, want %q", a.Replay(), want)
	}
}
