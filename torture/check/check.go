// Package check judges a history: what clients were told must be what one stack after the other,
// each executed alone and in some order that fits the times, would have told them.
package check

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"drystone/torture/history"
)

// The properties.
const (
	Once         = "exactly once" // acknowledged: there once; refused: never; unknown: at most once
	Repeats      = "repeats"      // under one key there is one answer
	Monotone     = "monotone"     // what begins later reflects no earlier index
	Linearizable = "linearizable" // some order that fits the times explains all answers
)

// Problem is a property that a history breaks.
type Problem struct {
	Property string
	Stack    string // "" when it is of no single one
	Text     string // a sentence without a full stop
}

func (p Problem) String() string { return p.Property + ": " + p.Text }

// Report is a verdict with what it rests on.
type Report struct {
	Problems  []Problem
	Undecided []string // stacks on which the search for an order did not end in time

	Ops, Acted, Pushes, Repeated int // requests; operations; values acknowledged; repeats
	Stacks, Longest              int // and operations of the longest
	Open                         int // operations of unknown outcome
	Unread                       int // stacks that were not read whole at the end
	Took                         time.Duration

	history *history.History
	acts    map[string][]*act
}

// OK says that every property holds. What is not decided does not hold.
func (r *Report) OK() bool { return len(r.Problems) == 0 && len(r.Undecided) == 0 }

// Quick checks all but linearizability: in time that grows with the history and no more.
func Quick(h *history.History) *Report {
	began := time.Now()
	r := &Report{history: h, Ops: len(h.Ops)}
	acts, problems := actsOf(h)
	r.Problems = problems
	r.acts = byStack(acts)
	r.Acted, r.Repeated, r.Stacks = len(acts), len(h.Ops)-len(acts), len(r.acts)
	for _, a := range acts {
		if a.fate == open {
			r.Open++
		}
		if a.fate == done && a.op.Op == history.Push {
			r.Pushes += len(a.op.Args.Values)
		}
	}
	for _, stack := range r.stacks() {
		r.Longest = max(r.Longest, len(r.acts[stack]))
		r.Problems = append(r.Problems, once(stack, r.acts[stack])...)
		if lastRead(r.acts[stack]) == nil {
			r.Unread++
		}
	}
	r.Problems = append(r.Problems, monotone(acts)...)
	r.Took = time.Since(began)
	return r
}

// All checks every property. Where no order is found within limit, a stack is undecided: the
// search may take any time, and any amount of memory that fits into it.
func All(h *history.History, limit time.Duration) *Report {
	r := Quick(h)
	began := time.Now()
	deadline := began.Add(limit)
	stacks := r.stacks()
	verdicts := make([]porcupine.CheckResult, len(stacks))
	var next, mu = 0, sync.Mutex{}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(stacks) {
					return
				}
				left := max(time.Until(deadline), time.Millisecond) // 0 would be for ever
				verdicts[i] = porcupine.CheckOperationsTimeout(model, operations(r.acts[stacks[i]]), left)
			}
		})
	}
	workers.Wait()
	for i, stack := range stacks {
		switch verdicts[i] {
		case porcupine.Ok:
		case porcupine.Illegal:
			r.Problems = append(r.Problems, Problem{Linearizable, stack, fmt.Sprintf("stack %s: no "+
				"order of its %d operations fits both their times and their answers", stack,
				len(r.acts[stack]))})
		default:
			r.Undecided = append(r.Undecided, stack)
		}
	}
	r.Took += time.Since(began)
	return r
}

// stacks are all names, in order.
func (r *Report) stacks() []string {
	var names []string
	for name := range r.acts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
