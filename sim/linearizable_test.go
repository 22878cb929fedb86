package sim

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"drystone/rsm"
	"drystone/store"
)

// stackState is a stack as porcupine's model has it.
type stackState struct {
	exists bool
	items  string // each ends with a newline; the top is last
}

// told is what a client knows of its operation's result.
type told struct {
	unknown bool
	reply   store.Reply
}

// stackModel is one stack, sequentially. It shares nothing with the simulator's truth, and does
// not know the log: it sees only what clients asked and were told, and when.
var stackModel = porcupine.Model{
	Init: func() any { return stackState{} },
	Step: func(state, input, output any) (bool, any) {
		was, o := state.(stackState), output.(told)
		reply, next := stackStep(was, input)
		return o.unknown || sameReply(&reply, &o.reply), next
	},
	Equal: func(a, b any) bool { return a == b },
}

func stackStep(s stackState, input any) (store.Reply, stackState) {
	size := func() uint64 { return uint64(strings.Count(s.items, "\n")) }
	if !s.exists {
		s.items = ""
	}
	switch c := input.(type) {
	case store.CreateStack:
		created := !s.exists
		s.exists = true
		return store.Reply{Created: created, Size: size()}, s
	case store.DeleteStack:
		if !s.exists {
			return store.Reply{Code: store.NoSuchStack}, s
		}
		return store.Reply{}, stackState{}
	case store.Push:
		if !s.exists && c.MustExist {
			return store.Reply{Code: store.NoSuchStack}, s
		}
		created := !s.exists
		s.exists = true
		for _, v := range c.Values {
			if c.End == store.Top {
				s.items += string(v) + "\n"
			} else {
				s.items = string(v) + "\n" + s.items
			}
		}
		return store.Reply{Created: created, Size: size()}, s
	case store.Pop:
		if !s.exists {
			return store.Reply{Code: store.NoSuchStack}, s
		}
		all := strings.Split(strings.TrimSuffix(s.items, "\n"), "\n")
		if s.items == "" {
			all = nil
		}
		var values [][]byte
		for range min(c.Count, uint64(len(all))) {
			at := len(all) - 1
			if c.End == store.Bottom {
				at = 0
			}
			values = append(values, []byte(all[at]))
			all = slices.Delete(all, at, at+1)
		}
		s.items = ""
		for _, v := range all {
			s.items += v + "\n"
		}
		return store.Reply{Size: size(), Values: values}, s
	case store.GetStack:
		if !s.exists {
			return store.Reply{Code: store.NoSuchStack}, s
		}
		r := store.Reply{Size: size()}
		if s.items != "" {
			body := strings.TrimSuffix(s.items, "\n")
			r.Values = [][]byte{[]byte(body[strings.LastIndex(body, "\n")+1:])}
		}
		return r, s
	}
	panic("an operation that the model does not know")
}

func sameReply(a, b *store.Reply) bool {
	return a.Code == b.Code && a.Created == b.Created && a.Size == b.Size &&
		slices.EqualFunc(a.Values, b.Values, slices.Equal)
}

// history is what the clients of a run did and were told, by stack. What nobody knows the
// outcome of may take effect at any later time: it returns when everything is over.
func history(t *testing.T, w *world) map[int][]porcupine.Operation {
	t.Helper()
	all := map[int][]porcupine.Operation{}
	for i := range w.clients.ops {
		op := &w.clients.ops[i]
		x := porcupine.Operation{ClientId: i, Call: 2 * op.began, Return: 2*op.ended + 1}
		switch {
		case op.stale || op.items || op.outcome == rsm.NotApplied || op.outcome == 0:
			continue // nothing was promised, or nothing happened
		case op.read:
			x.Input = store.GetStack{Stack: w.clients.names[op.stack], WithTop: true}
			x.Output = told{reply: op.shown}
		default:
			c, err := store.DecodeCommand(op.command)
			if err != nil {
				t.Fatal(err)
			}
			x.Input = c
			if op.outcome == rsm.Unknown {
				x.Return, x.Output = math.MaxInt64, told{unknown: true}
				break
			}
			r, err := store.DecodeReply(op.result.Reply)
			if err != nil {
				t.Fatal(err)
			}
			x.Output = told{reply: r}
		}
		all[op.stack] = append(all[op.stack], x)
	}
	return all
}

// linearizableRun is a run whose history a general checker can digest: short, with faults, on
// several stacks, and no value that is too large.
func linearizableRun(seed uint64) *world {
	o := Options{Seed: seed, Duration: 15 * time.Second, MinOps: 200}.withDefaults()
	chance := random{seed}
	shape := chance.fork()
	p := draw(&shape, 3)
	p.settings.MaxValueBytes, p.settings.MaxRequestsBytes = 1<<20, 256<<20
	p.settings.RequestRetentionMs = 600_000
	p.stacks, p.clients, p.thinkMean = 5, 4, 100*ms
	p.keyed, p.reads, p.stale = 800_000, 400_000, 0
	return newPlannedWorld(o, p, chance)
}

// TestLinearizable gives histories to porcupine, which knows nothing of logs: the oracle's
// verdict is not the only one.
func TestLinearizable(t *testing.T) {
	count := uint64(20)
	if testing.Short() || raceEnabled {
		count = 4
	}
	checked := 0
	for seed := uint64(1); seed <= count; seed++ {
		w := linearizableRun(seed)
		mustHold(t, w, "the run")
		for stack, ops := range history(t, w) {
			checked += len(ops)
			got := porcupine.CheckOperationsTimeout(stackModel, ops, 20*time.Second)
			if got != porcupine.Ok {
				t.Errorf("seed %d, stack %d, %d operations: %v", seed, stack, len(ops), got)
			}
		}
	}
	if checked < int(count)*150 {
		t.Errorf("only %d operations checked", checked)
	}
}

// TestLinearizableFinds: a history with one stale read is refused.
func TestLinearizableFinds(t *testing.T) {
	w := linearizableRun(2)
	mustHold(t, w, "the run")
	all := history(t, w)
	for stack := range w.plan.stacks {
		ops, reads := all[stack], 0
		for i := range ops {
			if _, read := ops[i].Input.(store.GetStack); !read {
				continue
			}
			reads++
			if reads < 3 {
				continue
			}
			was := ops[i].Output.(told)
			bad := slices.Clone(ops)
			bad[i].Output = told{reply: store.Reply{Size: was.reply.Size + 1, Values: was.reply.Values}}
			if porcupine.CheckOperationsTimeout(stackModel, bad, 20*time.Second) == porcupine.Ok {
				t.Errorf("a read of one item too many is accepted")
			}
			return
		}
	}
	t.Fatal("no stack was read three times")
}
