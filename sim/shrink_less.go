package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// What may be taken out of a seed's run: Options.Only, Faults, Calm and Clients. What is left goes
// on as drawn, as far as it can: a fault that does not strike changes all that follows.

// churn is the class of what operators do.
const churn = "churn"

// troubles are what happens all the time, by chance, and may be switched off one by one.
var troubles = []string{"loss", "duplicate", "replay", "reorder", "skew"}

// classes are the names of everything that Options.Only may list.
func classes() []string { return append(slices.Clone(faultNames[:]), churn) }

// reduce takes out of a plan what is not wanted, but for faults: strikes decides about those when
// their time comes, so that whatever else is drawn stays as it is.
func (p *plan) reduce(o *Options) {
	for _, t := range o.Calm {
		switch t {
		case "loss":
			p.loss = 0
		case "duplicate":
			p.duplicate = 0
		case "replay":
			p.replay = 0
		case "reorder":
			p.reorder = false
		case "skew":
			for i := range p.skew {
				p.skew[i] = 1000
			}
		}
	}
	if o.Clients > 0 {
		p.clients = o.Clients
	}
}

// strikes counts a fault that is about to strike, and says whether it may.
func (w *world) strikes(class string) bool {
	o := &w.options
	w.struck++
	return (o.Only == nil || slices.Contains(o.Only, class)) &&
		(o.Faults == nil || slices.Contains(o.Faults, w.struck))
}

// clientsMax is how many a run may be asked to have.
const clientsMax = 100

// What lists of names may be instead.
const (
	none = "none"
	all  = "all"
)

// lessWords are the flags that take out the same.
func (o *Options) lessWords() (s string) {
	if o.Only != nil {
		s += " --only " + orNone(strings.Join(o.Only, ","))
	}
	if o.Faults != nil {
		s += " --faults " + orNone(ranges(o.Faults))
	}
	switch {
	case len(o.Calm) == len(troubles):
		s += " --calm " + all
	case len(o.Calm) > 0:
		s += " --calm " + strings.Join(o.Calm, ",")
	}
	if o.Clients > 0 {
		s += fmt.Sprintf(" --clients %d", o.Clients)
	}
	return s
}

func orNone(s string) string {
	if s == "" {
		return none
	}
	return s
}

// parseNames reads a list of names, none or all, as the flags have them; "" is nil.
func parseNames(flag, list string, allowed []string) (names []string, err error) {
	switch list {
	case "":
		return nil, nil
	case none:
		return []string{}, nil
	case all:
		return slices.Clone(allowed), nil
	}
	for name := range strings.SplitSeq(list, ",") {
		if !slices.Contains(allowed, name) {
			return nil, fmt.Errorf("--%s %s: there is no %q; say %s or %s, or some of %s", flag, list,
				name, none, all, strings.Join(allowed, ","))
		}
		names = append(names, name)
	}
	return names, nil
}

// ordinalMax is more faults than any run has.
const ordinalMax = 1_000_000

// parseOrdinals reads numbers and spans of them, like 3,7-9; "" is nil.
func parseOrdinals(list string) (numbers []int, err error) {
	switch list {
	case "":
		return nil, nil
	case none:
		return []int{}, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		first, last, span := strings.Cut(part, "-")
		if !span {
			last = first
		}
		a, errA := strconv.Atoi(first)
		b, errB := strconv.Atoi(last)
		if errA != nil || errB != nil || a < 1 || b < a || b > ordinalMax {
			return nil, fmt.Errorf("--faults %s: %q is no number or span; say %s, or numbers like 3,7-9",
				list, part, none)
		}
		for n := a; n <= b; n++ {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// ranges is parseOrdinals's inverse.
func ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, strconv.Itoa(numbers[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", numbers[i], numbers[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}
