// Package tidy holds the house rules as a test, so that review can be about the rest.
package tidy

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const root = "../.."

// layers says which rooms of the house each room may import. Nothing points up.
var layers = map[string][]string{
	"raft":      {},
	"cow":       {},
	"disk":      {},
	"roster":    {},
	"rsm":       {"cow"},
	"store":     {"rsm", "cow"},
	"wire":      {"raft", "rsm"},
	"etcdraft":  {"raft"},
	"wal":       {"raft", "disk"},
	"snap":      {"raft", "disk"},
	"storage":   {"raft", "disk", "wal", "snap"},
	"replica":   {"raft", "rsm"},
	"transport": {"raft", "rsm", "wire"},
	"members":   {"raft", "roster", "rsm", "wire", "storage"},
	"node": {"raft", "roster", "rsm", "disk", "wire", "storage", "replica", "transport",
		"members"},
	"explore": {"raft"},
	"sim": {"raft", "roster", "rsm", "store", "disk", "wal", "wire", "storage", "replica",
		"members"},
	"httpapi":       {"rsm", "store"},
	"client":        {},
	"internal/tidy": {},
	// Real processes on bad days.
	"torture": {"rsm", "internal/ports", "internal/proc/child", "torture/check", "torture/history",
		"torture/proxy"},
	"torture/proxy":   {"wire"},
	"torture/history": {},
	"torture/check":   {"torture/history"},
	"internal/ports":  {},
	// Tests.
	"internal/proc":       {"rsm", "internal/ports", "internal/proc/child"},
	"internal/proc/child": {},
	"internal/rafttest":   {"raft", "replica"},
	"mutants":             {},
}

// pure rooms are deterministic: equal inputs give equal outputs.
var pure = []string{"raft", "etcdraft", "explore", "roster", "cow", "rsm", "store", "replica",
	"members"}

var impureImports = []string{"time", "os", "net", "sync", "sync/atomic", "context", "log",
	"log/slog", "math/rand", "crypto/rand", "runtime", "unsafe"}

// stdlibOnly rooms import nothing from outside but golang.org/x/sys.
var stdlibOnly = []string{"raft", "explore", "roster", "cow", "rsm", "store", "disk", "wire", "wal",
	"snap", "storage", "replica", "members", "transport", "node", "client", "httpapi"}

// allowedModules is the list of the design and its decisions; a new one needs a decision record.
var allowedModules = []string{
	"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/BurntSushi/toml",
	"github.com/lmittmann/tint", "go.etcd.io/raft/v3",
	"golang.org/x/sys", "golang.org/x/term", "github.com/anishathalye/porcupine",
	// Tests only.
	"github.com/cockroachdb/datadriven", "go.uber.org/goleak",
	"github.com/google/go-cmp", "github.com/rogpeppe/go-internal", "pgregory.net/rapid",
}

type source struct {
	path, room string
	test       bool
	file       *ast.File
	lines      []string
}

var fset = token.NewFileSet()

// sources are all Go files of the repository.
func sources(t *testing.T) (all []source) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		all = append(all, source{
			path: rel, room: filepath.ToSlash(filepath.Dir(rel)),
			test: strings.HasSuffix(name, "_test.go"), file: file, lines: readLines(t, path),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("found only %d Go files below %s", len(all), root)
	}
	return all
}

