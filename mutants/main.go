package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	var c command
	var only string
	flag.StringVar(&only, "only", "", "these mutants, by id, with commas (default all)")
	flag.IntVar(&c.limits.runs, "runs", 5, "runs of the simulator, each from another seed")
	flag.IntVar(&c.limits.seeds, "seeds", 20_000, "seeds of all runs together")
	flag.DurationVar(&c.limits.within, "cap", 10*time.Minute, "real time of all runs together")
	flag.IntVar(&c.limits.workers, "workers", 0, "worlds at a time (default one a processor)")
	flag.BoolVar(&c.layers, "layers", true, "try the other tests on what survives")
	flag.BoolVar(&c.write, "write", false, "write the table in docs/simulator.md")
	flag.StringVar(&c.output, "o", "", "only build the binary of the mutant that -only names, here")
	flag.Parse()
	if only != "" {
		c.only = strings.Split(only, ",")
	}
	if err := c.run(); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

type command struct {
	limits limits
	only   []string
	layers bool
	write  bool
	output string
}

func (c *command) run() error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	all, err := load(filepath.Join(root, "mutants", "testdata"))
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "drystone-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := c.known(all); err != nil {
		return err
	}
	if c.output != "" {
		return c.build(root, temp, all)
	}
	original := filepath.Join(temp, "original")
	if err := buildBinary(root, temp, original, nil); err != nil {
		return err
	}
	tried, killed := 0, 0
	for i := range all {
		m := &all[i]
		if c.only != nil && !slices.Contains(c.only, m.id) {
			continue
		}
		o, err := c.try(root, original, m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.id, err)
		}
		tried++
		if o.killed() {
			killed++
		}
		fmt.Print(row(m, &o))
		if c.write {
			if err := writeTable(root, all, map[string]string{m.id: row(m, &o)}); err != nil {
				return err
			}
		}
	}
	fmt.Printf("%d mutants, %d killed by the simulator, %d not\n", tried, killed, tried-killed)
	return nil
}

// build leaves the binary of one mutant, to look at what it does with `sim --seed N --trace`.
func (c *command) build(root, temp string, all []mutant) error {
	if len(c.only) != 1 {
		return fmt.Errorf("-o wants one mutant, named by -only")
	}
	i := slices.IndexFunc(all, func(m mutant) bool { return m.id == c.only[0] })
	return buildBinary(root, temp, c.output, &all[i])
}

// known refuses ids that stand for no mutant.
func (c *command) known(all []mutant) error {
	for _, id := range c.only {
		if !slices.ContainsFunc(all, func(m mutant) bool { return m.id == id }) {
			return fmt.Errorf("there is no mutant %q", id)
		}
	}
	return nil
}

// try hunts one mutant.
func (c *command) try(root, original string, m *mutant) (outcome, error) {
	dir, err := os.MkdirTemp("", "drystone-mutant-")
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "drystone")
	if err := buildBinary(root, dir, binary, m); err != nil {
		return outcome{}, err
	}
	o, err := simulate(binary, c.limits)
	if err != nil {
		return o, err
	}
	if err := acquit(original, &o); err != nil {
		return o, err
	}
	if c.layers && !o.killed() {
		o.elsehow, err = elsewhere(root, dir, m)
	}
	return o, err
}

// acquit runs the seeds that killed on the binary as it is: what fails there too was no mutant.
func acquit(original string, o *outcome) error {
	for run, n := range o.seeds {
		if n == survived {
			continue
		}
		seed := firstSeed(run) + n - 1
		v, err := simulateFrom(original, seed, 2, time.Minute, 1)
		if err != nil {
			return err
		}
		if v.seeds == 1 {
			return fmt.Errorf("seed %d fails without a mutant as well: %s", seed, v.property)
		}
	}
	return nil
}
