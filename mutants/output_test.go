package main

import (
	"os"
	"path/filepath"
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
		head + "\n--- a.go\na := 1\n+++\na := 1\n",
		head + "\n--- a.go\na := 1 // so\n+++\n\ta  := 1\n",
	} {
		if _, err := parse(bad); err == nil {
			t.Errorf("parsed:\n%s", bad)
		}
	}
}

func TestTable(t *testing.T) {
	all := []mutant{{id: "A1", title: "one"}, {id: "A2", title: "two"}}
	text := "before\n" + tableBegin + "\n| A2 | two | old | 1 | 1 | 1 | x |\n" +
		"| A9 | gone | x | 1 | 1 | 1 | x |\n\nan old summary\n" + tableEnd + "\nafter\n"
	o := outcome{seeds: []int{3, 1, survived}, by: []string{"One Vote", "One Vote"}, tried: 30,
		took: 2 * time.Second, tests: []string{"scripts: 5.2/late_vote", "explorer"}}
	rows := map[string]string{"A1": row(&all[0], &o, limits{runs: 3, seeds: 30})}
	got, err := replaceTable(text, all, rows, "killed 2\n")
	if err != nil {
		t.Fatal(err)
	}
	want := "before\n" + tableBegin + "\n" + tableHead +
		"| A1 | one | One Vote ×2, nobody ×1 | 3 | 30 | 2 | scripts: 5.2/late_vote; explorer |\n" +
		"| A2 | two | old | 1 | 1 | 1 | x |\n\nkilled 2\n" + tableEnd + "\nafter\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := replaceTable("no table", all, nil, ""); err == nil {
		t.Error("a document without a table was changed")
	}
}

// TestRowsOfSurvivors: what ended a hunt in vain stands in the table, seeds or time.
func TestRowsOfSurvivors(t *testing.T) {
	l := limits{runs: 2, seeds: 20_000, within: 10 * time.Minute}
	m := mutant{id: "F9", title: "nine"}
	none := []int{survived, survived}
	for _, c := range []struct {
		o    outcome
		want string
	}{
		{outcome{seeds: none, tried: 20_000},
			"| F9 | nine | nobody ×2 | — | 20000 | 0 | — |\n"},
		{outcome{seeds: none, tried: 300},
			"| F9 | nine | nobody ×2 (time was up after 10m0s, at 300 of 20000 seeds) " +
				"| — | 300 | 0 | — |\n"},
		{outcome{seeds: []int{7, 9}, by: []string{"Crash", "Crash"}, tried: 16},
			"| F9 | nine | Crash ×2 | 7 | 16 | 0 | — |\n"},
	} {
		if got := row(&m, &c.o, l); got != c.want {
			t.Errorf("got  %swant %s", got, c.want)
		}
	}
}

func TestSummary(t *testing.T) {
	l := limits{runs: 1, seeds: 100, within: time.Minute}
	killed := outcome{seeds: []int{4}, by: []string{"One Vote"}}
	lives := outcome{seeds: []int{survived}}
	a1, a2 := &mutant{id: "A1"}, &mutant{id: "A2"}
	const most = "At most for each: 1 runs, 100 seeds, 1m0s.\n"
	for _, c := range []struct {
		name     string
		mutants  []*mutant
		outcomes []outcome
		text     string
		good     bool
	}{
		{"all", []*mutant{a1, a2}, []outcome{killed, killed},
			"killed 2 of 2 in 0s, 0 at a time; half of them took 4 seeds at most. " + most +
				"required: all of A1.\n", true},
		{"a required one lives", []*mutant{a1}, []outcome{lives},
			"killed 0 of 1 in 0s, 0 at a time. " + most +
				"not killed: A1.\nrequired: NOT A1 of A1.\n", false},
		{"too many live", []*mutant{a2}, []outcome{lives},
			"killed 0 of 1 in 0s, 0 at a time. " + most + "not killed: A2.\n", false},
	} {
		s := summarize(c.mutants, c.outcomes, l)
		if got := s.text(); got != c.text {
			t.Errorf("%s: got\n%swant\n%s", c.name, got, c.text)
		}
		if err := s.verdict(); (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestFailedTest(t *testing.T) {
	for _, c := range []struct{ out, want string }{
		{"--- FAIL: TestScripts (0.1s)\n    --- FAIL: TestScripts/5.4 (0s)\n" +
			"        --- FAIL: TestScripts/5.4/figure8 (0s)\n--- FAIL: TestOther (0s)\nFAIL\n",
			"5.4/figure8"},
		{"panic: raft: commits beyond the log\n\ngoroutine 7 [running]:\n" +
			"drystone/wal.TestModel(0xc0001)\n", "TestModel"},
		{"--- FAIL: TestNothingIsBroken (0.04s)\n", ""},
		{"panic: test timed out after 5m0s\n\trunning tests:\n\t\tTestModel (4m59s)\n", "TestModel"},
		{"fatal error: out of memory\n", ""},
	} {
		if got := failedTest(c.out); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}

// TestProgress: the line tells what is under way; on what is no terminal nothing is shown.
func TestProgress(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "no terminal"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := newProgress(f, 3)
	p.begins("A1")
	p.begins("A2")
	p.ends("A1", true)
	if got, want := p.String(), "1 of 3 tried, 1 killed, 0s; now A2"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
	if info, err := f.Stat(); err != nil || info.Size() > 0 {
		t.Errorf("%d bytes were written, %v", info.Size(), err)
	}
}