func readLines(t *testing.T, path string) (lines []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		lines = append(lines, s.Text())
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func imports(s source) (paths []string) {
	for _, i := range s.file.Imports {
		paths = append(paths, strings.Trim(i.Path.Value, `"`))
	}
	return paths
}

func TestLayers(t *testing.T) {
	for _, s := range sources(t) {
		below, known := layers[s.room]
		if s.test {
			continue
		}
		if !known && !strings.HasPrefix(s.room, "cmd/") && s.room != "." {
			t.Errorf("%s: room %q has no layer; add it to the table and to ARCHITECTURE.md", s.path,
				s.room)
		}
		for _, path := range imports(s) {
			room, ours := strings.CutPrefix(path, "drystone/")
			if known && ours && !slices.Contains(below, room) {
				t.Errorf("%s imports %s: %s may import only %v", s.path, path, s.room, below)
			}
			foreign := strings.Contains(strings.Split(path, "/")[0], ".")
			if foreign && slices.Contains(stdlibOnly, s.room) &&
				!strings.HasPrefix(path, "golang.org/x/sys/") {
				t.Errorf("%s imports %s: %s uses the standard library only", s.path, path, s.room)
			}
		}
	}
}

func TestPurity(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !slices.Contains(pure, s.room) {
			continue
		}
		for _, path := range imports(s) {
			if slices.Contains(impureImports, path) {
				t.Errorf("%s imports %s: %s is deterministic", s.path, path, s.room)
			}
		}
		maps := mapNames(s)
		ast.Inspect(s.file, func(n ast.Node) bool {
			at := func() token.Position { return fset.Position(n.Pos()) }
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: go statement: %s starts no goroutine", at(), s.room)
			case *ast.SelectStmt, *ast.ChanType, *ast.SendStmt:
				t.Errorf("%s: channel: %s knows no goroutines", at(), s.room)
			case *ast.RangeStmt:
				if name := lastName(n.X); slices.Contains(maps, name) {
					t.Errorf("%s: range over the map %s: its order differs from run to run; use "+
						"slices.Sorted(maps.Keys(…))", at(), name)
				}
			case *ast.BasicLit:
				if n.Kind == token.STRING && strings.Contains(n.Value, "%p") {
					t.Errorf("%s: %%p prints an address, which differs from run to run", at())
				}
			}
			return true
		})
	}
}

// mapNames are the fields and variables of a file that are declared with a map type.
func mapNames(s source) (names []string) {
	add := func(typ ast.Expr, ids ...*ast.Ident) {
		if _, ok := typ.(*ast.MapType); ok {
			for _, id := range ids {
				names = append(names, id.Name)
			}
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			add(n.Type, n.Names...)
		case *ast.ValueSpec:
			add(n.Type, n.Names...)
		case *ast.AssignStmt:
			for i, r := range n.Rhs {
				id, isName := n.Lhs[min(i, len(n.Lhs)-1)].(*ast.Ident)
				if !isName {
					continue
				}
				switch r := r.(type) {
				case *ast.CompositeLit:
					add(r.Type, id)
				case *ast.CallExpr:
					if f, ok := r.Fun.(*ast.Ident); ok && f.Name == "make" {
						add(r.Args[0], id)
					}
				}
			}
		}
		return true
	})
	return names
}

func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func TestFiles(t *testing.T) {
	const linesMax, columnsMax = 500, 100
	shapeless := []string{"util", "utils", "common", "helpers", "base", "misc", "pkg"}
	for _, s := range sources(t) {
		if !s.test && len(s.lines) > linesMax {
			t.Errorf("%s has %d lines, at most %d: one idea a file", s.path, len(s.lines), linesMax)
		}
		if slices.Contains(shapeless, s.file.Name.Name) {
			t.Errorf("%s: package %s says nothing of what it holds", s.path, s.file.Name.Name)
		}
		for i, line := range s.lines {
			width := utf8.RuneCountInString(line)
			if width > columnsMax && !strings.Contains(line, "`") &&
				!strings.Contains(line, "//go:") {
				t.Errorf("%s:%d has %d columns, at most %d", s.path, i+1, width, columnsMax)
			}
			for _, word := range []string{"FIX" + "ME", "TO" + "DO", "t.Sk" + "ip("} {
				if strings.Contains(line, word) {
					t.Errorf("%s:%d: %s: finish it, or say it in a decision record", s.path, i+1, word)
				}
			}
			if s.test && strings.Contains(line, "time.Sl"+"eep") {
				t.Errorf("%s:%d: a test that sleeps is slow when it passes and wrong when it fails",
					s.path, i+1)
			}
		}
	}
}

func TestModules(t *testing.T) {
	for _, line := range readLines(t, filepath.Join(root, "go.mod")) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		indirect := strings.Contains(line, "// indirect")
		if len(fields) < 2 || !strings.HasPrefix(fields[1], "v") || indirect {
			continue
		}
		if !slices.Contains(allowedModules, fields[0]) {
			t.Errorf("go.mod requires %s: not on the list of docs/adr", fields[0])
		}
	}
}
