package sim

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"

	"drystone/raft"
)

// TestScenarios plays every scenario, with several courses of what it leaves to chance.
func TestScenarios(t *testing.T) {
	seeds := uint64(8)
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

// TestScenarioNoticesWrongStories: a claim that is not true breaks the property of its line.
func TestScenarioNoticesWrongStories(t *testing.T) {
	for steps, why := range map[string]string{
		"expect no leader":                           `line 2, "expect no leader": n`,
		"wait n4 voter within 1s":                    "among 3 nodes",
		"kill leader\nkill n1,n2,n3":                 "is down already",
		"start n1":                                   "is up; kill it first",
		"wipe n1":                                    "is up; kill it first",
		"isolate leader\nexpect calm for 5s":         "leaders were elected meanwhile",
		"push a via leader as p\nexpect p applied":   "p is unanswered (`expect` looks at once",
		"push a via n1 keyed as p\nagain p via n2":   "p has no answer yet",
		"push a via n1 as p\nwait p shows b for 1s":  `"for 1s" is too much`,
		"wait reached torn within 20ms":              "that has not been",
		"wait n1, n2, n3 down within 20ms":           "n1 is not down",
		"expect n1 saving":                           "n1 is not saving",
		"push a via leader as p\nwait p unknown":     "p is applied",
		"push a via leader as p\nwait p lost":        "p took effect at entry",
		"kill n1\npush a via n1 as p":                "n1 takes no requests",
		"pop via leader as p\nwait p shows x":        "p shows nothing",
		"read via leader as r\nwait r shows x":       "r shows nothing",
		"push a via n1 as p\nagain p via n1":         "p has no key",
		"let a, b, c = followers":                    "followers means 2 nodes; 3 are wanted",
		"kill all\nkill leader":                      "there is no leader now",
		"remove all":                                 "all means 3 nodes; one is wanted",
		"expect n1 down":                             "n1 is not down",
		"expect reached torn":                        "that has not been",
		"kill n1\nrot n1\nstart n1\nexpect n1 up":    "n1 is not up",
		"push a via n1 as p\nexpect p written by n1": "the disk of n1 does not have p",
	} {
		s, err := parseScenario("wrong", "# A wrong one.\n"+steps)
		if err != nil {
			if !strings.Contains(err.Error(), why) {
				t.Errorf("%q: %v", steps, err)
			}
			continue
		}
		o := Options{Seed: 1, Scenario: "wrong"}.withDefaults()
		r := newStoryWorld(o, s).report()
		if r.Property != brokenScenario || !strings.Contains(r.Detail, why) {
			t.Errorf("%q: %s: %s", steps, r.Property, r.Detail)
		}
	}
}

// TestScenarioErrors: what is wrong with a line is said in words, with its place.
func TestScenarioErrors(t *testing.T) {
	for text, why := range map[string]string{
		"":                                      "it begins with a comment",
		"# Nothing.":                            "nothing happens in it",
		"kill n1":                               "it begins with a comment",
		"# a\nnodes 9\nkill n1":                 `x.txt:2: nodes 9: "9" is not a number from 1 to 7`,
		"# a\nnodes\nkill n1":                   "a number is missing",
		"# a\nkill n1\nnodes 3":                 "settings stand before the first step",
		"# a\nkill n4":                          "there is no n4 among 3 nodes",
		"# a\nadd n5":                           "the next new node is n4",
		"# a\nnodes 7\nadd n8":                  "at most 7 nodes",
		"# a\nkill bob":                         `nobody is called "bob"`,
		"# a\nkill":                             "a node, like n1, or leader, is missing",
		"# a\nkill n1 n2":                       `"n2" is too much`,
		"# a\nfly n1":                           `no step "fly"; steps begin with add, again, cut`,
		"# a\nat soon kill n1":                  `"soon" is not a time`,
		"# a\nat 2s":                            "a step is missing",
		"# a\nwait 2h":                          `"2h" is not a time`,
		"# a\nwait n1 happy":                    `a node is not "happy"; it is one of candidate, damaged`,
		"# a\nwait p applied":                   "nor is a request called so yet",
		"# a\nkill n1, n4":                      "there is no n4",
		"# a\nkill n1,":                         "what follows the comma is missing",
		"# a\nwait 2 s":                         `"2" is not a time`,
		"# a\nwait 2s within 5s":                `"within 5s" is too much`,
		"# a\nwait reached torn soon":           "there is no such state",
		"# a\nsnapshots 4\nkill n1":             "snapshot, trailing",
		"# a\nlet a = n1\npush v via a as a":    "the name of something else",
		"# a\npush a via n1":                    `"as" is missing`,
		"# a\npush a via n1 as leader":          `"leader" cannot be a name: small letters`,
		"# a\npush a via n1 as p\nwait p done":  `a request is not "done"`,
		"# a\npush a via n1 as p\nwait p shows": "say what it shows",
		"# a\ncut n1 to n2":                     `"to" is neither -> nor <->`,
		"# a\nsplit n1 n2":                      `"|" is missing`,
		"# a\nwait reached heaven":              "there is no such state",
		"# a\nlet n1 = leader":                  `"n1" cannot be a name`,
		"# a\nstall n1 30s":                     `"for" is missing`,
		"# a\ntear n1 0":                        `"0" is not a number`,
	} {
		if _, err := parseScenario("x", text); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", text, err, why)
		}
	}
}

