package tidy

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// named matches `package.Function`, `file.go: function` and `Type.Method` in documentation.
var named = regexp.MustCompile("`([a-zA-Z/0-9_]+\\.go): ?([A-Za-z0-9_.]+)`")

// TestDocsNameWhatExists keeps the tour true: a function named beside its file must be there.
func TestDocsNameWhatExists(t *testing.T) {
	functions := map[string][]string{}
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				functions[s.path] = append(functions[s.path], d.Name.Name)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if typ, ok := spec.(*ast.TypeSpec); ok {
						functions[s.path] = append(functions[s.path], typ.Name.Name)
					}
				}
			}
		}
	}
	checked := 0
	for _, doc := range documents(t) {
		for i, line := range readLines(t, doc) {
			for _, m := range named.FindAllStringSubmatch(line, -1) {
				checked++
				if !slices.Contains(functions[filepath.FromSlash(m[1])], m[2]) {
					t.Errorf("%s:%d names %s in %s, which does not exist", doc, i+1, m[2], m[1])
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d functions are named in the documentation: the pattern no longer matches",
			checked)
	}
}

// TestDocsLinks checks that every relative link leads somewhere.
func TestDocsLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	for _, doc := range documents(t) {
		for i, line := range readLines(t, doc) {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				if strings.Contains(m[1], "://") {
					continue
				}
				if _, err := os.Stat(filepath.Join(filepath.Dir(doc), m[1])); err != nil {
					t.Errorf("%s:%d links to %s, which does not exist", doc, i+1, m[1])
				}
			}
		}
	}
}

// TestDecisionsAreListed checks that every decision record is linked from the index.
func TestDecisionsAreListed(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(root, "docs/adr/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	records, err := filepath.Glob(filepath.Join(root, "docs/adr/0*.md"))
	if err != nil || len(records) == 0 {
		t.Fatalf("no decision records: %v", err)
	}
	for _, r := range records {
		if !strings.Contains(string(index), "("+filepath.Base(r)+")") {
			t.Errorf("%s is not linked from docs/adr/README.md", r)
		}
	}
}

func documents(t *testing.T) (paths []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	return paths
}
