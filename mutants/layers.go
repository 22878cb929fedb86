package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// layer is a part of the suite beside the simulator.
type layer struct {
	name string
	args []string // of go test
}

// layers are those that may notice a mutant, the most telling first: what is about the algorithm,
// then the tests of what the mutant changes, then of what stands on that.
func (m *mutant) layers(root string) []layer {
	var all []layer
	if slices.Contains(m.packages(), "raft") {
		all = append(all, layer{"scripts", []string{"-run", "^TestScripts$", "./raft"}})
		if _, err := os.Stat(filepath.Join(root, "explore")); err == nil {
			all = append(all, layer{"explorer", []string{"-short", "./explore"}})
		}
	}
	for _, dir := range m.packages() {
		all = append(all, layer{dir, []string{"./" + dir}})
	}
	return append(all, layer{"others", []string{
		"-short", "./raft", "./rsm", "./replica", "./wal", "./snap", "./storage", "./node",
	}})
}

// elsewhere says which other layer notices a mutant, and by which test; "" if none does.
func elsewhere(root, dir string, m *mutant) (string, error) {
	overlay, err := m.overlay(root, dir)
	if err != nil {
		return "", err
	}
	for _, l := range m.layers(root) {
		args := []string{"test", "-overlay", overlay, "-tags", tag, "-count=1", "-timeout=5m"}
		c := exec.Command("go", append(args, l.args...)...)
		c.Dir = root
		out, err := c.CombinedOutput()
		var exit *exec.ExitError
		switch {
		case err == nil:
			continue
		case !errors.As(err, &exit):
			return "", fmt.Errorf("run %s: %w", l.name, err)
		case strings.Contains(string(out), "[build failed]"):
			return "", fmt.Errorf("%s does not build with %s:\n%s", l.name, m.id, out)
		}
		return l.name + ": " + failedTest(string(out)), nil
	}
	return "", nil
}

var failedLine = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)

// failedTest names the first test that failed, the innermost of a tree.
func failedTest(out string) string {
	name := "it fails"
	for _, m := range failedLine.FindAllStringSubmatch(out, -1) {
		if name != "it fails" && !strings.HasPrefix(m[1], name+"/") {
			break
		}
		name = m[1]
	}
	return name
}
