package explore

import (
	"fmt"
	"slices"
	"strings"

	"drystone/raft"
)

// Step is an action on the way to a violation, and what the core said about it.
type Step struct {
	Action string
	Trace  []string
	action action
}

// Report is a violation for people: the path to it, in the words of raft's traces.
func (r Result) Report() string {
	var b strings.Builder
	for i, step := range r.Path {
		fmt.Fprintf(&b, "%2d  %s\n", i+1, step.Action)
		for _, line := range step.Trace {
			fmt.Fprintf(&b, "        %s\n", line)
		}
	}
	if r.Violation != nil {
		fmt.Fprintf(&b, "%v\n", r.Violation)
	}
	return b.String()
}

// Script is the path as the commands of a script for raft/testdata.
func (r Result) Script() string { return r.script }

// report goes the way to a violation again. Its worlds are known by their digests, so at each one
// it tries all actions until one leads to the next.
func (s *search) report(path []arrival, broken *Violation) {
	w := s.first()
	script := newScript(s.bounds)
	leads := func(a action, next *world, i int) bool {
		v, taken := s.act(w, a, next)
		switch {
		case !taken:
			return false
		case i+1 < len(path):
			return v == nil && s.canonical(next) == path[i+1].digest &&
				next.used == path[i+1].spent()
		case v == nil && s.options.goal != nil:
			return s.options.goal(s.explorer, next)
		case v == nil:
			v = s.checkWorld(next, a.node, s.nodes[w.nodes[a.node]])
		}
		return v != nil && v.Property == broken.Property
	}
	for i := range path {
		var next world
		all := s.actions(w, nil)
		at := slices.IndexFunc(all, func(a action) bool {
			next = world{}
			return leads(a, &next, i)
		})
		if at < 0 {
			panic("explore: the way to a violation is not found again")
		}
		a := all[at]
		s.result.Path = append(s.result.Path, Step{s.describe(a), s.trace(w, a), a})
		script.add(s.explorer, w, a)
		*w = next
	}
	s.result.script = script.String()
}

// trace is what a core says as it takes a step.
func (e *explorer) trace(w *world, a action) (lines []string) {
	e.tracing = func(ev raft.Event) { lines = append(lines, ev.String()) }
	e.ask(e.nodes[w.nodes[a.node]], a.input, a.hold)
	e.tracing = nil
	return lines
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
