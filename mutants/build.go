package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tag guards the file by which a mutated binary says what it is. No file of the tree has it.
const tag = "mutants"

// versionSuffix is what it adds to its version.
const versionSuffix = "+mutant.%s"

// signature is that file, of package main in cmd/drystone.
const signature = `//go:build ` + tag + `

package main

func init() { version += "` + versionSuffix + `" }
`

// moduleRoot is the directory of go.mod.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if mod == "" || mod == os.DevNull {
		return "", fmt.Errorf("find the module: run this in the repository")
	}
	return filepath.Dir(mod), nil
}

// overlay writes a mutant's files into dir and returns the path of what `go build -overlay` wants.
func (m *mutant) overlay(root, dir string) (string, error) {
	files, err := m.files(root)
	if err != nil {
		return "", err
	}
	files["cmd/drystone/mutant.go"] = fmt.Sprintf(signature, m.id)
	replace := map[string]string{}
	for name, text := range files {
		at := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, name)] = at
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, b, 0o600)
}

// buildBinary makes the binary of a mutant, or without one the binary as it is. dir is room for the
// overlay.
func buildBinary(root, dir, binary string, m *mutant) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	args := []string{"build", "-o", binary}
	if m != nil {
		overlay, err := m.overlay(root, dir)
		if err != nil {
			return err
		}
		args = append(args, "-overlay", overlay, "-tags", tag)
	}
	c := exec.Command("go", append(args, "./cmd/drystone")...)
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
}
