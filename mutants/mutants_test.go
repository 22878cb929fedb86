package main

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMutantsFit keeps mutants alive: the lines that each replaces still stand where they stood,
// and what they become is Go.
func TestMutantsFit(t *testing.T) {
	root, all := loadAll(t)
	c := newTypeChecker(t, root)
	t.Run("the check can fail", func(t *testing.T) { refuses(t, c) })
	for i := range all {
		m := &all[i]
		files, err := m.files(root)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, dir := range m.packages() {
			if err := c.check(dir, files); err != nil {
				t.Errorf("%s: %v", m.id, err)
			}
		}
	}
}

func refuses(t *testing.T, c *typeChecker) {
	text, err := os.ReadFile(filepath.Join(c.root, "raft", "quorum.go"))
	if err != nil {
		t.Fatal(err)
	}
	unused := strings.Replace(string(text), "slices.Sort(indexes)", "", 1)
	err = c.check("raft", map[string]string{"raft/quorum.go": unused})
	if err == nil || !strings.Contains(err.Error(), "imported and not used") {
		t.Errorf("an import that is not used: %v", err)
	}
}

// TestTheListIsWhole keeps mutants from being dropped: what the simulator cannot kill yet stays.
func TestTheListIsWhole(t *testing.T) {
	_, all := loadAll(t)
	has := map[string]bool{}
	for i := range all {
		has[all[i].id] = true
	}
	for _, id := range strings.Fields(`A1 A2 A3 A4 A5 A6 A8 A12 B1 B2 B3 B4 B5 B7 B9 B11
		C1 C3 C4 C5 C8 D1 D2 D3 E1 E2 E3 E4 E5 F1 F3 F4 F5 F6 F7 G1 G2 G3 G4 G7 G8
		R1 R2 R3 R4 R5 R6 R7 L1 L2 L3 L4 L5 L6 L7`) {
		if !has[id] {
			t.Errorf("mutant %s is missing", id)
		}
	}
}

// TestNoBuildHoldsAMutant makes sure that nothing but an overlay adds what tells a mutated binary.
func TestNoBuildHoldsAMutant(t *testing.T) {
	root, _ := loadAll(t)
	context := build.Default
	context.BuildTags = append(context.BuildTags, tag)
	tagged, err := context.ImportDir(filepath.Join(root, "cmd", "drystone"), 0)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := build.Default.ImportDir(filepath.Join(root, "cmd", "drystone"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(tagged.GoFiles) != len(plain.GoFiles) || len(plain.GoFiles) == 0 {
		t.Errorf("the tag %s changes what is built: %v, without it %v", tag, tagged.GoFiles,
			plain.GoFiles)
	}
}

func loadAll(t *testing.T) (root string, all []mutant) {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	if all, err = load("testdata"); err != nil {
		t.Fatal(err)
	}
	return root, all
}

// typeChecker checks packages of this module with some files replaced, against the compiled others.
type typeChecker struct {
	root  string
	fset  *token.FileSet
	from  types.Importer
	files map[string]*ast.File // as they are, by path from the root
}

func newTypeChecker(t *testing.T, root string) *typeChecker {
	t.Helper()
	c := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export", "./cmd/drystone")
	c.Dir = root
	out, err := c.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	compiled := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p struct{ ImportPath, Export string }
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		compiled[p.ImportPath] = p.Export
	}
	fset := token.NewFileSet()
	open := func(path string) (io.ReadCloser, error) { return os.Open(compiled[path]) }
	return &typeChecker{
		root: root, fset: fset, from: importer.ForCompiler(fset, "gc", open),
		files: map[string]*ast.File{},
	}
}

// check checks the package in dir.
func (c *typeChecker) check(dir string, replaced map[string]string) error {
	p, err := build.Default.ImportDir(filepath.Join(c.root, dir), 0)
	if err != nil {
		return err
	}
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := c.parse(dir+"/"+name, replaced)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	config := types.Config{Importer: c.from}
	_, err = config.Check("drystone/"+dir, c.fset, files, nil)
	return err
}

func (c *typeChecker) parse(path string, replaced map[string]string) (*ast.File, error) {
	if text, ok := replaced[path]; ok {
		return parser.ParseFile(c.fset, path, text, 0)
	}
	if f := c.files[path]; f != nil {
		return f, nil
	}
	f, err := parser.ParseFile(c.fset, filepath.Join(c.root, path), nil, 0)
	c.files[path] = f
	return f, err
}
