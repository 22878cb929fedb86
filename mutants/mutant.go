// Mutants measures the tests: it plants bugs that other systems really had, one at a time, and
// finds out who notices.
//
// A mutant is a file of testdata: what it is, where the bug was met, and pieces of code with what
// they become. The tree itself never holds any of it: a mutated binary is built with an overlay,
// and says so (`drystone version`).
//
// A mutant may also take away an assertion of the same package that states the very rule it breaks:
// whoever had made the mistake would not have written that one. All others stay.
package main

import (
	"cmp"
	"fmt"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is one planted bug.
type mutant struct {
	id     string
	title  string
	source string // where it was met
	breaks string // what goes wrong, in a sentence
	caught string // who should notice
	hunks  []hunk
}

// hunk replaces whole lines of a file, which stand there exactly once.
type hunk struct {
	file     string // from the module's root
	old, new string
}

// load reads all mutants: A1, A2, …, A12, B1.
func load(dir string) ([]mutant, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var all []mutant
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		m, err := parse(string(text))
		if err == nil && m.id+".txt" != filepath.Base(path) {
			err = fmt.Errorf("its id is %s", m.id)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no mutants in %s", dir)
	}
	slices.SortFunc(all, func(a, b mutant) int {
		return cmp.Or(cmp.Compare(a.id[0], b.id[0]), cmp.Compare(number(a.id), number(b.id)),
			cmp.Compare(a.id, b.id))
	})
	return all, nil
}

// number is the one in an id: 12 of A12, 5 of A5b.
func number(id string) (n int) {
	for _, c := range id {
		if c >= '0' && c <= '9' {
			n = 10*n + int(c-'0')
		}
	}
	return n
}

// parse reads a mutant: fields, and hunks of the form
//
//	--- file
//	lines as they are
//	+++
//	lines as they become
func parse(text string) (mutant, error) {
	head, body, found := strings.Cut(text, "\n--- ")
	if !found {
		return mutant{}, fmt.Errorf("it changes nothing")
	}
	var m mutant
	fields := map[string]*string{
		"id": &m.id, "title": &m.title, "source": &m.source, "breaks": &m.breaks,
		"caught by": &m.caught,
	}
	for line := range strings.Lines(head) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		field := fields[name]
		if field == nil || *field != "" {
			return mutant{}, fmt.Errorf("field %q is unknown, or there twice", name)
		}
		*field = strings.TrimSpace(value)
	}
	for name, field := range fields {
		if *field == "" {
			return mutant{}, fmt.Errorf("field %q is missing", name)
		}
	}
	for _, part := range strings.Split(body, "\n--- ") {
		file, lines, _ := strings.Cut(part, "\n")
		before, after, found := strings.Cut(lines, "+++\n")
		if !found || before == "" {
			return mutant{}, fmt.Errorf("a hunk of %s has no lines, or does not say what they become",
				file)
		}
		// A blank line parts hunks; the last one ends with the file.
		after = strings.TrimRight(after, "\n")
		if after != "" {
			after += "\n"
		}
		if sameCode(before, after) {
			return mutant{}, fmt.Errorf("a hunk of %s leaves the code as it is:\n%s", file, before)
		}
		m.hunks = append(m.hunks, hunk{file: file, old: before, new: after})
	}
	return m, nil
}

// sameCode says whether two pieces of Go differ in nothing but comments and space.
func sameCode(a, b string) bool {
	tokens := func(text string) (all []string) {
		var s scanner.Scanner
		file := token.NewFileSet().AddFile("", -1, len(text))
		s.Init(file, []byte(text), nil, 0)
		for {
			_, t, literal := s.Scan()
			if t == token.EOF {
				return all
			}
			if t != token.SEMICOLON {
				all = append(all, t.String()+literal)
			}
		}
	}
	return slices.Equal(tokens(a), tokens(b))
}

// files are the files that a mutant changes, with what they become, by path from the root.
func (m *mutant) files(root string) (map[string]string, error) {
	changed := map[string]string{}
	for _, h := range m.hunks {
		text, ok := changed[h.file]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, h.file))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.id, err)
			}
			text = string(b)
		}
		if n := strings.Count("\n"+text, "\n"+h.old); n != 1 {
			return nil, fmt.Errorf("%s: these lines stand %d times in %s, not once:\n%s", m.id, n,
				h.file, h.old)
		}
		head, tail, _ := strings.Cut("\n"+text, "\n"+h.old)
		changed[h.file] = (head + "\n" + h.new + tail)[1:]
	}
	return changed, nil
}

// packages are the directories of the files that a mutant changes, each once.
func (m *mutant) packages() (dirs []string) {
	seen := map[string]bool{}
	for _, h := range m.hunks {
		if dir := filepath.Dir(h.file); !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
