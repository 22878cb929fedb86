// Package e2e drives real processes over loopback, as users and their bad days do. The runs of
// `make test` are short; flags make them long:
//
//	go test ./e2e -run Chaos -chaos.runs 20
//	go test ./e2e -engine etcd
//	go test ./e2e -run GrowReplaceShrink -members.rounds 10 -v
//	go test ./e2e -run 'TestHandOver|TestFailover' -failovers 20 -v
//	go test ./e2e -run 'TestOnce$' -once.ops 2000 -once.kills 20 -once.late 60s -timeout 1h -v
//	go test ./e2e -run TestCurl -curl.kills 10 -v
//	go test ./e2e -run TestKeyless -keyless.pushes 10000 -keyless.kills 50 -v
//	go test ./e2e -run TestFreeze -freezes 500 -timeout 1h -v
//	go test ./e2e -run TestParted -parted.rounds 20 -v
//	go test ./e2e -run TestSessions -sessions.opened 10000 -sessions.max 100 -v
package e2e

import (
	"flag"
	"os"
	"testing"

	"drystone/internal/proc"
)

var (
	chaosRuns  = flag.Int("chaos.runs", 1, "runs of each TestChaos")
	chaosKills = flag.Int("chaos.kills", 4, "SIGKILLs of the leader in one run of TestChaos, at least")
	powerCuts  = flag.Int("power.cuts", 3, "times TestAllKilled kills all nodes together")
	failovers  = flag.Int("failovers", 3, "times TestHandOver stops the leader, TestFailover kills it")
	engine     = flag.String("engine", "", "the --engine of every node")
	rounds     = flag.Int("members.rounds", 1, "rounds of TestGrowReplaceShrink")
	quiet      = flag.Bool("quiet", false, "nothing else runs here: judge by default timeouts")
)

// electionTimeout is for tests that judge whether there was an election. One that neighbours on
// this machine cause by starving all nodes is none of theirs.
func electionTimeout() string {
	if *quiet {
		return "300ms"
	}
	return "1500ms"
}

func TestMain(m *testing.M) {
	flag.Parse()
	if *engine != "" {
		// As every flag of serve, it may come from the environment, which the processes inherit.
		os.Setenv("DRYSTONE_ENGINE", *engine)
	}
	os.Exit(proc.Main(m))
}
