package sim

import (
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"drystone/replica"
)

// Command is the body of `drystone sim`.
type Command struct {
	Seed     uint64        // --seed: the first one
	Runs     int           // --seeds: that many seeds from there on; 0: one
	For      time.Duration // --for: seeds from there on until so much real time has passed; 0: --seeds
	Workers  int           // --workers: worlds at once; 0: one a processor
	Nodes    int           // --nodes: as Options
	Duration time.Duration // --time
	MinOps   int           // --ops
	Trace    bool          // --trace: every event of one seed
	KeepOn   bool          // --keep-going: do not stop at the first failing seed

	Engine replica.EngineKind // --engine

	Scenario string // --scenario: one of Scenarios; "list" prints them
}

// Run runs and prints, and says whether every property held in every run. The error is a mistake
// in the flags.
func (c Command) Run(out io.Writer) (ok bool, err error) {
	switch {
	case c.Nodes < 0 || c.Nodes > nodesMax:
		return false, fmt.Errorf("a cluster has 1 to %d nodes, or 0 for the seed to draw", nodesMax)
	case c.Duration < 0 || c.MinOps < 0 || c.Runs < 0 || c.For < 0 || c.Workers < 0:
		return false, fmt.Errorf("a negative number makes no sense here")
	case c.Trace && (c.Runs > 1 || c.For > 0):
		return false, fmt.Errorf("a trace is of one seed")
	case c.Scenario == "list":
		listScenarios(out)
		return true, nil
	case c.Scenario != "":
		if _, err := scenarioNamed(c.Scenario); err != nil {
			return false, err
		}
		if c.Nodes > 0 || c.Duration > 0 {
			return false, fmt.Errorf("a scenario says itself how many nodes there are, and when it ends")
		}
	}
	o := Options{Seed: c.Seed, Nodes: c.Nodes, Duration: c.Duration, MinOps: c.MinOps,
		Engine: c.Engine, Scenario: c.Scenario}
	if c.Runs <= 1 && c.For == 0 {
		if c.Trace {
			o.Trace = out
		}
		r := Run(o)
		printReport(out, &r)
		return r.OK(), nil
	}
	// Worlds leave much garbage and little behind: collect it less often.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	return c.many(o, out), nil
}

func (c Command) many(o Options, out io.Writer) bool {
	count := c.Runs
	if c.For > 0 && count <= 1 {
		count = 1 << 40
	}
	began, told := time.Now(), time.Now()
	runs, failed := 0, 0
	s := RunMany(o, c.Seed, count, c.Workers, func(r *Report) bool {
		runs++
		if !r.OK() {
			failed++
			printReport(out, r)
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			fmt.Fprintf(out, "%d runs, %d failed, %s\n", runs, failed,
				time.Since(began).Round(time.Second))
		}
		return (failed == 0 || c.KeepOn) && (c.For == 0 || time.Since(began) < c.For)
	})
	fmt.Fprint(out, s.String())
	return len(s.Failed) == 0
}

func printReport(out io.Writer, r *Report) {
	if !r.OK() {
		fmt.Fprintf(out, "%s: %s\nreplay: %s\n", r.Property, r.Detail, r.Replay())
	}
	fmt.Fprintln(out, r)
}

// String is what many runs did, in a few lines.
func (s *Summary) String() string {
	var b strings.Builder
	table := func(title string, names []string, times map[string]uint64) {
		fmt.Fprintf(&b, "%-20s %7s %9s\n", title, "seeds", "times")
		for _, name := range names {
			share := 100 * float64(s.Met[name]) / float64(max(1, s.Runs))
			fmt.Fprintf(&b, "  %-18s %6.1f%% %9d\n", name, share, times[name])
		}
	}
	table("faults", faultNames[:], s.Faults)
	table("reached", markNames[:], s.Reached)
	speed := 0.0
	if s.Took > 0 {
		speed = s.Simulated.Seconds() / s.Took.Seconds()
	}
	verdict := "ok"
	if len(s.Failed) > 0 {
		verdict = fmt.Sprintf("FAIL %d seeds", len(s.Failed))
	}
	fmt.Fprintf(&b, "runs=%d steps=%d simulated=%.1fh committed=%d acked=%d took=%s speed=%.0fx %s\n",
		s.Runs, s.Steps, s.Simulated.Hours(), s.Committed, s.Acked, s.Took.Round(time.Millisecond),
		speed, verdict)
	return b.String()
}
