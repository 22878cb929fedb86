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

	Scenario string // --scenario: one of Scenarios, or FILE.txt; "list" prints them

	Only    string // --only: classes of faults that may strike, none or all; "": as drawn
	Faults  string // --faults: the only ones that strike, like 3,7-9, or none
	Calm    string // --calm: what never happens by chance
	Clients int    // --clients

	Script   bool          // --script: a golden script of raft's instead of a report
	Shrink   time.Duration // a failing seed is shrunk for so long; 0: not at all
	Progress io.Writer     // a terminal that is told how far it is; nil: none
}

// ShrinkTime is how long a failing seed is shrunk, unless somebody says otherwise.
const ShrinkTime = 30 * time.Second

// shrinkTries bounds it too, so that small worlds do not go on for ever.
const shrinkTries = 2000

// options are those of a run.
func (c Command) options() (o Options, err error) {
	o = Options{Seed: c.Seed, Nodes: c.Nodes, Duration: c.Duration, MinOps: c.MinOps,
		Engine: c.Engine, Scenario: c.Scenario, Clients: c.Clients}
	if o.Only, err = parseNames("only", c.Only, classes()); err != nil {
		return o, err
	}
	if o.Calm, err = parseNames("calm", c.Calm, troubles); err != nil {
		return o, err
	}
	o.Faults, err = parseOrdinals(c.Faults)
	return o, err
}

// Run runs and prints, and says whether every property held in every run. The error is a mistake
// in the flags.
func (c Command) Run(out io.Writer) (ok bool, err error) {
	switch {
	case c.Nodes < 0 || c.Nodes > nodesMax:
		return false, fmt.Errorf("a cluster has 1 to %d nodes, or 0 for the seed to draw", nodesMax)
	case c.Duration < 0 || c.MinOps < 0 || c.Runs < 0 || c.For < 0 || c.Workers < 0 ||
		c.Clients < 0:
		return false, fmt.Errorf("a negative number makes no sense here")
	case c.Clients > clientsMax:
		return false, fmt.Errorf("there are at most %d clients", clientsMax)
	case c.Script && (c.Trace || c.Runs > 1 || c.For > 0):
		return false, fmt.Errorf("a script is of one seed, and no trace")
	case c.Trace && (c.Runs > 1 || c.For > 0):
		return false, fmt.Errorf("a trace is of one seed")
	case c.Scenario == "list":
		listScenarios(out)
		return true, nil
	case c.Scenario != "":
		if _, err := scenarioNamed(c.Scenario); err != nil {
			return false, err
		}
		if c.Nodes > 0 || c.Duration > 0 || c.Only+c.Faults+c.Calm != "" || c.Clients > 0 {
			return false, fmt.Errorf("a scenario says itself what there is and what goes wrong: " +
				"no --nodes, --time, --clients, --only, --faults or --calm")
		}
	}
	o, err := c.options()
	switch {
	case err != nil:
		return false, err
	case c.Script:
		text, r := Script(o)
		_, err := io.WriteString(out, text)
		return r.OK(), err
	case c.Runs <= 1 && c.For == 0:
		return c.one(o, out), nil
	}
	// Worlds leave much garbage and little behind: collect it less often.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	return c.many(o, out), nil
}

// one runs a single seed.
func (c Command) one(o Options, out io.Writer) bool {
	if c.Trace {
		o.Trace = out
	} else if c.Progress != nil {
		o.progress = func(now time.Duration) {
			fmt.Fprintf(c.Progress, "\r%s simulated ", now.Round(time.Second))
		}
	}
	r := Run(o)
	c.eraseProgress()
	printFailure(out, &r)
	if !c.Trace {
		c.shrink(&r, out)
	}
	fmt.Fprintln(out, &r)
	return r.OK()
}

const progressWidth = 60

func (c Command) eraseProgress() {
	if c.Progress != nil {
		fmt.Fprintf(c.Progress, "\r%*s\r", progressWidth, "")
	}
}

// shrink looks for a smaller run that fails in the same way, and prints how to repeat it.
func (c Command) shrink(r *Report, out io.Writer) {
	if r.OK() || c.Shrink == 0 || c.Scenario != "" {
		return
	}
	s := Shrink(*r, c.Shrink, shrinkTries, func(tries int, best *Report) {
		if c.Progress != nil {
			fmt.Fprintf(c.Progress, "\rshrinking: %d tries, %d of %d events ", tries, best.Steps, r.Steps)
		}
	})
	c.eraseProgress()
	if !s.Smaller() {
		fmt.Fprintf(out, "nothing can be left out of it (%d tries)\n", s.Tries)
	} else {
		fmt.Fprintf(out, "shrunk from %d to %d lines of trace and from %d to %d faults in %d tries\n",
			s.LinesBefore, s.LinesAfter, s.FaultsBefore, s.Report.Faults, s.Tries)
		printFailure(out, &s.Report)
	}
	fmt.Fprintf(out, "as a script: %s --script\n", strings.TrimSuffix(s.Report.Replay(), " --trace"))
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
			printFailure(out, r)
			fmt.Fprintln(out, r)
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			fmt.Fprintf(out, "%d runs, %d failed, %s\n", runs, failed,
				time.Since(began).Round(time.Second))
		}
		return (failed == 0 || c.KeepOn) && (c.For == 0 || time.Since(began) < c.For)
	})
	if len(s.Failed) > 0 {
		c.shrink(&s.Failed[0], out)
	}
	fmt.Fprint(out, s.String())
	return len(s.Failed) == 0
}

func printFailure(out io.Writer, r *Report) {
	if !r.OK() {
		fmt.Fprintf(out, "%s: %s\nreplay: %s\n", r.Property, r.Detail, r.Replay())
	}
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
