package raft

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestRules counts: every numbered rule of Figures 2 and 13, and every section that code cites, is
// cited where it is coded and shown by a script or a test.
// go test ./raft -run Rules -v prints the table.

// source is where a rule comes from, and how code cites it.
type source struct {
	rule  Rule
	group string
	cite  string // what stands in the code
	host  bool   // it is the host's to follow
}

const (
	figure2  = "Figure 2"
	figure13 = "Figure 13"
	sections = "sections"
	our      = "our own"
)

// ShowHostSteps plays what of Figure 13 is the host's, and counts how often each step was seen.
// Packages that are hosts import this one: see figure13_test.go, which is outside of it.
var ShowHostSteps func(*testing.T) map[Rule]int

var sources = func() (all []source) {
	for r := AE1; r <= L4; r++ {
		all = append(all, source{rule: r, group: figure2, cite: "Fig2/" + r.String()})
	}
	for r := IS1; r <= IS8; r++ {
		all = append(all, source{rule: r, group: figure13,
			cite: "Fig13/" + strings.TrimPrefix(r.String(), "IS."),
			// A snapshot is a file of the host, and the core hears of whole ones.
			host: r == IS2 || r == IS3 || r == IS4})
	}
	return append(all,
		source{rule: LeaderDisk, group: our, cite: "DIFFERS(4)"},
		source{rule: ConnectionLost, group: our, cite: "DIFFERS(5)"})
}()

// tally is how many of a group are cited and shown.
type tally struct{ good, all int }

func TestRules(t *testing.T) {
	c, host := replayScripts(t), ShowHostSteps(t)
	tour := readTour(t)
	here, everywhere := citedIn(t, "raft"), citedIn(t, "")
	count := map[string]tally{}
	for _, s := range sources {
		cited, shown, how := here.of(s.cite), len(c.rules[s.rule]), "scripts"
		if s.host {
			cited, shown, how = everywhere.of(s.cite), host[s.rule], "times in figure13_test.go"
		}
		if len(cited) == 0 {
			t.Errorf("%v: no line of code cites %s", s.rule, s.cite)
		}
		if shown == 0 {
			t.Errorf("%v: nothing shows it", s.rule)
		}
		toured := s.group == our || strings.Contains(tour, "\n| "+s.rule.String()+" ")
		if !toured {
			t.Errorf("%v: docs/raft.md does not say where it is", s.rule)
		}
		n := count[s.group]
		n.all++
		if len(cited) > 0 && shown > 0 && toured {
			n.good++
		}
		count[s.group] = n
		t.Logf("%-8s in %3d %s, cited at %s", s.rule, shown, how, strings.Join(cited, ", "))
	}
	count[sections] = checkSections(t, tour, c, everywhere)
	var line []string
	for _, group := range []string{figure2, figure13, sections, our} {
		n := count[group]
		line = append(line, fmt.Sprintf("%s: %d/%d", group, n.good, n.all))
	}
	t.Logf("cited and shown: %s", strings.Join(line, " · "))
	for reason := NoReason + 1; reason < reasonCount; reason++ {
		if len(c.reasons[reason]) == 0 {
			t.Errorf("no script shows the reason %q", wordings[reason].words)
		}
	}
	t.Logf("reasons: %d/%d shown; %d scripts", len(c.reasons), int(reasonCount)-1, c.scripts)
}

// coverage is what scripts show.
type coverage struct {
	scripts int
	rules   map[Rule][]string
	reasons map[Reason][]string
	cells   map[cell]int
}

// cell is one of the role × message table: what a node is, what it hears, and in which term.
type cell struct {
	role Role
	body string
	term string // older, same or newer than its own
}

func (c *coverage) event(script string, e Event) {
	c.rules[e.Rule] = addOnce(c.rules[e.Rule], script)
	c.reasons[e.Reason] = addOnce(c.reasons[e.Reason], script)
}

func (c *coverage) cell(r *Raft, m Message) {
	term := "same"
	if m.Term < r.currentTerm {
		term = "older"
	} else if m.Term > r.currentTerm {
		term = "newer"
	}
	c.cells[cell{r.role.kind(), kindOf(m.Body), term}]++
}

func kindOf(b Body) string {
	kind, _, _ := strings.Cut(bodyString(b), " ")
	return kind
}

func addOnce(to []string, s string) []string {
	if !slices.Contains(to, s) {
		to = append(to, s)
	}
	return to
}

// replayScripts plays all scripts, and looks at nothing but what they show.
func replayScripts(t *testing.T) *coverage {
	t.Helper()
	c := &coverage{
		rules: map[Rule][]string{}, reasons: map[Reason][]string{}, cells: map[cell]int{},
	}
	for _, path := range scriptFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := newScript(path)
		s.coverage = c
		c.scripts++
		for _, block := range strings.Split(string(text), "\n\n") {
			commands, _, ok := strings.Cut(block, "\n----")
			if !ok {
				continue // a comment that stands alone
			}
			if _, err := s.block(strings.Split(commands, "\n")); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		}
	}
	return c
}

// TestRoleMessageTable checks that scripts play every cell of step.go's table, in older, equal and
// newer terms.
func TestRoleMessageTable(t *testing.T) {
	c := replayScripts(t)
	kinds := []string{
		"PreVote", "PreVoteReply", "RequestVote", "VoteReply", "AppendEntries", "AppendReply",
		"Heartbeat", "HeartbeatReply", "InstallSnapshot", "SnapshotReply", "TimeoutNow",
	}
	played, all := 0, 0
	for _, role := range []Role{Follower, PreCandidate, Candidate, Leader} {
		for _, kind := range kinds {
			for _, term := range []string{"older", "same", "newer"} {
				all++
				if c.cells[cell{role, kind, term}] == 0 {
					t.Errorf("no script lets a %v hear %s of a term that is %s", role, kind, term)
					continue
				}
				played++
			}
		}
	}
	t.Logf("role × message × term: %d/%d played", played, all)
}

// TestDivergencesAreExplained checks that docs/divergence.md has an entry for every DIFFERS(n).
func TestDivergencesAreExplained(t *testing.T) {
	text, err := os.ReadFile("../docs/divergence.md")
	if err != nil {
		t.Fatal(err)
	}
	entries := regexp.MustCompile(`(?m)^## DIFFERS\(([0-9]+)\)`).FindAllSubmatch(text, -1)
	cited := citedIn(t, "raft")
	for i, e := range entries {
		n := string(e[1])
		if n != fmt.Sprint(i+1) {
			t.Errorf("docs/divergence.md: entry %d is numbered %s", i+1, n)
		}
		if len(cited.of("DIFFERS("+n+")")) == 0 {
			t.Errorf("docs/divergence.md explains DIFFERS(%s), which no code cites", n)
		}
	}
	beyond := fmt.Sprintf("DIFFERS(%d)", len(entries)+1)
	if at := citedIn(t, "").of(beyond); len(at) > 0 || len(entries) == 0 {
		t.Errorf("docs/divergence.md does not explain %s, cited at %v", beyond, at)
	}
}
