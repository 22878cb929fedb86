package raft

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// citation is a line of comment in code that is no test.
type citation struct{ at, text string }

type citations []citation

// citedIn are the comments of a package, or of all ("").
func citedIn(t *testing.T, room string) (all citations) {
	t.Helper()
	root := ".."
	visit := func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && (name == "testdata" || name == "rafttest" ||
			strings.HasPrefix(name, ".") && name != root) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		short, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		short = strings.TrimPrefix(filepath.ToSlash(short), "raft/")
		if slices.Contains([]string{"doc.go", "rule.go", "format.go"}, short) {
			return nil // they name rules, and follow none
		}
		return all.add(path, short)
	}
	if err := filepath.WalkDir(filepath.Join(root, room), visit); err != nil {
		t.Fatal(err)
	}
	return all
}

func (c *citations) add(path, short string) error {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, nil, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, group := range f.Comments {
		for _, comment := range group.List {
			line := files.Position(comment.Pos()).Line
			*c = append(*c, citation{fmt.Sprintf("%s:%d", short, line), comment.Text})
		}
	}
	return nil
}

// of are the places that cite a rule: not Fig2/L.21 where Fig2/L.2 is meant.
func (c citations) of(cite string) (at []string) {
	word := regexp.MustCompile(regexp.QuoteMeta(cite) + `($|[^0-9.]|\.($|[^0-9]))`)
	for _, citation := range c {
		if word.MatchString(citation.text) {
			at = append(at, citation.at)
		}
	}
	return at
}

// sectionPattern matches a section of the paper, or of the thesis.
var sectionPattern = regexp.MustCompile(`(thesis )?§[0-9]+(\.[0-9]+)*`)

// sections are those that code cites, and where.
func (c citations) sections() map[string][]string {
	found := map[string][]string{}
	for _, citation := range c {
		for _, section := range sectionPattern.FindAllString(citation.text, -1) {
			found[section] = addOnce(found[section], citation.at)
		}
	}
	return found
}

// sectionRules are the sections that have a rule of their own in traces.
var sectionRules = map[string]Rule{
	"thesis §9.6": PreVote, "thesis §4.2.3": Disruption, "thesis §6.2": CheckQuorum,
	"thesis §6.4": ReadIndex, "thesis §3.10": Transfer, "thesis §10.2.1": ParallelDisk,
	"§6": Membership, "§7": Compaction,
}

// checkSections checks that the tour names every section that code cites, and no other, and beside
// it a script or a test that cites it too; and that traces show those that are rules.
func checkSections(t *testing.T, tour string, c *coverage, cited citations) (n tally) {
	t.Helper()
	shown := shownSections(t, tour)
	found := cited.sections()
	for section := range sectionRules {
		found[section] = append([]string{}, found[section]...) // also when nothing cites it
	}
	for section := range shown {
		found[section] = append([]string{}, found[section]...)
	}
	var names []string
	for section := range found {
		names = append(names, section)
	}
	slices.SortFunc(names, func(a, b string) int {
		return strings.Compare(strings.Replace(a, "§", "§ ", 1), strings.Replace(b, "§", "§ ", 1))
	})
	for _, section := range names {
		n.all++
		at, by := found[section], shown[section]
		rule, traced := sectionRules[section]
		switch {
		case len(at) == 0:
			t.Errorf("%s: no code cites it", section)
		case len(by) == 0:
			t.Errorf("%s: cited at %v; docs/raft.md names no script or test that shows it", section, at)
		case traced && len(c.rules[rule]) == 0:
			t.Errorf("%s: no script traces %v", section, rule)
		default:
			n.good++
		}
		t.Logf("%-14s shown by %s, cited at %s", section, strings.Join(by, ", "), strings.Join(at, ", "))
	}
	return n
}

func readTour(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/raft.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	scriptLink = regexp.MustCompile(`\]\(\.\./raft/(testdata/[^)]+)\)`)
	testName   = regexp.MustCompile("`([a-z/]+/[a-z0-9_]+_test\\.go): (Test[A-Za-z0-9]+)`")
)

// shownSections are the sections of the tour's table, with the scripts and tests named beside that
// do cite them.
func shownSections(t *testing.T, tour string) map[string][]string {
	t.Helper()
	shown := map[string][]string{}
	_, table, _ := strings.Cut(tour, "\n## Sections\n")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, row := range strings.Split(table, "\n") {
		cells := strings.Split(strings.Trim(row, "|"), "|")
		if len(cells) != 4 {
			continue
		}
		for _, section := range sectionPattern.FindAllString(cells[0], -1) {
			shown[section] = append([]string{}, shown[section]...)
			for _, m := range scriptLink.FindAllStringSubmatch(cells[3], -1) {
				if slices.ContainsFunc(claims(t, m[1]), cites(section)) {
					shown[section] = addOnce(shown[section], strings.TrimPrefix(m[1], "testdata/"))
				}
			}
			for _, m := range testName.FindAllStringSubmatch(cells[3], -1) {
				if cites(section)(testText(t, m[1], m[2])) {
					shown[section] = addOnce(shown[section], m[2])
				}
			}
		}
	}
	return shown
}

func cites(section string) func(string) bool {
	return func(text string) bool {
		return slices.Contains(sectionPattern.FindAllString(text, -1), section)
	}
}

// claims are the comments of a script, or of all in a directory.
func claims(t *testing.T, path string) (all []string) {
	t.Helper()
	for _, file := range scriptFiles(t) {
		if file != path && !strings.HasPrefix(file, path+"/") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var claim []string
		for _, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "#") {
				claim = append(claim, strings.TrimPrefix(line, "# "))
			}
		}
		all = append(all, strings.Join(claim, " "))
	}
	return all
}

// testText is a test with the comment above it.
func testText(t *testing.T, path, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(`(?ms)(^//[^\n]*\n)*^func ` + name + `\(t \*testing\.T\) \{\n.*?^\}`)
	found := pattern.FindString(string(text))
	if found == "" {
		t.Errorf("docs/raft.md names %s in %s, which is not there", name, path)
	}
	return found
}
