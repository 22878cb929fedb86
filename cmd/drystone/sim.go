package main

import (
	"github.com/spf13/cobra"

	"drystone/sim"
)

func newSimCommand() *cobra.Command {
	var run sim.Command
	var engine string
	var noShrink bool
	c := &cobra.Command{
		Use:   "sim",
		Short: "Run simulated clusters whose disks, networks and clocks fail",
		Long: `Run whole clusters in one process and in simulated time: the code that serve runs, on
disks, networks and clocks that fail in every way they know. A seed decides all that happens, so a
run that breaks a property can be repeated exactly.

A run that broke a property is printed with the command that repeats it, and then shrunk: whatever
can be left out of it is, as long as the same property breaks. Exit status 1 says that one broke.`,
		Example: `  drystone sim --seeds 1000          a thousand clusters, from seed 1 on
  drystone sim --seed 7 --trace      one cluster, with a line for every event
  drystone sim --scenario figure8    a story instead of chance; list prints them all`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("seeds") && run.Runs < 1 {
				return misused("--seeds %d: at least 1", run.Runs)
			}
			var err error
			if run.Engine, err = engineNamed(engine); err != nil {
				return err
			}
			if !noShrink {
				run.Shrink = sim.ShrinkTime
			}
			if w := c.ErrOrStderr(); isTerminal(w) {
				run.Progress = w
			}
			ok, err := run.Run(c.OutOrStdout())
			if err != nil {
				return misused("%v", err)
			}
			if !ok {
				return failed("a property broke, as told above with the command that repeats it")
			}
			return nil
		},
	}
	f := c.Flags()
	f.Uint64Var(&run.Seed, "seed", 1, "the first seed")
	f.IntVar(&run.Runs, "seeds", 1, "so many seeds, one after the other")
	f.DurationVar(&run.For, "for", 0, "seeds until so much real time has passed (default --seeds)")
	f.StringVar(&engine, "engine", engines[0].Name, "which Raft, "+engineWords())
	f.IntVar(&run.Nodes, "nodes", 0, "size of the cluster, 1 to 7 (default the seed decides)")
	f.DurationVar(&run.Duration, "time", 0, "simulated time with faults (default 1m0s)")
	f.IntVar(&run.MinOps, "ops", 0, "operations acknowledged in a run, at least (default 1000)")
	f.IntVar(&run.Workers, "workers", 0, "runs at a time (default one for each processor)")
	f.StringVar(&run.Scenario, "scenario", "",
		"a story instead of chance: its name, or your FILE.txt; list prints them all")
	f.IntVar(&run.Clients, "clients", 0, "so many clients (default the seed decides)")
	f.StringVar(&run.Only, "only", "", "classes of faults, like kill,power: no others strike; or none")
	f.StringVar(&run.Faults, "faults", "",
		"of the faults that would strike, only these, like 3,7-9; or none")
	f.StringVar(&run.Calm, "calm", "", "what never happens by chance: loss, duplicate, replay, "+
		"reorder, skew; or all")
	f.BoolVar(&noShrink, "no-shrink", false, "do not look for a smaller run than one that failed")
	f.BoolVar(&run.Script, "script", false, "print the run as a golden script for raft/testdata")
	f.BoolVar(&run.Trace, "trace", false, "a line for every event, on standard output")
	f.BoolVar(&run.KeepOn, "keep-going", false, "do not stop at the first seed that fails")
	return c
}
