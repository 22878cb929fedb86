package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// survived is the number of seeds to a kill that did not happen.
const survived = math.MaxInt

// limits are how long a mutant may live.
type limits struct {
	runs    int           // each from a seed of its own
	seeds   int           // of all runs together
	within  time.Duration // of all runs together
	workers int           // worlds at a time; 0: one for each processor
}

// outcome is what came of a mutant.
type outcome struct {
	seeds []int    // to the kill, by run; survived
	by    []string // what noticed, by run that killed
	tried int      // seeds in all
	took  time.Duration
	tests []string // that notice as well, by layer
}

func (o *outcome) killed() bool { return len(o.by) > 0 }

// survivals is how many runs did not kill.
func (o *outcome) survivals() int { return len(o.seeds) - len(o.by) }

// median is of all runs, those that did not kill counted as longer than any.
func (o *outcome) median() int {
	if len(o.seeds) == 0 {
		return survived
	}
	s := slices.Sorted(slices.Values(o.seeds))
	return s[(len(s)-1)/2]
}

// firstSeed sets the runs far apart.
func firstSeed(run int) int { return 1 + run*1_000_000 }

// hangGrace is what a world may take longer than it was given before it is taken for hanging. It is
// long, because a busy machine must not look like a kill.
const hangGrace = 2 * time.Minute

// simulate runs the simulator of a binary from several starting points until each has killed. What
// one of them leaves of seeds and time is shared by those after it.
func simulate(binary string, l limits) (outcome, error) {
	began := time.Now()
	var o outcome
	for run := range l.runs {
		slot := max(time.Second, (l.within-time.Since(began))/time.Duration(l.runs-run))
		seeds := (l.seeds - o.tried) / (l.runs - run)
		v, err := simulateFrom(binary, firstSeed(run), seeds, slot, l.workers)
		if err != nil {
			return o, err
		}
		o.tried += v.tried
		o.seeds = append(o.seeds, v.seeds)
		if v.seeds != survived {
			o.by = append(o.by, v.property)
		}
	}
	o.took = time.Since(began)
	return o, nil
}

// verdict is what the output of one run of the simulator says.
type verdict struct {
	seeds    int // to the kill; survived
	tried    int
	seed     int // that killed
	property string
}

func simulateFrom(binary string, first, seeds int, within time.Duration, workers int) (
	verdict, error,
) {
	ctx, cancel := context.WithTimeout(context.Background(), within+hangGrace)
	defer cancel()
	c := exec.CommandContext(ctx, binary, "sim", "--seed", strconv.Itoa(first),
		"--seeds", strconv.Itoa(max(seeds, 2)), "--for", within.String(),
		"--workers", strconv.Itoa(workers), "--no-shrink")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	if ctx.Err() != nil {
		// A world that does not end: nobody would take that for a success.
		return hung(out.String(), first), nil
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return verdict{}, fmt.Errorf("run the simulator: %w", err)
	}
	return read(out.String(), first)
}

// hung is the verdict on a run that had to be ended from outside. The simulator tells now and then
// how many worlds have ended, so the one that does not is about the next.
func hung(out string, first int) verdict {
	ended := 0
	for _, m := range toldLine.FindAllStringSubmatch(out, -1) {
		ended, _ = strconv.Atoi(m[1])
	}
	return verdict{seeds: ended + 1, tried: ended + 1, seed: first + ended, property: "Hang"}
}

var (
	toldLine = regexp.MustCompile(`(?m)^(\d+) runs, \d+ failed`)
	failLine = regexp.MustCompile(`(?m)^seed=(\d+) .* FAIL (.+)$`)
	runsLine = regexp.MustCompile(`(?m)^runs=(\d+) `)
)

// read reads the output of `drystone sim --seeds`.
func read(out string, first int) (verdict, error) {
	v := verdict{seeds: survived}
	if m := runsLine.FindStringSubmatch(out); m != nil {
		v.tried, _ = strconv.Atoi(m[1])
	}
	m := failLine.FindStringSubmatch(out)
	switch {
	case m != nil:
		v.seed, _ = strconv.Atoi(m[1])
		v.seeds, v.property = v.seed-first+1, m[2]
		v.tried = max(v.tried, v.seeds)
	case strings.Contains(out, "\nfatal error: ") || strings.HasPrefix(out, "fatal error: "):
		v.seeds, v.tried, v.seed, v.property = 1, 1, first, "Crash"
	case v.tried == 0:
		return v, fmt.Errorf("the simulator says neither ok nor FAIL:\n%s", out)
	}
	if v.property == "Assertion" {
		v.property = "Assertion " + asserted(out)
	}
	return v, nil
}

// asserted is the assertion that failed, without the state that it was seen in.
func asserted(out string) string {
	_, text, _ := strings.Cut(out, "Assertion: ")
	text, _, _ = strings.Cut(text, "\n")
	if parts := strings.SplitN(text, ": ", 3); len(parts) > 2 {
		text = parts[0] + ": " + parts[1]
	}
	return "(" + text + ")"
}
