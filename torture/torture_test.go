package torture

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"drystone/internal/proc"
	"drystone/torture/check"
	"drystone/torture/history"
)

func TestMain(m *testing.M) { os.Exit(proc.Main(m)) }

func options(t *testing.T) Options {
	return Options{
		Nodes: 3, For: 3 * time.Second, Faults: FaultNames(), Engine: "native", Seed: 1, Clients: 9,
		Rate: 200, File: filepath.Join(t.TempDir(), "history.jsonl"), Binary: proc.Binary(t),
		Version: "test", Dir: t.TempDir(),
	}
}

func read(t *testing.T, path string) *history.History {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := history.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestRun: a few bad seconds break nothing, leave nothing behind, and give a history that a check
// takes; and refuses once it was tampered with.
func TestRun(t *testing.T) {
	t.Parallel()
	o := options(t)
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r)
	if !r.OK() {
		t.Fatalf("%v; logs in %s", r.Problems, r.Kept)
	}
	faults := 0
	for _, n := range r.Faults {
		faults += n
	}
	if r.Acked < 50 || r.Pushes < 20 || faults < 2 || r.Stacks < 3 {
		t.Errorf("hardly anything was done: %s", r)
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	h := read(t, o.File)
	if len(h.Faults) != faults || int64(len(h.Ops)) != r.Ops || h.Header.Seed != 1 {
		t.Errorf("the history has %d faults and %d operations, the run %d and %d", len(h.Faults),
			len(h.Ops), faults, r.Ops)
	}
	if verdict := check.All(h, 20*time.Second); !verdict.OK() {
		t.Errorf("%v, undecided %v", verdict.Problems, verdict.Undecided)
	}
	tamper(t, o.File)
}

// tamper changes one answer of a real history at a time.
func tamper(t *testing.T, path string) {
	t.Helper()
	for _, x := range []struct {
		name, property string
		at             func(*history.Op) bool // the last such operation is changed
		change         func(*history.Op)
	}{
		{"values vanish from the last read", check.Once, fullest(t, path),
			func(op *history.Op) { op.Result.Values, op.Result.Size = nil, 0 }},
		{"a value is there twice", check.Once, fullest(t, path),
			func(op *history.Op) { op.Result.Values[0] = op.Result.Values[1] }},
		{"a read is stale", check.Linearizable,
			func(op *history.Op) bool { return op.Op == history.Size && op.Result != nil },
			func(op *history.Op) { op.Result.Size += 20 }},
		{"an acknowledged push was none", check.Linearizable,
			func(op *history.Op) bool {
				return op.Op == history.Push && op.Outcome == history.Applied && op.Key == ""
			},
			func(op *history.Op) { op.Outcome, op.Code, op.Result = history.NotApplied, "no_leader", nil }},
		{"a repeat gets another answer", check.Repeats,
			func(op *history.Op) bool {
				return op.Op == history.Push && op.Result != nil && op.Result.Replayed
			},
			func(op *history.Op) { op.Result.Size++ }},
		{"an index goes back", check.Monotone,
			func(op *history.Op) bool { return op.Op == history.Items && op.Result != nil },
			func(op *history.Op) { op.Result.Index = 2 }},
	} {
		h := read(t, path)
		slices.Reverse(h.Ops)
		i := slices.IndexFunc(h.Ops, func(op history.Op) bool { return x.at(&op) })
		slices.Reverse(h.Ops)
		if i < 0 {
			t.Errorf("%s: the history has no such operation", x.name)
			continue
		}
		x.change(&h.Ops[len(h.Ops)-1-i])
		verdict := check.All(h, 20*time.Second)
		if !slices.ContainsFunc(verdict.Problems, func(p check.Problem) bool {
			return p.Property == x.property
		}) {
			t.Errorf("%s: %v, undecided %v", x.name, verdict.Problems, verdict.Undecided)
		}
	}
}

// fullest finds the last read of the stack with the most items.
func fullest(t *testing.T, path string) func(*history.Op) bool {
	t.Helper()
	most := 1
	for _, op := range read(t, path).Ops {
		if op.Op == history.Items && op.Result != nil {
			most = max(most, op.Result.Size)
		}
	}
	return func(op *history.Op) bool {
		return op.Op == history.Items && op.Result != nil && op.Result.Size == most
	}
}

// TestInterrupted: a run that is given up leaves no process and no directory, and its history is
// whole.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.For = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	var pids []int
	o.Progress = func(p Progress) {
		if p.Acked > 20 && pids == nil {
			pids = children(t, o.Dir)
			cancel()
		}
	}
	r, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || len(r.Problems) > 0 {
		t.Errorf("interrupted=%v, %v", r.Interrupted, r.Problems)
	}
	if len(pids) == 0 {
		t.Error("no process was seen while it ran")
	}
	for _, pid := range pids {
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("process %d is left", pid)
		}
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	h := read(t, o.File)
	if verdict := check.All(h, 20*time.Second); !h.End.Interrupted || !verdict.OK() {
		t.Errorf("interrupted=%v, %v, undecided %v", h.End.Interrupted, verdict.Problems,
			verdict.Undecided)
	}
}

// children are the processes whose command line names a directory.
func children(t *testing.T, dir string) (pids []int) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		words, err := os.ReadFile(link)
		if err != nil || !strings.Contains(string(words), dir) {
			continue // it has ended, or is another's
		}
		pid := 0
		for _, digit := range strings.Split(link, "/")[2] {
			pid = 10*pid + int(digit-'0')
		}
		pids = append(pids, pid)
	}
	return pids
}

// TestCannotBegin: nodes that refuse their flags end the run at once, in words, with nothing left.
func TestCannotBegin(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Engine = "steam"
	_, err := Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "steam") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(o.File); !os.IsNotExist(err) {
		t.Errorf("a history of nothing is left: %v", err)
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}
