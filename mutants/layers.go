package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// layer is a part of the suite beside the simulator's seeds.
type layer struct {
	name string
	dir  string   // of the package
	args []string // of its test binary
}

// own are all tests of a package.
func own(dir string) layer { return layer{dir, dir, []string{"-test.short"}} }

// layers are those that stand next to what a mutant changes: what is about the algorithm, then the
// tests of the packages themselves.
func (m *mutant) layers() []layer {
	var all []layer
	for _, dir := range m.packages() {
		if dir == "raft" {
			all = append(all,
				layer{"scripts", "raft", []string{"-test.run=^TestScripts$"}},
				layer{"raft", "raft", []string{"-test.short", "-test.skip=^TestScripts$"}},
				layer{"explorer", "explore", []string{"-test.short", "-test.run=^TestNothingIsBroken$"}})
			continue
		}
		all = append(all, own(dir))
	}
	return all
}

// otherLayers are tried on what those do not notice.
var otherLayers = []layer{
	own("raft"), own("rsm"), own("replica"), own("store"), own("members"), own("wal"), own("snap"),
	own("storage"), {"scenarios", "sim", []string{"-test.run=^TestScenarios$"}}, own("node"),
}

// bench builds and runs the tests of a tree.
type bench struct {
	root, dir string
	overlay   string            // "": the tree as it is
	built     map[string]string // test binaries by package
}

// noticedBy says which other layers notice a mutant, and by which test.
func (h *hunt) noticedBy(dir string, m *mutant) (tests []string, err error) {
	overlay, err := m.overlay(h.root, dir)
	if err != nil {
		return nil, err
	}
	b := bench{h.root, dir, overlay, map[string]string{}}
	try := func(l layer) error {
		test, err := b.try(l)
		if err != nil || test == "" {
			return err
		}
		tests = append(tests, test)
		return h.sound.check(l)
	}
	for _, l := range m.layers() {
		if err := try(l); err != nil {
			return tests, err
		}
	}
	for i := 0; i < len(otherLayers) && len(tests) == 0; i++ {
		if err := try(otherLayers[i]); err != nil {
			return tests, err
		}
	}
	return tests, nil
}

// soundness makes sure that tests which notice a mutant pass without it, each layer once.
type soundness struct {
	mu      sync.Mutex
	bench   bench
	checked map[string]error
}

func (s *soundness) check(l layer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err, known := s.checked[l.name]
	if known {
		return err
	}
	test, err := s.bench.try(l)
	if err == nil && test != "" {
		err = fmt.Errorf("it fails without a mutant as well: %s", test)
	}
	s.checked[l.name] = err
	return err
}

// try runs a layer and returns the test that fails, "" if none does.
func (b *bench) try(l layer) (string, error) {
	binary, err := b.build(l.dir)
	if err != nil {
		return "", err
	}
	c := exec.Command(binary, append([]string{"-test.timeout=5m"}, l.args...)...)
	c.Dir = filepath.Join(b.root, l.dir)
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "", nil
	case !errors.As(err, &exit):
		return "", fmt.Errorf("run the tests of %s: %w", l.dir, err)
	}
	return strings.TrimSuffix(l.name+": "+failedTest(string(out)), ": "), nil
}

func (b *bench) build(dir string) (string, error) {
	if b.built[dir] == "" {
		binary := filepath.Join(b.dir, dir+".test")
		args := []string{"test", "-c", "-o", binary}
		if b.overlay != "" {
			args = append(args, "-overlay", b.overlay, "-tags", tag)
		}
		c := exec.Command("go", append(args, "./"+dir)...)
		c.Dir = b.root
		if out, err := c.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build the tests of %s: %w\n%s", dir, err, out)
		}
		b.built[dir] = binary
	}
	return b.built[dir], nil
}

var (
	failedLine  = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)
	runningLine = regexp.MustCompile(`(?m)^\s+(Test\w+(?:/\S+)?) \(`) // when time is up
	panicLine   = regexp.MustCompile(`(?m)^drystone/\S+\.(Test\w+)`)
)

// failedTest names the first test that failed, the innermost of a tree; or the one under way when
// something panicked in another goroutine, or time was up.
func failedTest(out string) (test string) {
	for _, line := range []*regexp.Regexp{failedLine, runningLine, panicLine} {
		for _, m := range line.FindAllStringSubmatch(out, -1) {
			if test != "" && !strings.HasPrefix(m[1], test+"/") {
				break
			}
			test = m[1]
		}
		if test != "" {
			break
		}
	}
	for _, said := range []string{"TestScripts/", "TestScenarios/", "TestNothingIsBroken"} {
		test = strings.TrimPrefix(test, said) // by the layer's name
	}
	return test
}

// joined is how a list of tests reads in the table.
func joined(tests []string) string {
	if len(tests) == 0 {
		return "—"
	}
	return strings.Join(tests, "; ")
}
