package explore

import (
	"flag"
	"testing"
	"time"

	"drystone/raft"
)

var exploreTime = flag.Duration("explore.time", 0,
	"explore the full bounds, each for so long at most; 0: small ones")

// small bounds are explored with every run of the tests. A cap keeps the greater ones short.
var small = []struct {
	bounds Bounds
	cap    int
}{
	{Bounds{Voters: 1, Elections: 2, Entries: 2, Crashes: 2, Stalls: 1, Snapshots: 1}, 0},
	{Bounds{Voters: 2, Elections: 2, Entries: 1, Crashes: 1, Duplicates: 1}, 0},
	{Bounds{Voters: 2, Elections: 2, Crashes: 1, Stalls: 1, Snapshots: 1}, 0},
	{Bounds{Voters: 2, Elections: 2, Crashes: 1, Stalls: 1, Exact: true}, 0},
	{Bounds{Voters: 1, Others: 1, Elections: 2, Adds: 1, Removes: 1}, 0},
	{Bounds{Voters: 3, Elections: 2, Duplicates: 1}, 0},
	{Bounds{Voters: 3, Elections: 2, Entries: 2, Crashes: 1, Duplicates: 1, Stalls: 1}, 8_000},
	{Bounds{Voters: 3, Others: 1, Elections: 2, Adds: 1, Removes: 1}, 8_000},
}

// full bounds are what `make explore` goes through.
var full = []Bounds{
	{Voters: 1, Elections: 4, Entries: 4, Crashes: 3, Stalls: 4, Snapshots: 2},
	{Voters: 2, Elections: 2, Entries: 2, Crashes: 1, Duplicates: 1, Stalls: 1, Snapshots: 1},
	{Voters: 2, Elections: 2, Entries: 1, Crashes: 1, Duplicates: 1, Stalls: 1, Exact: true},
	{Voters: 3, Elections: 2, Entries: 2},
	{Voters: 3, Elections: 2, Entries: 1, Crashes: 1, Duplicates: 1},
	{Voters: 2, Others: 1, Elections: 2, Adds: 1, Removes: 1},
	{Voters: 3, Elections: 2, Entries: 2, Crashes: 1},
	{Voters: 3, Elections: 2, Entries: 2, Crashes: 1, Duplicates: 1},
	{Voters: 3, Elections: 2, Entries: 1, Crashes: 1, Duplicates: 1, Stalls: 1},
	{Voters: 3, Others: 1, Elections: 2, Adds: 1, Removes: 1},
}

// mostWorlds keeps what a search remembers of worlds below 5 GiB.
const mostWorlds = 120_000_000

// TestNothingIsBroken goes through small bounds, or with -explore.time through the full ones.
func TestNothingIsBroken(t *testing.T) {
	if *exploreTime > 0 {
		for _, b := range full {
			end := time.Now().Add(*exploreTime)
			timed(t, b, Options{
				MaxWorlds: mostWorlds, Stop: func() bool { return time.Now().After(end) },
			})
		}
		return
	}
	for _, c := range small {
		r := timed(t, c.bounds, Options{MaxWorlds: c.cap})
		if r.Exhausted != (c.cap == 0) {
			t.Errorf("exhausted: %v; the cap is %d", r.Exhausted, c.cap)
		}
	}
}

func timed(t *testing.T, b Bounds, o Options) Result {
	t.Helper()
	start := time.Now()
	r := Search(b, o)
	took := time.Since(start)
	t.Logf("%v; %v, %.0f worlds/s", r, took.Round(time.Millisecond),
		float64(r.Worlds)/took.Seconds())
	if r.Violation != nil {
		t.Errorf("%s\n%s", r.Report(), r.Script())
	}
	return r
}

// TestRunsAreEqual: equal bounds, equal search.
func TestRunsAreEqual(t *testing.T) {
	b := Bounds{Voters: 3, Elections: 2}
	if one, two := Search(b, Options{}).String(), Search(b, Options{}).String(); one != two {
		t.Errorf("two runs differ:\n%s\n%s", one, two)
	}
}

