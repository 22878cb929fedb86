package check

import (
	"fmt"
	"math"
	"slices"

	"drystone/torture/history"
)

// count is what became of one value on a stack.
type count struct {
	pushed  int // acknowledged
	perhaps int // pushed, with an unknown outcome
	out     int // popped, or there at the end
}

// once checks one stack's values: what was acknowledged is there at the end or was popped, once;
// nothing comes out that was not put in.
func once(stack string, acts []*act) (problems []Problem) {
	counts := map[string]*count{}
	of := func(value string) *count {
		if counts[value] == nil {
			counts[value] = &count{}
		}
		return counts[value]
	}
	swallowed := 0 // values that pops of unknown outcome may have taken
	for _, a := range acts {
		switch {
		case a.op.Op == history.Push:
			for _, v := range a.op.Args.Values {
				if a.fate == done {
					of(v).pushed++
				} else {
					of(v).perhaps++
				}
			}
		case a.op.Op == history.Pop && a.fate == open:
			swallowed += min(a.op.Args.Count, math.MaxInt32) // more would overflow, and is never there
		case a.op.Op == history.Pop && a.answer.Result != nil:
			for _, v := range a.answer.Result.Values {
				of(v).out++
			}
		}
	}
	last := lastRead(acts)
	if last != nil {
		for _, v := range last.Values {
			of(v).out++
		}
	}
	var values, missing []string
	for v := range counts {
		values = append(values, v)
	}
	slices.Sort(values)
	for _, v := range values {
		c := counts[v]
		if c.out > c.pushed+c.perhaps {
			problems = append(problems, Problem{Once, stack, fmt.Sprintf("stack %s: %q was pushed %d× "+
				"at most, and came out %d×", stack, v, c.pushed+c.perhaps, c.out)})
		}
		for range c.pushed - c.out {
			missing = append(missing, v)
		}
	}
	if last != nil && len(missing) > swallowed {
		problems = append(problems, Problem{Once, stack, fmt.Sprintf("stack %s: %d acknowledged "+
			"values are gone, and pops of unknown outcome can have taken %d: %.10q", stack,
			len(missing), swallowed, missing)})
	}
	return problems
}

// lastRead is a read of the whole stack that began when all known operations had ended; nil if
// there is none.
func lastRead(acts []*act) *history.Result {
	var last *act
	for _, a := range acts {
		if a.op.Op == history.Items && (last == nil || a.call > last.call) {
			last = a
		}
	}
	if last == nil {
		return nil
	}
	for _, a := range acts {
		if a != last && a.fate == done && a.ret >= last.call {
			return nil
		}
	}
	if last.answer.Result == nil {
		return &history.Result{} // there is no stack of that name
	}
	return last.answer.Result
}

// monotone checks that indexes never go back: what begins after an answer came reflects at least
// that answer's place in the log.
func monotone(acts []*act) []Problem {
	var begun []*act
	for _, a := range acts {
		switch {
		case a.index() > 0:
			begun = append(begun, a)
		case a.answer != nil && a.answer.Result != nil: // or leaving it out would hide where it stands
			return []Problem{{Monotone, a.op.Args.Stack, fmt.Sprintf("%s on stack %s by client %d, "+
				"begun at %.6fs, was answered without an index", asked(a.op), a.op.Args.Stack,
				a.op.Client, seconds(a.call))}}
		}
	}
	ended := slices.Clone(begun)
	slices.SortFunc(begun, func(a, b *act) int { return compare(a.call, b.call) })
	slices.SortFunc(ended, func(a, b *act) int { return compare(a.ret, b.ret) })
	var highest *act
	for _, a := range begun {
		for len(ended) > 0 && ended[0].ret < a.call {
			if highest == nil || ended[0].index() > highest.index() {
				highest = ended[0]
			}
			ended = ended[1:]
		}
		if highest != nil && a.index() < highest.index() {
			return []Problem{{Monotone, a.op.Args.Stack, fmt.Sprintf("%s on stack %s by client %d, "+
				"begun at %.6fs, reflects index %d, though %d had been told by then (client %d, %.6fs)",
				asked(a.op), a.op.Args.Stack, a.op.Client, seconds(a.call), a.index(),
				highest.index(), highest.op.Client, seconds(highest.ret))}}
		}
	}
	return nil
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }
