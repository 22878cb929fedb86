package check

import (
	"fmt"
	"math"
	"slices"

	"drystone/torture/history"
)

// fate is what became of an operation.
type fate uint8

const (
	never fate = iota // refused: it has no effect
	open              // unknown: it may take effect at any time after its call, or never
	done              // it took effect between its call and its answer
)

// act is one operation, with all repeats under its key: it takes effect once at most, after the
// first call and before the first answer.
type act struct {
	op        *history.Op // as it was asked first
	call, ret int64
	fate      fate
	answer    *history.Op // the first that was applied; nil unless done
}

// index is the place in the log that the answer reflects; 0 if it did not say.
func (a *act) index() uint64 {
	if a.answer == nil || a.answer.Result == nil {
		return 0
	}
	return a.answer.Result.Index
}

// actsOf puts repeats together. Two answers under one key that differ are problems.
func actsOf(h *history.History) (acts []*act, problems []Problem) {
	keyed := map[string]*act{}
	for i := range h.Ops {
		op := &h.Ops[i]
		a := keyed[op.Key]
		if op.Key == "" || a == nil {
			a = &act{op: op, call: op.CallNs, ret: math.MaxInt64}
			acts = append(acts, a)
			if op.Key != "" {
				keyed[op.Key] = a
			}
		}
		if text := a.add(op); text != "" {
			problems = append(problems, Problem{Repeats, op.Args.Stack, text})
		}
	}
	return acts, problems
}

// add takes one request in, and says how it contradicts those before.
func (a *act) add(op *history.Op) string {
	if a.op.Op != op.Op || a.op.Args.Stack != op.Args.Stack || a.op.Args.Count != op.Args.Count ||
		!slices.Equal(a.op.Args.Values, op.Args.Values) {
		return fmt.Sprintf("the key %s stands for two operations: %s and %s", op.Key, asked(a.op),
			asked(op))
	}
	a.call = min(a.call, op.CallNs)
	switch op.Outcome {
	case history.Unknown:
		a.fate = max(a.fate, open)
	case history.Applied:
		before := a.answer
		if before == nil || op.ReturnNs < a.ret {
			a.fate, a.answer, a.ret = done, op, op.ReturnNs
		}
		if before != nil && !sameAnswer(before, op) {
			return fmt.Sprintf("%s under the key %s was answered %s by node %d, and %s by node %d",
				asked(op), op.Key, told(before), before.Node, told(op), op.Node)
		}
		if op.Key == "" && op.Result != nil && op.Result.Replayed {
			return fmt.Sprintf("%s without a key was answered as a repeat, by node %d", asked(op), op.Node)
		}
	}
	return ""
}

func sameAnswer(a, b *history.Op) bool {
	if a.Result == nil || b.Result == nil {
		return a.Result == b.Result && a.Code == b.Code
	}
	x, y := a.Result, b.Result
	return x.Size == y.Size && x.Empty == y.Empty && x.Index == y.Index &&
		slices.Equal(x.Values, y.Values)
}

// byStack leaves out what had no effect and gave no answer.
func byStack(acts []*act) map[string][]*act {
	all := map[string][]*act{}
	for _, a := range acts {
		read := a.op.Op != history.Push && a.op.Op != history.Pop
		if a.fate == never || read && a.fate == open {
			continue
		}
		all[a.op.Args.Stack] = append(all[a.op.Args.Stack], a)
	}
	return all
}

// asked is an operation in words.
func asked(op *history.Op) string {
	switch op.Op {
	case history.Push:
		return fmt.Sprintf("push%v", op.Args.Values)
	case history.Pop:
		return fmt.Sprintf("pop(%d)", op.Args.Count)
	}
	return op.Op
}

// told is an answer in words.
func told(op *history.Op) string {
	switch {
	case op == nil:
		return "unknown"
	case op.Result == nil:
		return op.Code
	case op.Op == history.Push || op.Op == history.Size:
		return fmt.Sprintf("size %d", op.Result.Size)
	}
	return fmt.Sprintf("%v, size %d", op.Result.Values, op.Result.Size)
}
