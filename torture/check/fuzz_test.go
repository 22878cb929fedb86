package check

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"drystone/torture/history"
)

func written(t testing.TB, h history.History) []byte {
	t.Helper()
	var b bytes.Buffer
	w := history.NewWriter(&b, history.Header{})
	for _, op := range h.Ops {
		w.Op(op)
	}
	if err := w.End(h.End.AtNs, false); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzCheck judges any history: in time, in words, and whatever the order of its lines.
func FuzzCheck(f *testing.F) {
	for _, tell := range []func(*tale){
		func(t *tale) {
			unknown(t.push("a", 1)).Key = "k"
			t.push("a", 1).Key = "k"
			t.pop(0, "a")
			t.items()
		},
		func(t *tale) {
			t.push("a", 1)
			unknown(t.pop(0, "a")).Args.Count = math.MaxInt
			unknown(t.pop(0, "a")).Args.Count = math.MaxInt
			t.items()
		},
		func(t *tale) {
			t.push("a", 1)
			t.pop(0, "a").Args.Count = math.MaxInt
			t.items("a")
		},
		func(t *tale) {
			op := t.size(0)
			op.Code, op.Result = history.NoSuchStack, nil
			refused(t.push("b", 1))
			t.top("b", 1)
		},
	} {
		var t tale
		tell(&t)
		f.Add(written(f, t.h))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := history.Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		one := Quick(h)
		for _, p := range one.Problems {
			if p.Property == "" || p.Text == "" {
				t.Errorf("the problem is %+v", p)
			}
		}
		// What a pop of unknown outcome may have taken excuses what is gone, and accuses nobody.
		less := *h
		less.Ops = slices.Clone(h.Ops)
		for i := range less.Ops {
			if op := &less.Ops[i]; op.Op == history.Pop && op.Outcome == history.Unknown && op.Key == "" {
				op.Args.Count = 1
			}
		}
		if lost(one.Problems) && !lost(Quick(&less).Problems) {
			t.Errorf("more is gone if pops took more: %v", one.Problems)
		}
		slices.Reverse(h.Ops)
		if other := Quick(h); one.OK() != other.OK() {
			t.Errorf("%v, and from the end on: %v", one.Problems, other.Problems)
		}
		if len(h.Ops) > 8 {
			return
		}
		const limit = 5 * time.Second
		if all := All(h, limit); len(all.Undecided) > 0 {
			t.Errorf("%d operations are not decided", len(h.Ops))
		}
	})
}

func lost(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Property == Once })
}