// TestScenarioList: each is listed with what it is about.
func TestScenarioList(t *testing.T) {
	var out bytes.Buffer
	if ok, err := (Command{Scenario: "list"}).Run(&out); !ok || err != nil {
		t.Fatal(ok, err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(Scenarios()) || len(lines) < 15 {
		t.Errorf("%d lines for %d scenarios", len(lines), len(Scenarios()))
	}
	for i, name := range Scenarios() {
		if !strings.HasPrefix(lines[i], name+" ") || len(strings.Fields(lines[i])) < 5 {
			t.Errorf("%s is listed as %q", name, lines[i])
		}
	}
	out.Reset()
	ok, err := Command{Scenario: "chain", Runs: 3, Seed: 5}.Run(&out)
	if !ok || err != nil || !strings.Contains(out.String(), "runs=3 ") {
		t.Errorf("%v %v\n%s", ok, err, out.String())
	}
	r := Report{Options: Options{Seed: 5, Scenario: "chain"}.withDefaults()}
	if got, want := r.Replay(), "drystone sim --seed 5 --scenario chain --trace"; got != want {
		t.Errorf("replay %q, want %q", got, want)
	}
}

// TestScenarioMoments: a step comes in the event for which it waits, and a time is kept.
func TestScenarioMoments(t *testing.T) {
	s, err := parseScenario("moments", `# Moments.
let old = leader
push a via old as p
wait p written by old
at 2s kill old
wait leader not old`)
	if err != nil {
		t.Fatal(err)
	}
	w := newStoryWorld(Options{Seed: 3, Scenario: s.name}.withDefaults(), s)
	s.steps[2].run = wrap(s.steps[2].run, func(x *story) {
		old, p := x.cast["old"], x.ops["p"]
		if d := &old.record.durable; !x.written(old, p) || d.last() != raft.Index(w.truth.index)+1 {
			t.Errorf("written up to %d, committed up to %d", d.last(), w.truth.index)
		}
	})
	s.steps[3].run = wrap(s.steps[3].run, func(x *story) {
		if late := w.now - x.began - 2*second; late < 0 || late > storyBeat {
			t.Errorf("%d µs late", late)
		}
	})
	mustHold(t, w, "moments")
}

func wrap(run func(*story) bool, then func(*story)) func(*story) bool {
	return func(s *story) bool {
		end := run(s)
		if end {
			then(s)
		}
		return end
	}
}

// FuzzScenario: no text does more than be refused or read.
func FuzzScenario(f *testing.F) {
	names, err := fs.Glob(scenarioFiles, scenarioDir+"/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		text, err := scenarioFiles.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseScenario("fuzz", text)
		if (s == nil) == (err == nil) {
			t.Fatalf("%v, %v", s, err)
		}
		if err == nil && (len(s.steps) == 0 || s.plan.nodes < 1 || s.plan.nodes > nodesMax) {
			t.Errorf("%d nodes, %d steps", s.plan.nodes, len(s.steps))
		}
	})
}
