package raft

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestRules counts: every rule of the paper that this package follows is cited where it is coded,
// and shown by a script. go test ./raft -run Rules -v prints the table.

// source is where a rule comes from, and how code cites it.
type source struct {
	rule  Rule
	group string
	cite  string // what stands in the code
	host  string // file: function, for what is the host's
}

const (
	figure2  = "Figure 2"
	figure13 = "Figure 13"
	sections = "sections"
	our      = "our own"
)

var sources = func() (all []source) {
	for r := AE1; r <= L4; r++ {
		all = append(all, source{rule: r, group: figure2, cite: "Fig2/" + r.String()})
	}
	for r := IS1; r <= IS8; r++ {
		all = append(all, source{rule: r, group: figure13,
			cite: "Fig13/" + strings.TrimPrefix(r.String(), "IS.")})
	}
	// Steps 2 to 4 move bytes: a snapshot is a file of the host, and the core hears of whole ones.
	for r, host := range map[Rule]string{
		IS2: "snap/snap.go: Save", IS3: "snap/write.go: Write", IS4: "replica/replica.go: Shipped",
	} {
		all[r-1].host = host
	}
	for _, r := range []Rule{
		PreVote, Disruption, CheckQuorum, ReadIndex, Transfer, ParallelDisk, Membership, Compaction,
	} {
		all = append(all, source{rule: r, group: sections, cite: r.String()})
	}
	return append(all,
		source{rule: LeaderDisk, group: our, cite: "DIFFERS(4)"},
		source{rule: ConnectionLost, group: our, cite: "DIFFERS(5)"})
}()

func TestRules(t *testing.T) {
	c := replayScripts(t)
	count := map[string][3]int{} // rules; cited and shown here; the host's
	for _, s := range sources {
		n := count[s.group]
		n[0]++
		if s.host != "" {
			n[2]++
			count[s.group] = n
			checkHost(t, s)
			t.Logf("%-8s %-14s host: %s", s.rule, "", s.host)
			continue
		}
		cited, shown := citations(t, s.cite), len(c.rules[s.rule])
		if len(cited) == 0 {
			t.Errorf("%v: no line of this package cites %s", s.rule, s.cite)
		}
		if shown == 0 {
			t.Errorf("%v: no script shows it", s.rule)
		}
		if len(cited) > 0 && shown > 0 {
			n[1]++
		}
		count[s.group] = n
		t.Logf("%-8s in %3d scripts, cited at %s", s.rule, shown, strings.Join(cited, ", "))
	}
	for _, group := range []string{figure2, figure13, sections, our} {
		n := count[group]
		rest := ""
		if n[2] > 0 {
			rest = fmt.Sprintf(" (the other %d move bytes, and are the host's)", n[2])
		}
		t.Logf("%s: %d/%d cited and shown%s", group, n[1], n[0], rest)
	}
	for reason := NoReason + 1; reason < reasonCount; reason++ {
		if len(c.reasons[reason]) == 0 {
			t.Errorf("no script shows the reason %q", wordings[reason].words)
		}
	}
	t.Logf("reasons: %d/%d shown; %d scripts", len(c.reasons), int(reasonCount)-1, c.scripts)
}

// citations are the places in this package's code that cite something.
func citations(t *testing.T, cite string) (at []string) {
	t.Helper()
	// Not §6.4 where §6 is meant, nor Fig2/L.2 where Fig2/L.21 were.
	word := regexp.MustCompile(regexp.QuoteMeta(cite) + `($|[^0-9.]|\.($|[^0-9]))`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") ||
			slices.Contains([]string{"doc.go", "rule.go", "format.go"}, path) {
			continue // they name rules, and follow none
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if _, comment, ok := strings.Cut(line, "//"); ok && word.MatchString(comment) {
				at = append(at, fmt.Sprintf("%s:%d", path, i+1))
			}
		}
	}
	return at
}

// checkHost checks that a rule which is the host's lives where the table says.
func checkHost(t *testing.T, s source) {
	t.Helper()
	path, function, _ := strings.Cut(s.host, ": ")
	text, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Errorf("%v: %v", s.rule, err)
	}
	if !regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + function + `\(`).Match(text) {
		t.Errorf("%v: there is no %s in %s", s.rule, function, path)
	}
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
	for i, e := range entries {
		n := string(e[1])
		if n != fmt.Sprint(i+1) {
			t.Errorf("docs/divergence.md: entry %d is numbered %s", i+1, n)
		}
		if len(citations(t, "DIFFERS("+n+")")) == 0 {
			t.Errorf("docs/divergence.md explains DIFFERS(%s), which no code cites", n)
		}
	}
	beyond := fmt.Sprintf("DIFFERS(%d)", len(entries)+1)
	if at := citations(t, beyond); len(at) > 0 || len(entries) == 0 {
		t.Errorf("docs/divergence.md does not explain %s, cited at %v", beyond, at)
	}
}
