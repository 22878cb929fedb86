package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// required are the mutants that the simulator must kill, whatever becomes of the others: those by
// which acknowledged writes were lost, done twice, or missed by a read, in systems in service.
var required = []string{"A1", "B1", "B2", "B3", "C1", "D2", "E1", "F3", "G1"}

// killedShare is what it must kill of all, in percent.
const killedShare = 95

// summary is what came of a hunt.
type summary struct {
	limits   limits
	of       int
	killed   int
	median   int      // of the medians of all
	required []string // of those that were tried
	missed   []string // of those: not killed
	survived []string // of all
	took     time.Duration
	jobs     int
}

func summarize(mutants []*mutant, outcomes []outcome, l limits) *summary {
	s := &summary{limits: l, of: len(mutants)}
	var medians []int
	for i, m := range mutants {
		o := &outcomes[i]
		medians = append(medians, o.median())
		must := slices.Contains(required, m.id)
		if must {
			s.required = append(s.required, m.id)
		}
		switch {
		case o.killed():
			s.killed++
		case must:
			s.missed = append(s.missed, m.id)
			fallthrough
		default:
			s.survived = append(s.survived, m.id)
		}
	}
	slices.Sort(medians)
	s.median = medians[(len(medians)-1)/2]
	return s
}

// text is the last lines of the output, a sentence each.
func (s *summary) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "killed %d of %d in %v, %d at a time", s.killed, s.of,
		s.took.Round(time.Second), s.jobs)
	if s.median != survived {
		fmt.Fprintf(&b, "; half of them took %d seeds at most", s.median)
	}
	fmt.Fprintf(&b, ". At most for each: %d runs, %d seeds, %v.\n", s.limits.runs, s.limits.seeds,
		s.limits.within)
	if len(s.survived) > 0 {
		fmt.Fprintf(&b, "not killed: %s.\n", strings.Join(s.survived, ", "))
	}
	switch {
	case len(s.missed) > 0:
		fmt.Fprintf(&b, "required: NOT %s of %s.\n", strings.Join(s.missed, ", "),
			strings.Join(s.required, ", "))
	case len(s.required) > 0:
		fmt.Fprintf(&b, "required: all of %s.\n", strings.Join(s.required, ", "))
	}
	return b.String()
}

// verdict is an error if the simulator missed more than it may.
func (s *summary) verdict() error {
	if len(s.missed) > 0 {
		return fmt.Errorf("the simulator must kill %s", strings.Join(s.missed, ", "))
	}
	if 100*s.killed < killedShare*s.of {
		return fmt.Errorf("the simulator must kill %d%% of all mutants", killedShare)
	}
	return nil
}
