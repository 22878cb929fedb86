package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"drystone/internal/proc"
)

// hangable is a drystone of this module but for one function: its fdatasync does what hold and
// slow say (testdata/hanging). -disk.strace does the same to the binary as it is.
func hangable(t *testing.T) string {
	t.Helper()
	if *diskStrace {
		return proc.Binary(t)
	}
	real := "datasync_other.go"
	if runtime.GOOS == "linux" {
		real = "datasync_linux.go"
	}
	dir := t.TempDir()
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		absolute(t, filepath.Join("..", "disk", real)): absolute(t, "testdata/hanging/datasync.go"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	replace, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "drystone")
	if err := os.WriteFile(replace, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-overlay", replace, "-o", binary, "drystone/cmd/drystone")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build drystone: %v: %s", err, out)
	}
	return binary
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// hold has every fdatasync of a node hang until the function it returns is called, for two
// minutes at most.
func hold(t *testing.T, n *proc.Node) (release func()) {
	t.Helper()
	if *diskStrace {
		return strace(t, n, 2*time.Minute)
	}
	f, err := os.Create(n.Dir + ".disk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_UN); err != nil {
			t.Fatal(err)
		}
	}
}

// slow has every fdatasync of a node take that much longer, from now on.
func slow(t *testing.T, n *proc.Node, pause time.Duration) {
	t.Helper()
	if *diskStrace {
		t.Cleanup(strace(t, n, pause))
		return
	}
	if err := os.WriteFile(n.Dir+".disk", []byte(pause.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// strace has a node's fdatasyncs begin late, and returns once it does. The function it returns ends
// that, also for those under way.
func strace(t *testing.T, n *proc.Node, late time.Duration) (end func()) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "strace"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	inject := "inject=fdatasync:delay_enter=" + strconv.FormatInt(late.Microseconds(), 10)
	cmd := exec.Command("strace", "-f", "-p", strconv.Itoa(n.Pid()), "-e", "trace=fdatasync", "-e",
		inject)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (apt-get install strace)", err)
	}
	ended := make(chan struct{})
	go func() {
		// It ends by a signal, or with the process.
		_ = cmd.Wait()
		close(ended)
	}()
	end = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	}
	t.Cleanup(end)
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for size := int64(0); size == 0; {
		select {
		case <-pace.C:
		case <-ended:
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("strace: %v: %s", cmd.ProcessState, text)
		}
		// Its first words are that it is attached.
		info, err := os.Stat(log.Name())
		if err != nil {
			t.Fatal(err)
		}
		size = info.Size()
	}
	return end
}
