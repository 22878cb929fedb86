package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"drystone/torture/history"
)

// cell is one item with all below it. Cells are shared and never change, so that a state costs no
// more than what was pushed last.
type cell struct {
	value string
	below *cell
	size  int
	hash  uint64 // of the value and all below
}

// stack is one stack, sequentially: the state of the model.
type stack struct {
	exists bool // an emptied stack does; one that was never pushed to does not
	top    *cell
}

func (s stack) size() int {
	if s.top == nil {
		return 0
	}
	return s.top.size
}

func (s stack) hash() uint64 {
	if s.top == nil {
		return 0
	}
	return s.top.hash
}

func (s stack) push(value string) stack {
	h := s.hash() ^ 0x9e3779b97f4a7c15
	for _, b := range []byte(value) {
		h = (h ^ uint64(b)) * 0x100000001b3
	}
	return stack{true, &cell{value, s.top, s.size() + 1, h}}
}

func (s stack) equal(t stack) bool {
	if s.exists != t.exists || s.size() != t.size() || s.hash() != t.hash() {
		return false
	}
	for a, b := s.top, t.top; a != b; a, b = a.below, b.below {
		if a.value != b.value {
			return false
		}
	}
	return true
}

// values are those from the top, at most so many.
func (s stack) values(most int) []string {
	var all []string
	for c := s.top; c != nil && len(all) < most; c = c.below {
		all = append(all, c.value)
	}
	return all
}

// step executes an operation. ok says that the answer is the one to expect; an operation without
// an answer fits always.
func (s stack) step(op, answer *history.Op) (ok bool, next stack) {
	if op.Op == history.Push {
		next = s
		for _, v := range op.Args.Values {
			next = next.push(v)
		}
		return answer == nil || answer.Result != nil && answer.Result.Size == next.size(), next
	}
	if !s.exists {
		return answer == nil || answer.Result == nil && answer.Code == history.NoSuchStack, s
	}
	most := 0
	switch next = s; op.Op {
	case history.Pop:
		most = op.Args.Count
		for range min(most, s.size()) {
			next.top = next.top.below
		}
	case history.Top:
		most = 1
	case history.Items:
		most = s.size()
	}
	if answer == nil {
		return true, next
	}
	r := answer.Result
	if r == nil || r.Size != next.size() {
		return false, next
	}
	expected := s.values(most)
	empties := op.Op == history.Pop || op.Op == history.Top // these say so
	return slices.Equal(r.Values, expected) && r.Empty == (empties && len(expected) == 0), next
}

// model is a stack for porcupine, which knows nothing of logs.
var model = porcupine.Model{
	Init: func() any { return stack{} },
	Step: func(state, input, output any) (bool, any) {
		return state.(stack).step(input.(*act).op, output.(*history.Op))
	},
	Equal: func(a, b any) bool { return a.(stack).equal(b.(stack)) },
	Hash:  func(state any) uint64 { return state.(stack).hash() },

	Partition: func(all []porcupine.Operation) (parts [][]porcupine.Operation) {
		at := map[string]int{}
		for _, op := range all {
			name := op.Input.(*act).op.Args.Stack
			i, known := at[name]
			if !known {
				i = len(parts)
				at[name], parts = i, append(parts, nil)
			}
			parts[i] = append(parts[i], op)
		}
		return parts
	},
	DescribeOperation: func(input, output any) string {
		return asked(input.(*act).op) + " → " + told(output.(*history.Op))
	},
	DescribeState: func(state any) string {
		s := state.(stack)
		if !s.exists {
			return "no stack"
		}
		const most = 8
		text := strings.Join(s.values(most), " ")
		if s.size() > most {
			text += " …"
		}
		return fmt.Sprintf("%d: %s", s.size(), text)
	},
}

// operations are acts in porcupine's words. What nobody knows the outcome of returns when all is
// over, by a client of its own.
func operations(acts []*act) (all []porcupine.Operation) {
	extra := 0
	for _, a := range acts {
		extra = max(extra, a.op.Client+1)
	}
	for _, a := range acts {
		x := porcupine.Operation{
			ClientId: a.op.Client, Input: a, Output: a.answer, Call: a.call, Return: a.ret,
		}
		if a.fate == open {
			x.ClientId = extra
			extra++
		}
		all = append(all, x)
	}
	return all
}
