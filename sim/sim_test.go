package sim

import (
	"bytes"
	"hash/fnv"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

// seedsOK runs seeds and fails for each that does not hold.
func seedsOK(t *testing.T, o Options, first uint64, count int) Summary {
	t.Helper()
	s := RunMany(o, first, count, 0, nil)
	for i := range s.Failed {
		r := &s.Failed[i]
		t.Errorf("%v\n%s: %s\nreplay: %s", r, r.Property, r.Detail, r.Replay())
	}
	return s
}

// TestSeeds runs as many drawn worlds as a test may take; the long runs are the command's.
func TestSeeds(t *testing.T) {
	count := 24
	switch {
	case testing.Short():
		count = 6
	case raceEnabled:
		count = 12
	}
	s := seedsOK(t, Options{}, 1, count)
	t.Log(s.String())
	if s.Simulated < time.Duration(count)*time.Minute {
		t.Errorf("only %v simulated in %d runs", s.Simulated, count)
	}
	if s.Acked < uint64(count)*1000 {
		t.Errorf("only %d operations acknowledged in %d runs", s.Acked, count)
	}
	if count < 24 {
		return
	}
	// Which seeds reach a rare state changes with every draw: go on until all are reached.
	const most = 160
	for ; count < most && len(s.missing()) > 0; count += 8 {
		more := seedsOK(t, Options{}, 1+uint64(count), 8)
		s.merge(&more)
	}
	for _, name := range s.missing() {
		t.Errorf("none of %d runs reached or suffered %q: what it would show is not tested", count, name)
	}
}

// missing are the faults and states that no run met.
func (s *Summary) missing() (names []string) {
	for _, name := range markNames {
		if s.Reached[name] == 0 {
			names = append(names, name)
		}
	}
	for _, name := range faultNames {
		if s.Faults[name] == 0 {
			names = append(names, name)
		}
	}
	return names
}

func (s *Summary) merge(more *Summary) {
	for name, n := range more.Reached {
		s.Reached[name] += n
	}
	for name, n := range more.Faults {
		s.Faults[name] += n
	}
}

// TestSizes runs every size of cluster that may be asked for.
func TestSizes(t *testing.T) {
	for nodes := 1; nodes <= nodesMax; nodes++ {
		s := seedsOK(t, Options{Nodes: nodes, Duration: 5 * time.Second, MinOps: 50}, 100, 2)
		if s.Runs != 2 {
			t.Errorf("%d nodes: %d runs", nodes, s.Runs)
		}
	}
}

// TestDeterminism: equal Options, equal runs, to the last byte of the trace, whatever else the
// processors do.
func TestDeterminism(t *testing.T) {
	for _, seed := range []uint64{3, 7, 12} {
		o := Options{Seed: seed, Duration: 8 * time.Second, MinOps: 100}
		plain := Run(o)
		var sums []uint64
		for _, procs := range []int{1, 2} {
			before := runtime.GOMAXPROCS(procs)
			h := fnv.New64a()
			o.Trace = h
			r := Run(o)
			runtime.GOMAXPROCS(before)
			io.WriteString(h, r.String())
			sums = append(sums, h.Sum64())
			if r.Digest != plain.Digest || r.Steps != plain.Steps {
				t.Errorf("seed %d with %d processors and a trace: digest %x after %d steps, "+
					"without %x after %d", seed, procs, r.Digest, r.Steps, plain.Digest, plain.Steps)
			}
		}
		if sums[0] != sums[1] {
			t.Errorf("seed %d: two traces differ", seed)
		}
	}
	a, b := Run(Options{Seed: 3, Duration: time.Second}), Run(Options{Seed: 4, Duration: time.Second})
	if a.Digest == b.Digest {
		t.Error("two seeds, one run")
	}
}

// TestTraceColumns: the acting node's letter stands in its own column.
func TestTraceColumns(t *testing.T) {
	var out bytes.Buffer
	Run(Options{Seed: 2, Nodes: 3, Duration: time.Second, MinOps: 10, Trace: &out})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) < 100 || !strings.HasPrefix(lines[0], "seed 2: 3 nodes") {
		t.Fatalf("%d lines, the first: %q", len(lines), lines[0])
	}
	seen := map[byte]bool{}
	for _, line := range lines[5:] {
		columns := line[14:20]
		if line[12:14] != "  " || columns[1] != ' ' || columns[3] != ' ' {
			t.Fatalf("columns of %q", line)
		}
		acting := 0
		for i := 0; i < 6; i += 2 {
			if columns[i] != '.' {
				acting++
				seen[columns[i]] = true
			}
		}
		if acting > 1 {
			t.Errorf("two nodes act in %q", line)
		}
	}
	for _, letter := range []byte("BFPCL") {
		if !seen[letter] {
			t.Errorf("no node was ever %c", letter)
		}
	}
}

// TestCommand: the last line and the replay command.
func TestCommand(t *testing.T) {
	var out bytes.Buffer
	c := Command{Seed: 9, Nodes: 3, Duration: time.Second, MinOps: 10}
	ok, err := c.Run(&out)
	if !ok || err != nil {
		t.Fatalf("%v %v\n%s", ok, err, out.String())
	}
	line := strings.TrimSpace(out.String())
	if !strings.HasPrefix(line, "seed=9 nodes=3 steps=") || !strings.HasSuffix(line, "x ok") {
		t.Errorf("last line %q", line)
	}
	out.Reset()
	c.Runs, c.Workers = 3, 2
	if ok, err := c.Run(&out); !ok || err != nil || !strings.Contains(out.String(), "runs=3 ") {
		t.Errorf("%v %v\n%s", ok, err, out.String())
	}
	for _, bad := range []Command{{Nodes: 8}, {Runs: -1}, {Trace: true, Runs: 2}} {
		if _, err := bad.Run(&out); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
	r := Report{Options: Options{Seed: 5, Nodes: 2, Duration: time.Second, MinOps: 1000},
		Property: electionSafety}
	if got, want := r.Replay(), "drystone sim --seed 5 --nodes 2 --time 1s --trace"; got != want {
		t.Errorf("replay %q, want %q", got, want)
	}
	if !strings.HasSuffix(r.String(), "FAIL Election Safety") {
		t.Errorf("report %q", r.String())
	}
}
