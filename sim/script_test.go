package sim

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write the scripts that raft plays anew")

// TestScripts compares runs, turned into scripts, with those that raft plays: there, a test checks
// that the logs are those of the run. `make golden` writes both anew. What a seed means changes with
// whatever is drawn, so its script is kept as it once was.
func TestScripts(t *testing.T) {
	for name, o := range map[string]Options{
		"figure8":           {Seed: 1, Scenario: "figure8"},
		"unsynced_write":    {Seed: 1, Scenario: "unsynced-write"},
		"leader_dies_alone": {Seed: 1, Scenario: "leader-dies-alone"},
		"snapshot":          {Seed: 1, Scenario: "snapshot-over-divergent-tail"},
		"seed": {Seed: 19, Nodes: 3, Duration: 1200 * time.Millisecond, MinOps: 1, Clients: 1,
			Only: []string{"kill", "power"}, Calm: troubles},
	} {
		path := "../raft/testdata/simulated/" + name + ".txt"
		text, r := Script(o)
		if !r.OK() {
			t.Errorf("%s: %v", name, &r)
		}
		if again := Run(o); again.Digest != r.Digest {
			t.Errorf("%s: a run that is written down is another than one that is not", name)
		}
		if *rewrite {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if o.Scenario == "" {
			if !strings.Contains(text, "\npropose n") || !strings.Contains(text, "\nlog n") {
				t.Errorf("%s: nothing is proposed, or no logs are compared:\n%s", name, text)
			}
			continue
		}
		golden, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(string(golden), "----\n")
		if head+"----\n" != text {
			t.Errorf("%s is another run by now; `make golden` writes it anew:\n%s", path, text)
		}
	}
}

// TestScriptEnds: a script says why it ends before its run does.
func TestScriptEnds(t *testing.T) {
	for name, why := range map[string]string{
		"replaced-machine": "ends where the members change.",
		"bit-rot":          "ends where the members change.",
	} {
		text, _ := Script(Options{Seed: 1, Scenario: name})
		if !strings.Contains(text, why) {
			t.Errorf("%s: %q is missing in\n%s", name, why, text)
		}
	}
}
