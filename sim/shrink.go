package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Shrunk is the smallest run found that breaks the same property as another.
type Shrunk struct {
	Report       Report // of the smallest
	Tries        int
	FaultsBefore uint64
	LinesBefore  int // of the two traces
	LinesAfter   int
}

// Smaller says whether anything could be left out.
func (s *Shrunk) Smaller() bool {
	return s.LinesAfter < s.LinesBefore || s.Report.Faults < s.FaultsBefore
}

// Shrink looks for a smaller run than one that failed: it leaves out classes of faults, single
// faults, what the network and the clocks do by chance, clients and time, as long as the same
// property breaks, with no more events and no longer a trace. It stops when nothing more can be
// left out, when so much real time has passed, or after so many tries. progress is called after
// each; nil: nobody.
func Shrink(failed Report, within time.Duration, tries int,
	progress func(tries int, best *Report)) Shrunk {
	lines := traceLines(failed.Options)
	s := shrinker{
		best: failed, stepsMax: failed.Steps + 1, linesMax: lines,
		until: time.Now().Add(within), left: tries, progress: progress,
	}
	for s.more() {
		before := s.size()
		s.dropPhases()
		s.dropClasses()
		s.dropCalm()
		s.dropClients()
		s.dropFaults()
		if s.size() == before {
			break
		}
	}
	out := Shrunk{Report: s.best, Tries: s.tried, FaultsBefore: failed.Faults}
	out.Report.Options.stepsMax = 0
	out.LinesBefore, out.LinesAfter = lines, traceLines(out.Report.Options)
	return out
}

type shrinker struct {
	best     Report
	stepsMax uint64 // what is simpler may take longer, but not than what failed
	linesMax int    // of its trace, likewise
	until    time.Time
	left     int
	tried    int
	progress func(int, *Report)
}

func (s *shrinker) more() bool { return s.left > 0 && time.Now().Before(s.until) }

// size changes whenever something is left out.
func (s *shrinker) size() string { return s.best.Replay() + fmt.Sprint(s.best.Steps) }

// try runs a variant of the best run, and keeps it if it breaks the same property in time.
func (s *shrinker) try(change func(*Options)) bool {
	if !s.more() {
		return false
	}
	o := s.best.Options
	o.Trace, o.progress, o.stepsMax = nil, nil, s.stepsMax
	change(&o)
	r := Run(o)
	s.left--
	s.tried++
	kept := r.cause() == s.best.cause() && traceLines(o) <= s.linesMax
	if kept {
		s.best = r
	}
	if s.progress != nil {
		s.progress(s.tried, &s.best)
	}
	return kept
}

// cause is what must stay the same: the property, and of an assertion its words without numbers.
func (r *Report) cause() string {
	if r.Property != assertion {
		return r.Property
	}
	words, _, _ := strings.Cut(r.Detail, "\n")
	return strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return -1
		}
		return c
	}, words)
}

// dropPhases shortens a run that broke after its faults were over.
func (s *shrinker) dropPhases() {
	for s.best.Simulated > s.best.Options.Duration && s.best.Options.Duration > time.Second {
		half := (s.best.Options.Duration / 2).Round(time.Second)
		if !s.try(func(o *Options) { o.Duration = half }) {
			break
		}
	}
	if s.best.Simulated > s.best.Options.Duration && s.best.Options.MinOps > 10 {
		s.try(func(o *Options) { o.MinOps = 10 })
	}
}

// dropClasses leaves out classes of faults: all, those that never struck, and then one by one.
func (s *shrinker) dropClasses() {
	only := func(names []string) func(*Options) {
		return func(o *Options) { o.Only = names }
	}
	if s.best.Options.Only == nil {
		struck := []string{}
		for f, n := range s.best.faults {
			if n > 0 {
				struck = append(struck, faultNames[f])
			}
		}
		_ = s.try(only([]string{})) || s.try(only(struck)) || s.try(only(append(struck, churn)))
	}
	for i := 0; i < len(s.best.Options.Only); {
		without := slices.Delete(slices.Clone(s.best.Options.Only), i, i+1)
		if !s.try(only(without)) {
			i++
		}
	}
}

// dropCalm switches off what happens by chance all the time.
func (s *shrinker) dropCalm() {
	if s.try(func(o *Options) { o.Calm = slices.Clone(troubles) }) {
		return
	}
	for _, t := range troubles {
		if !slices.Contains(s.best.Options.Calm, t) {
			s.try(func(o *Options) { o.Calm = append(slices.Clone(o.Calm), t) })
		}
	}
}

func (s *shrinker) dropClients() {
	for _, n := range []int{1, 2, 4, 8} {
		if n < s.best.clients && s.try(func(o *Options) { o.Clients = n }) {
			return
		}
	}
}

// dropFaults leaves out single faults: all, then halves, quarters and so on of those that are left.
func (s *shrinker) dropFaults() {
	faults := func(list []int) func(*Options) {
		return func(o *Options) { o.Faults = list }
	}
	left := slices.Clone(s.best.Options.Faults)
	if left == nil {
		if s.try(faults([]int{})) {
			return
		}
		for i := range s.best.struck {
			left = append(left, i+1)
		}
		if !s.try(faults(left)) {
			return
		}
	}
	for size := max(1, len(left)/2); len(left) > 0; size /= 2 {
		for i := len(left); i > 0 && s.more(); i -= size {
			without := slices.Delete(slices.Clone(left), max(0, i-size), i)
			if s.try(faults(without)) {
				left = without
			}
		}
		if size == 1 {
			break
		}
	}
	// What comes after the break never struck.
	if i := slices.IndexFunc(left, func(n int) bool { return n > s.best.struck }); i >= 0 {
		s.try(faults(left[:i]))
	}
}

// traceLines counts the lines of a run's trace.
func traceLines(o Options) int {
	var n lineCounter
	o.Trace, o.progress = &n, nil
	Run(o)
	return int(n)
}

type lineCounter int

func (c *lineCounter) Write(b []byte) (int, error) {
	for _, x := range b {
		if x == '\n' {
			*c++
		}
	}
	return len(b), nil
}
