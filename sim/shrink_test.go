package sim

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"drystone/raft"
	"drystone/replica"
)

// forgetful is an engine with a bug: a core that starts again has lost the last entry of its log.
var forgetful = replica.EngineKind{
	Name: replica.Native.Name,
	New: func(c raft.Config, d raft.Restored) replica.Engine {
		if n := len(d.Entries); n > 3 {
			d.Entries = d.Entries[:n-1]
		}
		return raft.New(c, d)
	},
}

// failing are seeds that fail with the bug, and not at once: then there is little to leave out.
func failing(t *testing.T, count int) (all []Report) {
	t.Helper()
	for seed := uint64(1); len(all) < count; seed++ {
		if r := Run(Options{Seed: seed, Duration: 8 * time.Second, Engine: forgetful}); !r.OK() &&
			r.Faults >= 10 {
			all = append(all, r)
		}
		if seed > 100 {
			t.Fatal("the bug is hardly ever found")
		}
	}
	return all
}

// TestShrink: of failing seeds is left what the failure needs, and what is left breaks the same
// property once more.
func TestShrink(t *testing.T) {
	before, after, struck, left := 0, 0, 0, 0
	for _, failed := range failing(t, 4) {
		s := Shrink(failed, time.Minute, 60, nil)
		t.Logf("%v\n%s\n%d to %d lines in %d tries\n%v", &failed, s.Report.Replay(), s.LinesBefore,
			s.LinesAfter, s.Tries, &s.Report)
		if s.Report.Property != failed.Property {
			t.Errorf("%s became %s", failed.Property, s.Report.Property)
		}
		again := Run(s.Report.Options)
		if again.Property != failed.Property || again.Digest != s.Report.Digest {
			t.Errorf("replayed: %v", &again)
		}
		before, after = before+s.LinesBefore, after+s.LinesAfter
		struck, left = struck+int(failed.Faults), left+int(s.Report.Faults)
	}
	if after > before*2/3 || left > struck*2/3 {
		t.Errorf("%d of %d lines are left, %d of %d faults", after, before, left, struck)
	}
}

// TestShrinkStops: without time or tries nothing is tried.
func TestShrinkStops(t *testing.T) {
	failed := failing(t, 1)[0]
	for _, s := range []Shrunk{
		Shrink(failed, 0, 100, nil), Shrink(failed, time.Minute, 0, nil),
	} {
		if s.Tries != 0 || s.Smaller() || s.Report.Digest != failed.Digest {
			t.Errorf("%+v", s)
		}
	}
}