// TestNamesDoNotMatter: with names, every world of two nodes is there twice, but for those that
// look the same from both sides.
func TestNamesDoNotMatter(t *testing.T) {
	b := Bounds{Voters: 2, Elections: 2, Entries: 1, Duplicates: 1}
	anonymous := Search(b, Options{})
	b.Named = true
	named := Search(b, Options{})
	if same := 2*anonymous.Worlds - named.Worlds; same < 1 || same > anonymous.Worlds/100 {
		t.Errorf("%d of %d worlds are their own mirror image\n%v\n%v", same, anonymous.Worlds,
			anonymous, named)
	}
}

func some(e *explorer, w *world, is func(*node) bool) bool { return count(e, w, is) > 0 }

func count(e *explorer, w *world, is func(*node) bool) (n int) {
	for _, id := range w.nodes[:e.bounds.nodes()] {
		if is(e.nodes[id]) {
			n++
		}
	}
	return n
}

func leaders(e *explorer, w *world) int { return count(e, w, (*node).leads) }

// holding: the first entry is of a term.
func holding(t raft.Term) func(*node) bool {
	return func(n *node) bool {
		s, ok := n.log.at(1)
		return ok && s.term == t
	}
}

// TestReaches: the search comes to where it hurts.
func TestReaches(t *testing.T) {
	for _, c := range []struct {
		name   string
		bounds Bounds
		goal   func(*explorer, *world) bool
	}{
		{"two leaders at a time", Bounds{Voters: 3, Elections: 2},
			func(e *explorer, w *world) bool { return leaders(e, w) == 2 }},
		{"logs in conflict", Bounds{Voters: 3, Elections: 2},
			func(e *explorer, w *world) bool {
				return some(e, w, holding(1)) && some(e, w, holding(2))
			}},
		{"an entry committed without its leader's disk",
			Bounds{Voters: 3, Elections: 1, Stalls: 1},
			func(e *explorer, w *world) bool {
				return some(e, w, func(n *node) bool {
					return n.leads() && int(n.status.Commit) > n.onDisk.last()
				})
			}},
		{"a write lost in a crash after its entry was sent",
			Bounds{Voters: 2, Elections: 1, Stalls: 1, Crashes: 1},
			func(e *explorer, w *world) bool {
				return w.used[crashes] == 1 && e.nodes[w.nodes[0]].log.last() == 0 &&
					e.nodes[w.nodes[1]].log.last() == 1
			}},
		{"a leader that has removed itself",
			Bounds{Voters: 2, Elections: 1, Removes: 1},
			func(e *explorer, w *world) bool {
				return leaders(e, w) == 0 && len(e.histories[w.history]) == 3
			}},
		{"a voter added and another removed",
			Bounds{Voters: 2, Others: 1, Elections: 1, Adds: 1, Removes: 1},
			func(e *explorer, w *world) bool { return len(e.histories[w.history]) == 5 }},
		{"a snapshot installed",
			Bounds{Voters: 2, Others: 1, Elections: 1, Adds: 1, Snapshots: 1},
			func(e *explorer, w *world) bool {
				return e.nodes[w.nodes[2]].disk.snap.LastIncludedIndex > 0
			}},
	} {
		r := Search(c.bounds, Options{goal: c.goal, MaxWorlds: 100_000})
		if r.Violation == nil || r.Violation.Property != "goal" {
			t.Errorf("%s: never\n%v", c.name, r)
			continue
		}
		t.Logf("%s: %d actions, %d worlds", c.name, len(r.Path), r.Worlds)
	}
}

// TestScript: a path can be kept as a script of raft's.
func TestScript(t *testing.T) {
	r := Search(Bounds{Voters: 2, Elections: 1, Entries: 1, Crashes: 1, Stalls: 1}, Options{
		goal: func(_ *explorer, w *world) bool { return w.used == used{1, 1, 1, 0, 1} },
	})
	const want = `cluster nodes=2 members=(1 2)
step n2@0 → n1 TimeoutNow
deliver n1→n2 RequestVote transfer last=0@0 first
deliver n2→n1 VoteReply granted first
deliver n1→n2 AppendEntries prev=0@0 1@1 commit=0 first
disk n1 manual
propose n1 x
crash n1
disk n1 auto
restart n1
`
	if r.Script() != want {
		t.Errorf("%v\n%s\n%s", r, r.Script(), r.Report())
	}
}
