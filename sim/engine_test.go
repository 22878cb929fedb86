package sim

import (
	"testing"
	"time"

	"drystone/etcdraft"
	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
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

// TestLeadershipMovesOnce: a follower that was asked to have leadership handed to anybody else may
// hear of the new leader before the old one's answer. It must not have that one hand over as well.
func TestLeadershipMovesOnce(t *testing.T) {
	for _, engine := range []replica.EngineKind{replica.Native, etcdEngine} {
		t.Run(engine.Name, func(t *testing.T) {
			w := scripted(3, 3)
			w.options.Engine = engine
			mustHold(t, w, "the run")
			lead := w.leader()
			for _, h := range w.hosts {
				if h == lead {
					continue
				}
				var told *rsm.AdminReply
				before := lead.seen.status.Hard.CurrentTerm
				h.administer(rsm.AdminRequest{Op: rsm.AdminTransfer}, 3000, func(r rsm.AdminReply) {
					told = &r
				})
				for end := w.now + 5*second; w.now < end; {
					e := w.agenda.pop()
					w.now = e.at
					w.handle(&e)
				}
				now := w.leader()
				if told == nil || told.Outcome != rsm.Applied || now == nil || now == lead {
					t.Fatalf("asked at n%d: told %+v", h.id, told)
				}
				if term := now.seen.status.Hard.CurrentTerm; term != before+1 {
					t.Errorf("asked at n%d: leadership moved %d times", h.id, term-before)
				}
				lead = now
			}
		})
	}
}
