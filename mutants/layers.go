package main

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// layer is a part of the suite beside the simulator's seeds.
type layer struct {
	name string   // "": the package that noticed
	args []string // of go test
}

// layers are those that stand next to what a mutant changes: what is about the algorithm, then the
// tests of the packages themselves.
func (m *mutant) layers() []layer {
	var all []layer
	for _, dir := range m.packages() {
		if dir == "raft" {
			all = append(all, layer{"scripts", []string{"-run", "^TestScripts$", "./raft"}},
				layer{"explorer", []string{"-run", "^TestNothingIsBroken$", "-short", "./explore"}})
		}
		all = append(all, layer{"", []string{"-short", "-skip", "^TestScripts$", "./" + dir}})
	}
	return all
}

// otherLayers are tried on what those do not notice.
var otherLayers = []layer{
	{"", []string{"-short", "./raft", "./rsm", "./replica", "./store", "./members", "./wal",
		"./snap", "./storage"}},
	{"scenarios", []string{"-run", "^TestScenarios$", "./sim"}},
	{"", []string{"-short", "./node"}},
}

// noticedBy says which other layers notice a mutant, and by which test.
func noticedBy(root, dir string, m *mutant) (tests []string, err error) {
	overlay, err := m.overlay(root, dir)
	if err != nil {
		return nil, err
	}
	try := func(l layer) error {
		args := []string{"test", "-overlay", overlay, "-tags", tag, "-count=1", "-timeout=5m"}
		c := exec.Command("go", append(args, l.args...)...)
		c.Dir = root
		out, err := c.CombinedOutput()
		var exit *exec.ExitError
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &exit):
			return fmt.Errorf("run the tests: %w", err)
		case strings.Contains(string(out), "[build failed]"):
			return fmt.Errorf("the tests do not build:\n%s", out)
		}
		where, test := failedTest(string(out))
		if l.name != "" {
			where = l.name
		}
		tests = append(tests, strings.TrimSuffix(where+": "+test, ": "))
		return nil
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

var (
	failedLine = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)
	failedPack = regexp.MustCompile(`(?m)^FAIL\s+drystone/(\S+)`)
	runningOne = regexp.MustCompile(`(?m)^\s+(Test\w+(?:/\S+)?) \(`)
)

// failedTest names the first test that failed, the innermost of a tree, and its package. A test
// that ran out of time is named by the test binary among those that run.
func failedTest(out string) (where, test string) {
	if m := failedPack.FindStringSubmatch(out); m != nil {
		where = m[1]
	}
	all := failedLine.FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		all = runningOne.FindAllStringSubmatch(out, 1)
	}
	for _, m := range all {
		if test != "" && !strings.HasPrefix(m[1], test+"/") {
			break
		}
		test = m[1]
	}
	return where, strings.TrimPrefix(strings.TrimPrefix(test, "TestScripts/"), "TestScenarios/")
}

// joined is how a list of tests reads in the table.
func joined(tests []string) string {
	if len(tests) == 0 {
		return "—"
	}
	return strings.Join(slices.Compact(tests), "; ")
}
