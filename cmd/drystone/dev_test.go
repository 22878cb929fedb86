package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"drystone/internal/proc"
	"drystone/internal/proc/child"
)

// readLines decodes a line of JSON each.
func readLines[T any](t *testing.T, text string) (out []T) {
	t.Helper()
	for line := range strings.Lines(text) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		out = append(out, v)
	}
	return out
}

// devRun is a dev cluster in the foreground of a test.
type devRun struct {
	t      *testing.T
	dir    string
	cmd    *exec.Cmd
	errs   *lockedBuffer
	exited chan struct{}
}

// lockedBuffer collects what a process says while a test reads it.
type lockedBuffer struct {
	lineWriter
	text bytes.Buffer
}

func newLockedBuffer() *lockedBuffer {
	b := &lockedBuffer{}
	b.w = &b.text
	return b
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// startDev starts a dev cluster and waits for its banner.
func startDev(t *testing.T, dir string, args ...string) (d *devRun, banner string) {
	t.Helper()
	d = &devRun{t: t, dir: dir, errs: newLockedBuffer(), exited: make(chan struct{})}
	d.cmd = exec.Command(self(t), append([]string{"dev", "--dir", dir}, args...)...)
	d.cmd.Stderr = d.errs
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.NewSpawner().Start(d.cmd); err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		defer close(d.exited)
		var text strings.Builder
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			text.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "Ctrl-C") { // the banner's last line
				read <- text.String()
			}
		}
		// The tests ask how it ended.
		_ = d.cmd.Wait()
	}()
	t.Cleanup(func() {
		// It ends its nodes with it, and may have ended before.
		_ = d.cmd.Process.Kill()
		<-d.exited
	})
	select {
	case banner = <-read:
	case <-d.exited:
		t.Fatalf("dev has ended: %s", d.errs)
	case <-time.After(proc.Patience):
		t.Fatalf("no banner: %s", d.errs)
	}
	return d, banner
}

// dev runs one of dev's other commands.
func (d *devRun) dev(status int, args ...string) (out, errs string) {
	d.t.Helper()
	out, errs, got := drystone(d.t, append([]string{"dev", "--dir", d.dir}, args...)...)
	if got != status {
		d.t.Fatalf("dev %v: exit status %d, want %d: %s%s", args, got, status, out, errs)
	}
	return out, errs
}

func (d *devRun) states() (states string, pids []int) {
	d.t.Helper()
	out, _ := d.dev(exitOK, "--json", "status")
	for _, n := range readLines[devState](d.t, out)[0].Nodes {
		states += " " + n.State
		if n.PID != 0 {
			pids = append(pids, n.PID)
		}
	}
	return strings.TrimSpace(states), pids
}

func (d *devRun) wait() int {
	d.t.Helper()
	select {
	case <-d.exited:
	case <-time.After(proc.Patience):
		d.t.Fatal("dev does not end")
	}
	return d.cmd.ProcessState.ExitCode()
}

// gone waits until no process has any of these ids.
func gone(t *testing.T, pids []int) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), proc.Patience)
	defer cancel()
	for _, pid := range pids {
		for !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) && !zombie(pid) {
			select {
			case <-again.C:
			case <-ctx.Done():
				t.Fatalf("process %d is still there", pid)
			}
		}
	}
}

// zombie says whether a process has ended and only waits to be asked how.
func zombie(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, rest, _ := strings.Cut(string(text), ") ")
	return err == nil && strings.HasPrefix(rest, "Z")
}

