package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"drystone/sim"
)

func newSimCommand(g *globals) *cobra.Command {
	var (
		o             sim.Options
		runs, workers int
		trace         bool
	)
	c := &cobra.Command{
		Use:   "sim",
		Short: "Run simulated clusters whose disks, networks and clocks fail",
		Long: `Run whole clusters in one process and in simulated time: the code that serve runs, on
disks, networks and clocks that fail in every way they know. A seed decides all that happens, so a
run that breaks a property can be repeated exactly.

Exit status 1 says that a property broke; the command that repeats the run is printed.`,
		Example: `  drystone sim                       ten runs with seeds that nobody has seen
  drystone sim --seed 1 --runs 1000
  drystone sim --seed 7 --trace      one run, with a line for every event`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			given := c.Flags().Changed
			if !given("seed") {
				o.Seed = rand.Uint64N(1 << 48)
			}
			if !given("runs") && (given("seed") || trace) {
				runs = 1
			}
			switch {
			case o.Nodes < 0 || o.Nodes > 7:
				return misused("--nodes %d: 1 to 7, or 0 to let the seed decide", o.Nodes)
			case runs < 1:
				return misused("--runs %d: at least 1", runs)
			case o.Duration < 0 || o.MinOps < 0 || workers < 0:
				return misused("--duration, --ops and --workers are not negative")
			case trace && runs > 1:
				return misused("--trace shows one run; leave --runs out")
			}
			if trace {
				return traceRun(c, o)
			}
			return manyRuns(c, g, o, runs, workers)
		},
	}
	f := c.Flags()
	f.Uint64Var(&o.Seed, "seed", 0, "first seed (default a new one each time)")
	f.IntVar(&runs, "runs", 10, "so many seeds, one after the other; 1 if --seed is given")
	f.IntVar(&o.Nodes, "nodes", 0, "size of the cluster (default the seed decides)")
	f.DurationVar(&o.Duration, "duration", time.Minute, "simulated time with faults")
	f.IntVar(&o.MinOps, "ops", 1000, "operations acknowledged in a run, at least")
	f.IntVar(&workers, "workers", 0, "runs at a time (default one for each processor)")
	f.BoolVar(&trace, "trace", false, "a line for every event, on standard output")
	return c
}

func traceRun(c *cobra.Command, o sim.Options) error {
	o.Trace = c.OutOrStdout()
	r := sim.Run(o)
	c.PrintErrln(r.String())
	if r.OK() {
		return nil
	}
	return failed("property %s broke: %s", r.Property, r.Detail)
}

func manyRuns(c *cobra.Command, g *globals, o sim.Options, runs, workers int) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	s := sim.RunMany(o, o.Seed, runs, workers, func(r *sim.Report) bool {
		if g.json {
			// A reader that has gone away shows at the end.
			_ = printJSON(c.OutOrStdout(), reportJSON(r))
		} else {
			fmt.Fprintln(c.OutOrStdout(), r.String())
		}
		return ctx.Err() == nil
	})
	if !g.json && s.Runs > 1 {
		printSummary(c.ErrOrStderr(), &s)
	}
	if len(s.Failed) == 0 {
		if s.Runs < runs {
			return failed("interrupted after %d of %d runs; none of them broke a property", s.Runs, runs)
		}
		return nil
	}
	first := s.Failed[0]
	f := failed("%d of %d runs broke a property; the first is %s: %s", len(s.Failed), s.Runs,
		first.Property, first.Detail)
	var again []string
	for _, r := range s.Failed[:min(len(s.Failed), 10)] {
		again = append(again, r.Replay())
	}
	return f.withNext("Each of these repeats one exactly:\n%s", strings.Join(again, "\n"))
}

func printSummary(w io.Writer, s *sim.Summary) {
	fmt.Fprintf(w, "%d runs, %v simulated in %v; %d entries committed, %d operations acknowledged\n",
		s.Runs, s.Simulated.Round(time.Second), s.Took.Round(time.Millisecond), s.Committed, s.Acked)
	for _, counts := range []struct {
		what string
		of   map[string]uint64
	}{{"faults", s.Faults}, {"reached", s.Reached}} {
		var words []string
		for name, n := range counts.of {
			words = append(words, fmt.Sprintf("%s %d", name, n))
		}
		slices.Sort(words)
		fmt.Fprintf(w, "%s: %s\n", counts.what, strings.Join(words, ", "))
	}
}

func reportJSON(r *sim.Report) any {
	return struct {
		Seed      uint64  `json:"seed"`
		Nodes     int     `json:"nodes"`
		Steps     uint64  `json:"steps"`
		Simulated float64 `json:"simulated_s"`
		Took      float64 `json:"took_s"`
		Committed uint64  `json:"committed"`
		Acked     int     `json:"acked"`
		Faults    uint64  `json:"faults"`
		Digest    string  `json:"digest"`
		OK        bool    `json:"ok"`
		Property  string  `json:"property,omitempty"`
		Detail    string  `json:"detail,omitempty"`
		Replay    string  `json:"replay"`
	}{
		r.Options.Seed, r.Nodes, r.Steps, r.Simulated.Seconds(), r.Took.Seconds(), r.Committed,
		r.Acked, r.Faults, fmt.Sprintf("%016x", r.Digest), r.OK(), r.Property, r.Detail, r.Replay(),
	}
}
