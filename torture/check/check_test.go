package check

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"drystone/torture/history"
)

const limit = 20 * time.Second

// tale is a history made by hand: each line is a client's request, one after the other unless it
// says when it was called.
type tale struct {
	h     history.History
	clock int64
	index uint64
}

func (t *tale) add(op history.Op) *history.Op {
	op.CallNs, op.ReturnNs = t.clock, t.clock+5
	t.clock += 10
	if op.Args.Stack == "" {
		op.Args.Stack = "s"
	}
	if op.Outcome == "" {
		op.Outcome = history.Applied
	}
	if op.Result != nil {
		t.index++
		op.Result.Index = t.index
	}
	t.h.Ops = append(t.h.Ops, op)
	return &t.h.Ops[len(t.h.Ops)-1]
}

func (t *tale) push(value string, size int) *history.Op {
	return t.add(history.Op{
		Op: history.Push, Args: history.Args{Values: []string{value}},
		Result: &history.Result{Size: size},
	})
}

func (t *tale) pop(size int, values ...string) *history.Op {
	return t.add(history.Op{
		Op: history.Pop, Args: history.Args{Count: max(1, len(values))},
		Result: &history.Result{Size: size, Values: values, Empty: len(values) == 0},
	})
}

func (t *tale) top(value string, size int) *history.Op {
	return t.add(history.Op{
		Op: history.Top, Result: &history.Result{Size: size, Values: []string{value}},
	})
}

func (t *tale) size(n int) *history.Op {
	return t.add(history.Op{Op: history.Size, Result: &history.Result{Size: n}})
}

func (t *tale) items(values ...string) *history.Op {
	return t.add(history.Op{
		Op: history.Items, Result: &history.Result{Size: len(values), Values: values},
	})
}

// unknown makes an operation's outcome unknown, and refused makes it one that has no effect.
func unknown(op *history.Op) *history.Op {
	op.Outcome, op.Code, op.Result = history.Unknown, "no_answer", nil
	return op
}

func refused(op *history.Op) *history.Op {
	op.Outcome, op.Code, op.Result = history.NotApplied, "no_leader", nil
	return op
}

func TestGoodHistories(t *testing.T) {
	for name, tell := range map[string]func(*tale){
		"one after the other": func(t *tale) {
			op := t.size(0)
			op.Code, op.Result = history.NoSuchStack, nil
			t.push("a", 1)
			t.push("b", 2)
			t.top("b", 2)
			t.pop(0, "b", "a")
			t.pop(0)
			t.items()
		},
		"unknown push, seen later": func(t *tale) {
			unknown(t.push("a", 1))
			t.push("b", 1)
			t.size(1)
			t.pop(1, "a") // it took effect in between
			t.items("b")
		},
		"unknown push, never seen": func(t *tale) {
			unknown(t.push("a", 1))
			t.push("b", 1)
			t.items("b")
		},
		"unknown pop took it": func(t *tale) {
			t.push("a", 1)
			unknown(t.pop(0, "a"))
			t.items()
		},
		"refused push": func(t *tale) {
			refused(t.push("a", 1))
			t.push("b", 1)
			t.items("b")
		},
		"repeats are one": func(t *tale) {
			unknown(t.push("a", 1)).Key = "k"
			refused(t.push("a", 1)).Key = "k"
			t.push("b", 2)
			r := t.push("a", 1) // executed before b, under its first call
			r.Key, r.Result.Index = "k", t.index-1
			t.h.Ops[2].Result.Index = t.index
			t.items("b", "a")
		},
		"at the same time": func(t *tale) {
			t.push("a", 2).ReturnNs = 1000
			t.push("b", 1).ReturnNs = 1000
			t.clock = 2000
			t.items("a", "b")
			t.h.Ops[0].Result.Index, t.h.Ops[1].Result.Index = 2, 1
		},
	} {
		story := &tale{index: 1}
		tell(story)
		r := All(&story.h, limit)
		if !r.OK() {
			t.Errorf("%s: %v, undecided %v", name, r.Problems, r.Undecided)
		}
	}
}

