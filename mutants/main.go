package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	var c command
	var only string
	flag.StringVar(&only, "only", "", "these mutants, by id, with commas (default all)")
	flag.IntVar(&c.limits.runs, "runs", 5,
		"runs of the simulator, each from another seed; 0: only the other tests")
	flag.IntVar(&c.limits.seeds, "seeds", 20_000, "seeds of all runs of a mutant together")
	flag.DurationVar(&c.limits.within, "cap", 10*time.Minute, "real time of all runs of a mutant")
	flag.IntVar(&c.limits.workers, "workers", 1, "worlds of a mutant at a time")
	flag.IntVar(&c.jobs, "jobs", runtime.NumCPU(), "mutants at a time")
	flag.BoolVar(&c.layers, "layers", true, "try the other tests as well")
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
	jobs   int
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
	chosen, err := c.choose(root, all)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "drystone-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if c.output != "" {
		if len(c.only) != 1 {
			return fmt.Errorf("-o wants one mutant, named by -only")
		}
		return buildBinary(root, temp, c.output, chosen[0])
	}
	if c.write && c.limits.runs == 0 {
		return fmt.Errorf("-write wants runs of the simulator")
	}
	h := hunt{root: root, temp: temp, limits: c.limits, layers: c.layers, jobs: max(c.jobs, 1),
		told: newProgress(os.Stderr, len(chosen))}
	began := time.Now()
	rows := map[string]string{}
	outcomes, err := h.all(chosen, func(m *mutant, o *outcome) error {
		rows[m.id] = row(m, o, c.limits)
		fmt.Print(rows[m.id])
		if !c.write {
			return nil
		}
		return writeTable(root, all, rows, "")
	})
	if err != nil || c.limits.runs == 0 {
		return err
	}
	s := summarize(chosen, outcomes, c.limits)
	s.took, s.jobs = time.Since(began), h.jobs
	fmt.Print(s.text())
	if c.write && len(chosen) == len(all) {
		if err := writeTable(root, all, rows, s.text()); err != nil {
			return err
		}
	}
	return s.verdict()
}

// choose is what -only names, or all. It refuses mutants that do not fit before hours are spent.
func (c *command) choose(root string, all []mutant) (chosen []*mutant, err error) {
	for i := range all {
		if m := &all[i]; c.only == nil || slices.Contains(c.only, m.id) {
			if _, err := m.files(root); err != nil {
				return nil, err
			}
			chosen = append(chosen, m)
		}
	}
	for _, id := range c.only {
		if !slices.ContainsFunc(chosen, func(m *mutant) bool { return m.id == id }) {
			return nil, fmt.Errorf("there is no mutant %q", id)
		}
	}
	return chosen, nil
}
