// Package proc runs real drystone processes for tests: built binaries on free loopback ports,
// killed, paused and restarted by their process id. Whatever a test starts ends with the test,
// and with the test binary, however it ends.
package proc

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var build struct {
	once   sync.Once
	dir    string
	binary string
	err    error
}

// Main is for a TestMain: it runs the tests, then removes the binary that Binary built, and
// returns the exit status.
func Main(m *testing.M) int {
	defer func() {
		if build.dir != "" {
			os.RemoveAll(build.dir)
		}
	}()
	return m.Run()
}

// noteSources has the go tool see what a test of the binary depends on, which no import says: it
// would answer from its cache of results otherwise, whatever has changed. It notes the files that
// a test looks at.
func noteSources() error {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return err
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go") {
			_, err = os.Stat(path)
		}
		return err
	})
}

// Binary is the path of a drystone built from this module, once per test binary. The directory
// it is in is removed by Main.
func Binary(tb testing.TB) string {
	tb.Helper()
	build.once.Do(func() {
		if build.err = noteSources(); build.err != nil {
			return
		}
		if build.dir, build.err = os.MkdirTemp("", "drystone-test-"); build.err != nil {
			return
		}
		build.binary = filepath.Join(build.dir, "drystone")
		c := exec.Command("go", "build", "-o", build.binary, "drystone/cmd/drystone")
		if out, err := c.CombinedOutput(); err != nil {
			build.err = fmt.Errorf("%v: %s", err, out)
		}
	})
	if build.err != nil {
		tb.Fatalf("build drystone: %v", build.err)
	}
	return build.binary
}