// TestBadHistories: each kind of lie is found, and under the right name.
func TestBadHistories(t *testing.T) {
	for _, x := range []struct {
		name       string
		properties string // all that are broken
		tell       func(*tale)
	}{
		{"lost acknowledgement", "exactly once, linearizable", func(t *tale) {
			t.push("a", 1)
			t.push("b", 2)
			t.items("a")
		}},
		{"lost, with too few unknown pops", "exactly once, linearizable", func(t *tale) {
			t.push("a", 1)
			t.push("b", 2)
			unknown(t.pop(1, "b"))
			t.items()
		}},
		{"double pop", "exactly once, linearizable", func(t *tale) {
			t.push("a", 1)
			t.push("b", 2)
			t.pop(1, "b")
			t.pop(0, "b")
		}},
		{"popped and still there", "exactly once, linearizable", func(t *tale) {
			t.push("a", 1)
			t.pop(0, "a")
			t.items("a")
		}},
		{"doubled push", "exactly once, linearizable", func(t *tale) {
			unknown(t.push("a", 1)).Key = "k"
			t.push("a", 1).Key = "k"
			t.items("a", "a")
		}},
		{"refused and yet there", "exactly once, linearizable", func(t *tale) {
			refused(t.push("a", 1))
			t.items("a")
		}},
		{"unknown, and took effect twice", "exactly once, linearizable", func(t *tale) {
			unknown(t.push("a", 1))
			t.items("a", "a")
		}},
		{"unknown pop, and took effect twice", "exactly once, linearizable", func(t *tale) {
			t.push("a", 1)
			t.push("b", 2)
			unknown(t.pop(1, "b")).Key = "k"
			unknown(t.pop(1, "b")).Key = "k"
			t.items()
		}},
		{"repeated, and executed again behind the first answer", "exactly once, linearizable",
			func(t *tale) {
				t.push("a", 1).Key = "k"
				again := t.push("a", 1)
				again.Key, again.Result.Index = "k", 1
				t.items("a", "a")
			}},
		{"unknown under a key, then refused, and there twice", "exactly once, linearizable",
			func(t *tale) {
				unknown(t.push("a", 1)).Key = "k"
				refused(t.push("a", 1)).Key = "k"
				t.items("a", "a")
			}},
		{"took effect before it was asked", "linearizable", func(t *tale) {
			t.items("a")
			unknown(t.push("a", 1)).Key = "k"
			t.push("a", 1).Key = "k"
		}},
		{"takes effect again after its answer", "linearizable", func(t *tale) {
			t.push("a", 1).Key = "k"
			t.push("b", 2)
			t.push("a", 1).Key = "k"
			t.h.Ops[2].Result.Index = 1
			t.items("a", "b") // a moved above b: its repeat took effect, and not its first
		}},
		{"no index", "monotone", func(t *tale) {
			t.push("a", 1)
			t.size(1).Result.Index = 0
		}},
		{"no key, and a stored answer", "repeats", func(t *tale) {
			t.push("a", 1).Result.Replayed = true
		}},
		{"out of nowhere", "exactly once, linearizable", func(t *tale) {
			t.push("a", 1)
			t.pop(0, "z")
		}},
		{"stale read", "linearizable", func(t *tale) {
			t.push("a", 1)
			t.push("b", 2)
			t.top("a", 1)
			t.items("b", "a")
		}},
		{"read of the future", "linearizable", func(t *tale) {
			t.push("a", 1)
			t.size(2)
			t.push("b", 2)
		}},
		{"wrong order", "linearizable", func(t *tale) {
			t.push("a", 1)
			t.push("b", 2)
			t.items("a", "b")
		}},
		{"stack that is gone", "linearizable", func(t *tale) {
			t.push("a", 1)
			op := t.size(0)
			op.Code, op.Result = history.NoSuchStack, nil
		}},
		{"index that goes back", "monotone", func(t *tale) {
			t.push("a", 1)
			t.push("b", 2)
			t.size(2).Result.Index = 1
		}},
		{"other answer under a key", "repeats", func(t *tale) {
			t.push("a", 1).Key = "k"
			again := t.push("a", 2)
			again.Key = "k"
		}},
		{"other operation under a key", "repeats", func(t *tale) {
			t.push("a", 1).Key = "k"
			refused(t.push("b", 2)).Key = "k"
		}},
	} {
		story := &tale{}
		x.tell(story)
		r := All(&story.h, limit)
		var broken []string
		for _, p := range r.Problems {
			broken = append(broken, p.Property)
		}
		if got := strings.Join(broken, ", "); got != x.properties || r.OK() {
			t.Errorf("%s: breaks %q, want %q: %v", x.name, got, x.properties, r.Problems)
		}
		var page strings.Builder
		stacks, err := r.Picture(&page)
		if err != nil || len(stacks) != 1 || !strings.Contains(page.String(), "[a]") {
			t.Errorf("%s: the picture shows %v, %v", x.name, stacks, err)
		}
	}
}

