package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestOS(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	d, err := OS(path)
	check(t, err)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatal(info, err)
	}
	f := create(t, d, "file")
	if _, err := d.Create("file"); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	write(t, f, 3, "abc")
	check(t, f.Datasync())
	check(t, d.Rename("file", "other"))
	check(t, d.Sync())
	check(t, f.Truncate(5))
	check(t, f.Close())
	check(t, os.Mkdir(filepath.Join(path, "sub"), 0o700))
	if names, err := d.List(); err != nil || !slices.Equal(names, []string{"other"}) {
		t.Error(names, err)
	}
	if got := string(read(t, d, "other")); got != "\x00\x00\x00ab" {
		t.Errorf("%q", got)
	}
	if info, err := os.Stat(filepath.Join(path, "other")); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	r, err := d.OpenRead("other")
	check(t, err)
	defer r.Close()
	if err := r.Datasync(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("datasync of a file open for reading: %v", err)
	}
	if _, err := r.WriteAt([]byte("x"), 0); err == nil {
		t.Error("wrote to a file open for reading")
	}
	check(t, d.Remove("other"))
	if _, err := d.Open("other"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestNamesHaveNoSeparator(t *testing.T) {
	d, err := OS(t.TempDir())
	check(t, err)
	for _, dir := range []Dir{d, NewMem(1).Dir()} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("../x was created")
				}
			}()
			_, _ = dir.Create("../x")
		}()
	}
}

func TestNoSync(t *testing.T) {
	m := NewMem(3)
	m.SetHook(func(op Op) error {
		if op.Kind == OpSync || op.Kind == OpDatasync {
			t.Errorf("%v", op)
		}
		return nil
	})
	d := NoSync(m.Dir())
	f := create(t, d, "a")
	check(t, f.Datasync())
	f, err := d.Open("a")
	check(t, err)
	check(t, f.Datasync())
	check(t, d.Sync())
}

// TestLock has another process hold the directory: this one, started again.
func TestLock(t *testing.T) {
	if path := os.Getenv("DRYSTONE_TEST_LOCK"); path != "" {
		_, err := Lock(path)
		fmt.Println(err)
		os.Exit(0)
	}
	path := t.TempDir()
	unlock, err := Lock(path)
	check(t, err)
	before, err := os.ReadFile(filepath.Join(path, lockName))
	check(t, err)
	if said := lockElsewhere(t, path); !strings.Contains(said, "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("the second process says: %s", said)
	}
	after, err := os.ReadFile(filepath.Join(path, lockName))
	if err != nil || string(after) != string(before) {
		t.Errorf("%q became %q, %v", before, after, err)
	}
	unlock()
	if said := lockElsewhere(t, path); said != "<nil>" {
		t.Errorf("after unlock: %s", said)
	}
	if _, err := Lock(filepath.Join(path, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func lockElsewhere(t *testing.T, path string) string {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	cmd := exec.Command(self, "-test.run=^TestLock$")
	cmd.Env = append(os.Environ(), "DRYSTONE_TEST_LOCK="+path)
	out, err := cmd.Output()
	check(t, err)
	return strings.TrimSpace(string(out))
}
