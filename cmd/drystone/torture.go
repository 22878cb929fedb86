package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"drystone/torture"
)

func newTortureCommand() *cobra.Command {
	o := torture.Options{Version: version}
	faults := "all"
	c := &cobra.Command{
		Use:   "torture",
		Short: "Run a real cluster through bad days, and write down what clients saw",
		Long: `Start a cluster of real processes on this machine, in a temporary directory, and let faults
loose on it while clients push, pop and read: nodes are killed, paused and stopped, disks fill up,
links between nodes and from clients lose, double, delay, hold back and break. Then all heals, and
the end is checked: each acknowledged push is there once or was popped once, and all nodes hold
the same.

What clients asked and were told goes to a file; drystone check judges it. Faults are ` +
			strings.Join(torture.FaultNames(), ",") + `.

Exit status 1 says that something broke; the nodes' directories are then kept.`,
		Example: `  drystone torture                                   a minute, five nodes, all faults
  drystone torture --for 10m --faults kill,partition
  drystone torture --seed 7 --out seven.jsonl && drystone check seven.jsonl`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if !c.Flags().Changed("seed") {
				o.Seed = rand.Uint64() >> 32
			}
			if err := completeTorture(&o, faults, givenFlags(c.Flags())); err != nil {
				return err
			}
			return runTorture(o, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.IntVar(&o.Nodes, "nodes", 5, "size of the cluster, 1 to 9")
	f.DurationVar(&o.For, "for", time.Minute, "how long faults come")
	f.StringVar(&faults, "faults", faults, "which faults, by comma; all, or none")
	f.StringVar(&o.Engine, "engine", "native", "which Raft the nodes run")
	f.Uint64Var(&o.Seed, "seed", 0, "decides which faults come and what clients ask, not when "+
		"(default drawn)")
	f.StringVar(&o.File, "out", "", "file for the history (default torture-SEED.jsonl)")
	f.IntVar(&o.Clients, "clients", 12, "clients at a time, 1 to 200")
	f.Float64Var(&o.Rate, "rate", 300, "operations that clients begin in a second, all together")
	return c
}

// completeTorture checks the flags and fills in what they leave open.
func completeTorture(o *torture.Options, faults string, given map[string]string) error {
	switch {
	case o.Nodes < 1 || o.Nodes > torture.NodesMax:
		return misused("--nodes %d: 1 to %d", o.Nodes, torture.NodesMax)
	case o.For < time.Second || o.For > 24*time.Hour:
		return misused("--for %v: 1s to 24h", o.For)
	case o.Clients < 1 || o.Clients > 200:
		return misused("--clients %d: 1 to 200", o.Clients)
	case !(o.Rate > 0 && o.Rate <= 100_000):
		return misused("--rate %v: above 0, to 100000", o.Rate)
	}
	switch faults {
	case "all":
		o.Faults = torture.FaultNames()
	case "none":
	default:
		o.Faults = strings.Split(faults, ",")
		for _, name := range o.Faults {
			if !slices.Contains(torture.FaultNames(), name) {
				return misused("--faults %s: there is no fault %q; there are %s, and all and none", faults,
					name, strings.Join(torture.FaultNames(), ", "))
			}
		}
	}
	if o.File == "" {
		o.File = fmt.Sprintf("torture-%d.jsonl", o.Seed)
	}
	self, err := os.Executable()
	if err != nil {
		return failed("the path of this program is not known: %s", innermost(err))
	}
	o.Binary, o.Flags = self, given
	return nil
}

// givenFlags are the flags of a command as they were given.
func givenFlags(fs *pflag.FlagSet) map[string]string {
	given := map[string]string{}
	fs.Visit(func(f *pflag.Flag) { given[f.Name] = f.Value.String() })
	return given
}

func runTorture(o torture.Options, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM,
		syscall.SIGHUP)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // a second signal ends at once
	fmt.Fprintf(stderr, "seed %d, %d nodes, history in %s\n", o.Seed, o.Nodes, o.File)
	line := newProgressLine(stderr)
	o.Progress = func(p torture.Progress) { line.show(tortureWords(o.For, p)) }
	r, err := torture.Run(ctx, o)
	line.clear()
	switch {
	case ctx.Err() != nil && err != nil:
		return failed("interrupted before the cluster stood")
	case err != nil:
		return cannotBegin(err)
	}
	if r.LeftOut != "" {
		fmt.Fprintf(stderr, "left out: %s\n", r.LeftOut)
	}
	const most = 10
	for i, p := range r.Problems {
		if i == most {
			fmt.Fprintf(stderr, "and %d more\n", len(r.Problems)-most)
			break
		}
		fmt.Fprintf(stderr, "BROKEN: %s\n", p)
	}
	fmt.Fprintln(stdout, r)
	switch {
	case r.Kept != "":
		return failed("something broke, as told above; the nodes' directories and logs are in %s",
			r.Kept).withNext("The history may tell more: drystone check %s", o.File)
	case r.Interrupted:
		return failed("interrupted; no process is left, and the history so far is in %s", o.File)
	}
	fmt.Fprintf(stderr, "now: drystone check %s\n", shellQuoted(o.File))
	return nil
}

// cannotBegin says why there was no run.
func cannotBegin(err error) error {
	text := err.Error()
	var path *fs.PathError
	if errors.As(err, &path) {
		text = path.Path + ": " + fileWords(err)
	}
	return failed("the run could not begin: %s", text)
}

// tortureWords is a run's progress in a line.
func tortureWords(whole time.Duration, p torture.Progress) string {
	leader := "no leader"
	if p.Leader != 0 {
		leader = fmt.Sprintf("node %d leads", p.Leader)
	}
	now := "all well"
	if len(p.FaultsRunning) > 0 {
		now = strings.Join(p.FaultsRunning, " ")
	}
	return fmt.Sprintf("%s %s/%s  %d ops, %d acked, %d unknown  %s, term %d  %d faults, now: %s",
		p.Doing, p.At.Round(time.Second), whole, p.Ops, p.Acked, p.Unknown, leader, p.Term,
		p.FaultsSoFar, now)
}

// progressLine is one line on a terminal that is written again and again; nothing elsewhere.
type progressLine struct{ terminal *os.File }

func newProgressLine(w io.Writer) *progressLine {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &progressLine{}
	}
	return &progressLine{f}
}

func (l *progressLine) show(words string) {
	if l.terminal == nil {
		return
	}
	if width, _, err := term.GetSize(int(l.terminal.Fd())); err == nil && len(words) >= width {
		words = words[:max(0, width-1)]
	}
	fmt.Fprintf(l.terminal, "\r\x1b[K%s", words)
}

func (l *progressLine) clear() {
	if l.terminal != nil {
		fmt.Fprint(l.terminal, "\r\x1b[K")
	}
}