// crowd is a history of so many clients on one stack that took place, with lies by nobody: each
// operation takes effect at its place in the list, and is long enough to overlap with others.
func crowd(clients, ops int, random *rand.Rand) *tale {
	t := &tale{}
	var s stack
	for i := range ops {
		op := history.Op{Client: i % clients, Op: history.Pop, Args: history.Args{Stack: "s", Count: 1}}
		if random.IntN(2) == 0 {
			op.Op, op.Args.Values = history.Push, []string{fmt.Sprint("v", i)}
		}
		if !s.exists {
			op.Op, op.Args.Values = history.Push, []string{fmt.Sprint("v", i)}
		}
		_, next := s.step(&op, nil)
		r := &history.Result{Size: next.size()}
		if op.Op == history.Pop {
			r.Values = s.values(1)
			r.Empty = len(r.Values) == 0
		}
		s = next
		op.Result = r
		x := t.add(op)
		x.CallNs = max(0, int64(10*i-10*random.IntN(clients)))
		x.ReturnNs = int64(10*i + 5)
	}
	return t
}

// TestCrowds: long histories with several clients at a time, and with a few unknown outcomes among
// them, are decided in no time; with one answer changed they are refused.
func TestCrowds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for run := range 6 {
		story := crowd(4, 300, random)
		ops := story.h.Ops
		for range 3 {
			unknown(&ops[random.IntN(len(ops))])
		}
		if r := All(&story.h, limit); !r.OK() {
			t.Fatalf("run %d: %v, undecided %v", run, r.Problems, r.Undecided)
		}
		for _, i := range random.Perm(len(ops)) {
			if ops[i].Result != nil {
				ops[i].Result.Size += 4 // more than unknown outcomes can explain
				break
			}
		}
		if r := All(&story.h, limit); len(r.Problems) == 0 {
			t.Errorf("run %d: a changed answer is taken; undecided %v", run, r.Undecided)
		}
	}
}

// TestUnread: of a stack that nobody read whole at the end, nobody claims that it is complete.
func TestUnread(t *testing.T) {
	story := &tale{}
	story.push("a", 1)
	if r := Quick(&story.h); r.Unread != 1 {
		t.Errorf("%d stacks are unread without a read", r.Unread)
	}
	story.items("a")
	if r := Quick(&story.h); r.Unread != 0 {
		t.Errorf("%d stacks are unread after a read", r.Unread)
	}
	story.push("b", 2)
	if r := Quick(&story.h); r.Unread != 1 {
		t.Errorf("%d stacks are unread when a push follows the read", r.Unread)
	}
}

// TestUndecided: a search that does not end is no verdict for the history.
func TestUndecided(t *testing.T) {
	story := &tale{}
	for i := range 40 {
		unknown(story.push(fmt.Sprint("v", i), 1))
	}
	story.size(20)
	story.size(19)
	r := All(&story.h, 50*time.Millisecond)
	if r.OK() || len(r.Undecided) != 1 || len(r.Problems) != 0 {
		t.Errorf("ok=%v, undecided %v, problems %v", r.OK(), r.Undecided, r.Problems)
	}
}

// TestStatesAreEqual: by what they hold, however they came to it.
func TestStatesAreEqual(t *testing.T) {
	a := stack{}.push("x").push("y")
	b := stack{}.push("x").push("z")
	b.top = b.top.below
	if b = b.push("y"); !a.equal(b) || a.hash() != b.hash() {
		t.Error("equal stacks differ")
	}
	for _, other := range []stack{{}, {exists: true}, stack{}.push("y").push("x"), b.push("q")} {
		if a.equal(other) || other.equal(a) {
			t.Errorf("%v equals %v", a.values(9), other.values(9))
		}
	}
	if (stack{}).equal(stack{exists: true}) {
		t.Error("no stack equals an empty one")
	}
}
