package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// hunt tries mutants, several at a time.
type hunt struct {
	root, temp string
	original   string // the binary without a mutant
	limits     limits
	layers     bool
	jobs       int
	sound      *soundness
	told       *progress
}

// all tries mutants and calls done with each as it ends, one call at a time.
func (h *hunt) all(mutants []*mutant, done func(*mutant, *outcome) error) ([]outcome, error) {
	h.original = filepath.Join(h.temp, "original")
	if err := buildBinary(h.root, h.temp, h.original, nil); err != nil {
		return nil, err
	}
	h.sound = &soundness{checked: map[string]error{},
		bench: bench{root: h.root, dir: h.temp, built: map[string]string{}}}
	outcomes := make([]outcome, len(mutants))
	var mu sync.Mutex
	var first error
	next := 0
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		if first != nil || next == len(mutants) {
			return -1
		}
		h.told.begins(mutants[next].id)
		next++
		return next - 1
	}
	end := func(i int, o outcome, err error) {
		mu.Lock()
		defer mu.Unlock()
		m := mutants[i]
		h.told.ends(m.id, o.killed())
		outcomes[i] = o
		if err == nil {
			err = done(m, &o)
		}
		if err != nil && first == nil {
			first = fmt.Errorf("%s: %w", m.id, err)
		}
	}
	var group sync.WaitGroup
	for range h.jobs {
		group.Go(func() {
			for i := take(); i >= 0; i = take() {
				o, err := h.try(mutants[i])
				end(i, o, err)
			}
		})
	}
	group.Wait()
	h.told.erase()
	return outcomes, first
}

// try hunts one mutant.
func (h *hunt) try(m *mutant) (o outcome, err error) {
	dir, err := os.MkdirTemp(h.temp, m.id+"-")
	if err != nil {
		return o, err
	}
	defer os.RemoveAll(dir)
	if h.limits.runs > 0 {
		binary := filepath.Join(dir, "drystone")
		if err := buildBinary(h.root, dir, binary, m); err != nil {
			return o, err
		}
		if err := saysWhatItIs(binary, m); err != nil {
			return o, err
		}
		if o, err = simulate(binary, h.limits); err != nil {
			return o, err
		}
		if err := acquit(h.original, &o); err != nil {
			return o, err
		}
	}
	if h.layers {
		o.tests, err = h.noticedBy(dir, m)
	}
	return o, err
}

// saysWhatItIs refuses a binary that was built without its overlay.
func saysWhatItIs(binary string, m *mutant) error {
	out, err := exec.Command(binary, "version").Output()
	if err != nil {
		return fmt.Errorf("ask the binary what it is: %w", err)
	}
	if !strings.Contains(string(out), fmt.Sprintf(versionSuffix, m.id)) {
		return fmt.Errorf("the binary takes itself for %s", out)
	}
	return nil
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