// TestFailingCommand: what the command line prints of a seed that fails, and that the short replay
// means what it says.
func TestFailingCommand(t *testing.T) {
	var out, progress bytes.Buffer
	failed := failing(t, 1)[0].Options
	c := Command{
		Seed: failed.Seed, Duration: failed.Duration, Engine: forgetful,
		Shrink: time.Minute, Progress: &progress,
	}
	ok, err := c.Run(&out)
	if ok || err != nil {
		t.Fatalf("%v %v", ok, err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := lines[len(lines)-1]
	begins := fmt.Sprintf("seed=%d ", failed.Seed)
	if !strings.HasPrefix(last, begins) || !strings.Contains(last, " FAIL ") {
		t.Errorf("last line %q", last)
	}
	if !strings.Contains(progress.String(), "shrinking: ") {
		t.Errorf("progress %q", progress.String())
	}
	i := slices.IndexFunc(lines, func(s string) bool { return strings.HasPrefix(s, "shrunk from ") })
	if i < 0 {
		t.Fatalf("not shrunk:\n%s", out.String())
	}
	short := Command{Engine: forgetful}
	var replay []string
	for _, line := range lines[i:] {
		if words, ok := strings.CutPrefix(line, "replay: drystone sim "); ok {
			replay = strings.Fields(words)
		}
	}
	for k := 0; k+1 < len(replay); k += 2 {
		if err := short.set(replay[k], replay[k+1]); err != nil {
			t.Fatal(err)
		}
	}
	var again bytes.Buffer
	if ok, err := short.Run(&again); ok || err != nil {
		t.Errorf("%v %v\n%s", ok, err, again.String())
	}
	_, property, _ := strings.Cut(last, " FAIL ")
	if !strings.Contains(again.String(), " FAIL "+property) {
		t.Errorf("the replay %v does not break %s:\n%s", replay, property, again.String())
	}
	script := fmt.Sprintf("as a script: drystone sim --seed %d ", failed.Seed)
	if !strings.Contains(out.String(), script) {
		t.Errorf("no script in\n%s", out.String())
	}
}

// set reads a flag as the command line does.
func (c *Command) set(flag, value string) (err error) {
	numbers, errN := parseOrdinals(value)
	switch flag {
	case "--seed":
		c.Seed, err = uint64(numbers[0]), errN
	case "--clients":
		c.Clients, err = numbers[0], errN
	case "--ops":
		c.MinOps, err = numbers[0], errN
	case "--time":
		c.Duration, err = time.ParseDuration(value)
	case "--only":
		c.Only = value
	case "--faults":
		c.Faults = value
	case "--calm":
		c.Calm = value
	}
	return err
}

// TestLess: the words of the flags read back, and mistakes are told.
func TestLess(t *testing.T) {
	for _, c := range []Command{
		{Only: "kill,churn", Faults: "1-3,7", Calm: "loss", Clients: 2},
		{Only: "none", Faults: "none", Calm: "all"},
		{},
	} {
		o, err := c.options()
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		for _, f := range [][2]string{{"--only", c.Only}, {"--faults", c.Faults}, {"--calm", c.Calm}} {
			if f[1] != "" {
				want += " " + f[0] + " " + f[1]
			}
		}
		if c.Clients > 0 {
			want += " --clients 2"
		}
		if got := o.lessWords(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, bad := range []Command{{Only: "kil"}, {Faults: "0"}, {Faults: "3-2"}, {Faults: "x"},
		{Calm: "wind"}, {Clients: -1}, {Clients: clientsMax + 1}, {Script: true, Trace: true},
		{Scenario: "figure9"}, {Scenario: "figure8", Nodes: 3}, {Scenario: "figure8", Only: "kill"}} {
		var out bytes.Buffer
		if _, err := bad.Run(&out); err == nil || out.Len() > 0 {
			t.Errorf("%+v is accepted, or prints %q", bad, out.String())
		}
	}
}

// TestNothingLeft: a run without faults, network troubles or operators is one.
func TestNothingLeft(t *testing.T) {
	r := Run(Options{Seed: 4, Duration: 5 * time.Second, MinOps: 50, Only: []string{}})
	if !r.OK() || r.Faults > 0 {
		t.Errorf("%v: %d faults, %d struck", &r, r.Faults, r.struck)
	}
	full := Run(Options{Seed: 4, Duration: 5 * time.Second, MinOps: 50})
	if full.struck == 0 {
		t.Error("nothing struck in a run with faults")
	}
	half := Run(Options{Seed: 4, Duration: 5 * time.Second, MinOps: 50, Faults: []int{1}})
	if half.Faults > 1 {
		t.Errorf("%d faults where one was wanted", half.Faults)
	}
}

// TestProgress: a long run says now and then how far it is.
func TestProgress(t *testing.T) {
	var seen []time.Duration
	o := Options{Seed: 4, Duration: 10 * time.Second, MinOps: 50}
	plain := Run(o)
	o.progress = func(now time.Duration) { seen = append(seen, now) }
	r := Run(o)
	if len(seen) < 2 || !slices.IsSorted(seen) || seen[len(seen)-1] > r.Simulated {
		t.Errorf("told %v of %v", seen, r.Simulated)
	}
	if r.Digest != plain.Digest {
		t.Error("who looks on changes the run")
	}
}
