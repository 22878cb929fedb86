package main

import (
	"strings"
	"testing"
	"time"

	"drystone/sim"
)

// TestReadsWhatTheSimulatorPrints feeds the reader with reports as package sim prints them.
func TestReadsWhatTheSimulatorPrints(t *testing.T) {
	good := sim.Report{Options: sim.Options{Seed: 2_000_001}, Nodes: 3, Took: time.Second}
	bad := sim.Report{Options: sim.Options{Seed: 2_000_007}, Nodes: 5, Property: "One Vote"}
	done := sim.Summary{Runs: 9}
	for _, c := range []struct {
		name, out, property string
		seeds, tried, seed  int
	}{
		{"survived", done.String(), "", survived, 9, 0},
		{"killed", "One Vote: n1 votes for n2 and for n3 in term 4\n" + bad.String() + "\n" +
			done.String(), "One Vote", 7, 9, 2_000_007},
		{"a good one before", good.String() + "\n" + bad.String() + "\n" + done.String(),
			"One Vote", 7, 9, 2_000_007},
	} {
		v, err := read(c.out, 2_000_001)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if want := (verdict{c.seeds, c.tried, c.seed, c.property}); v != want {
			t.Errorf("%s: %+v, not %+v", c.name, v, want)
		}
	}
	if _, err := read("exec format error", 1); err == nil {
		t.Error("an output without a verdict is taken for one")
	}
}

func TestHang(t *testing.T) {
	want := verdict{seeds: 23, tried: 23, seed: 1_000_023, property: "Hang"}
	if v := hung("11 runs, 0 failed, 10s\n22 runs, 0 failed, 20s\n", 1_000_001); v != want {
		t.Errorf("%+v, not %+v", v, want)
	}
}

func TestAssertionsAreNamed(t *testing.T) {
	r := sim.Report{Options: sim.Options{Seed: 4}, Property: "Assertion"}
	v, err := read("Assertion: raft: deletes a committed entry: n1@4 leader\ngoroutine 1\n"+
		r.String()+"\n", 1)
	if err != nil || v.property != "Assertion (raft: deletes a committed entry)" {
		t.Errorf("%q, %v", v.property, err)
	}
}

func TestParse(t *testing.T) {
	const head = "id: X1\ntitle: t\nsource: s\nbreaks: b\ncaught by: c\n"
	m, err := parse(head + "\n--- a/b.go\none\n\ntwo\n+++\n\n--- a/c.go\nthree\n+++\nfour\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []hunk{{"a/b.go", "one\n\ntwo\n", ""}, {"a/c.go", "three\n", "four\n"}}
	if m.id != "X1" || m.caught != "c" || len(m.hunks) != 2 || m.hunks[0] != want[0] ||
		m.hunks[1] != want[1] {
		t.Errorf("%+v", m)
	}
	for _, bad := range []string{
		head,
		head + "\n--- a.go\nno end\n",
		head + "\n--- a.go\n+++\nnothing before\n",
		strings.Replace(head, "title: t\n", "", 1) + "\n--- a.go\na\n+++\nb\n",
		head + "id: X2\n\n--- a.go\na\n+++\nb\n",
		head + "colour: red\n\n--- a.go\na\n+++\nb\n",
	} {
		if _, err := parse(bad); err == nil {
			t.Errorf("parsed:\n%s", bad)
		}
	}
}

func TestTable(t *testing.T) {
	all := []mutant{{id: "A1", title: "one"}, {id: "A2", title: "two"}}
	text := "before\n" + tableBegin + "\n| A2 | two | old | 1 | 1 | 1 |\n" +
		"| A9 | gone | x | 1 | 1 | 1 |\n" + tableEnd + "\nafter\n"
	o := outcome{seeds: []int{3, 1, survived}, by: []string{"One Vote", "One Vote", "Liveness"},
		tried: 30, took: 2 * time.Second}
	got, err := replaceTable(text, all, map[string]string{"A1": row(&all[0], &o)})
	if err != nil {
		t.Fatal(err)
	}
	want := "before\n" + tableBegin + "\n" + tableHead +
		"| A1 | one | One Vote ×2, Liveness ×1 | 3 | 30 | 2 |\n" +
		"| A2 | two | old | 1 | 1 | 1 |\n" + tableEnd + "\nafter\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := replaceTable("no table", all, nil); err == nil {
		t.Error("a document without a table was changed")
	}
}

func TestFailedTest(t *testing.T) {
	out := "--- FAIL: TestScripts (0.1s)\n    --- FAIL: TestScripts/5.4 (0s)\n" +
		"        --- FAIL: TestScripts/5.4/figure8 (0s)\n--- FAIL: TestOther (0s)\n"
	if got := failedTest(out); got != "TestScripts/5.4/figure8" {
		t.Errorf("%q", got)
	}
}