// A day with a dev cluster: it comes up within a second, loses a node and goes on, gets it back,
// sees another frozen, ends, and comes back with its data.
func TestDev(t *testing.T) {
	t.Parallel()
	dir, base := t.TempDir(), strconv.Itoa(proc.FreeBase(t, 3))
	d, banner := startDev(t, dir, "--base-port", base)
	n, err := strconv.Atoi(base)
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + proc.Loopback(n+1)
	for _, want := range []string{
		"3 nodes up", url + "/v1/status\n", "curl -d 10 " + url, "dev kill 3",
	} {
		if !strings.Contains(banner, want) {
			t.Errorf("the banner lacks %q: %s", want, banner)
		}
	}
	on := "--endpoints=" + url
	wantOK(t, on, "push", "s", "one")

	// From another terminal.
	if _, errs := d.dev(exitFailed); !strings.Contains(errs, "runs in "+dir+" already (process ") {
		t.Errorf("a second supervisor: %s", errs)
	}
	d.dev(exitOK, "kill", "2")
	if states, _ := d.states(); states != "running killed running" {
		t.Errorf("after kill: %s", states)
	}
	wantOK(t, on, "push", "s", "two")
	if out, _ := d.dev(exitOK, "status"); !strings.Contains(out, "killed") {
		t.Error(out)
	}
	if _, errs := d.dev(exitFailed, "kill", "2"); !strings.Contains(errs, "node 2 isn't running") {
		t.Error(errs)
	}
	if _, errs := d.dev(exitFailed, "pause", "9"); !strings.Contains(errs, "there is no node 9") {
		t.Error(errs)
	}
	d.dev(exitOK, "start", "2")
	d.dev(exitFailed, "start", "2")
	d.dev(exitOK, "pause", "3")
	if states, _ := d.states(); states != "running running paused" {
		t.Errorf("after pause: %s", states)
	}
	wantOK(t, on, "push", "s", "three")
	d.dev(exitOK, "resume", "3")
	d.dev(exitFailed, "resume", "3")
	d.dev(exitOK, "restart", "1")
	d.dev(exitOK, "stop", "2")
	if states, _ := d.states(); states != "running stopped running" {
		t.Errorf("after stop: %s", states)
	}

	// A node that ends by itself is told of, and stops no other.
	_, pids := d.states()
	if err := syscall.Kill(pids[1], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	gone(t, pids[1:2])
	d.dev(exitOK, "start", "2")
	d.dev(exitOK, "start", "3")
	if !strings.Contains(d.errs.String(), "node 3 has ended by itself (signal: killed)") {
		t.Errorf("dev says: %s", d.errs)
	}

	_, pids = d.states()
	d.dev(exitOK, "down")
	if status := d.wait(); status != exitOK {
		t.Errorf("exit status %d: %s", status, d.errs)
	}
	gone(t, pids)

	// Another day, on other ports; killed hard at its end.
	d, _ = startDev(t, dir, "--base-port", strconv.Itoa(proc.FreeBase(t, 3)))
	record, err := readDevRecord(dir)
	if err != nil {
		t.Fatal(err)
	}
	on = "--endpoints=http://" + record.Nodes[1].HTTP
	if out := wantOK(t, on, "stack", "items", "s"); out != "three\ntwo\none\n" {
		t.Errorf("the data is %q", out)
	}
	if _, _, status := drystone(t, "inspect", filepath.Join(dir, "node-1")); status != exitOK &&
		status != exitTorn { // a write may be under way
		t.Errorf("inspect: exit status %d", status)
	}
	_, pids = d.states()
	d.dev(exitOK, "pause", "1")
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	d.wait()
	gone(t, pids)
	d.dev(exitFailed, "status")

	// A number of nodes that does not fit the data is refused, until the data may go.
	if _, errs := d.dev(exitFailed, "--nodes", "1"); !strings.Contains(errs, "holds a cluster of 3") {
		t.Error(errs)
	}
	base = strconv.Itoa(proc.FreeBase(t, 1))
	d, _ = startDev(t, dir, "--nodes", "1", "--reset", "--base-port", base)
	if states, _ := d.states(); states != "running" {
		t.Errorf("after reset: %s", states)
	}
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	if status := d.wait(); status != exitOK {
		t.Errorf("exit status %d: %s", status, d.errs)
	}
}

// A detached cluster outlives the command that started it, and dev down ends it.
func TestDevDetached(t *testing.T) {
	t.Parallel()
	dir, base := t.TempDir(), strconv.Itoa(proc.FreeBase(t, 1))
	start := []string{"dev", "--dir", dir, "--nodes", "1", "--base-port", base, "--detach"}
	t.Cleanup(func() {
		if r, err := readDevRecord(dir); err == nil && r != nil && r.PID != 0 {
			_ = syscall.Kill(r.PID, syscall.SIGKILL)
		}
	})
	if banner := wantOK(t, start...); !strings.Contains(banner, "1 node up") {
		t.Error(banner)
	}
	if _, errs, status := drystone(t, start...); status != exitFailed ||
		!strings.Contains(errs, "already") {
		t.Errorf("once more: exit status %d: %s", status, errs)
	}
	d := &devRun{t: t, dir: dir}
	_, pids := d.states()
	d.dev(exitOK, "down")
	gone(t, pids)
	d.dev(exitFailed, "status")
}
