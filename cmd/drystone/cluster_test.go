package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"drystone/internal/proc"
	"drystone/rsm"
)

// self is this test binary under the name drystone: see TestMain.
func self(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("drystone")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// drystone runs a command and returns its output and exit status.
func drystone(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), proc.Patience)
	defer cancel()
	c := exec.CommandContext(ctx, self(t), args...)
	c.Dir = t.TempDir()
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", args, err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// wantOK runs a command that must succeed.
func wantOK(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, status := drystone(t, args...)
	if status != exitOK {
		t.Fatalf("%v: exit status %d: %s", args, status, errs)
	}
	return out
}

// A leader that loses its followers in the middle of a write does not know what becomes of it. The
// command says so, with another that settles it; and that one never does it twice.
func TestUnknownOutcomeIsSettledByItsKey(t *testing.T) {
	t.Parallel()
	c := proc.Start(t, proc.Options{Binary: self(t)})
	var said string
	for try := 0; said == ""; try++ {
		if try == 10 {
			t.Fatal("no write met a leader without followers")
		}
		leader := c.WaitLeader()
		for _, n := range c.Followers() {
			n.Pause()
		}
		_, errs, status := drystone(t, "--endpoints", leader.URL(), "--timeout", "1s", "push", "s", "x")
		switch status {
		case exitUnknown:
			said = errs
		case exitFailed: // it had noticed before the write came
			if !strings.Contains(errs, "no leader") {
				t.Fatal(errs)
			}
		default:
			t.Fatalf("exit status %d: %s", status, errs)
		}
		for _, n := range c.Nodes {
			if n != leader {
				n.Resume()
			}
		}
		c.WaitReady()
	}
	_, command, found := strings.Cut(said, "\n    drystone ")
	if !found {
		t.Fatalf("no command that settles it: %s", said)
	}
	again := strings.Fields(strings.Split(command, "\n")[0])
	if again[0] != "--key" || !strings.Contains(said, "request "+again[1]+" is unknown") {
		t.Fatalf("the request is not named: %s", said)
	}
	for range 2 {
		if out := wantOK(t, again...); out != "1\n" {
			t.Errorf("it was pushed again: %s", out)
		}
	}
	_, command, found = strings.Cut(command, "\n    drystone ")
	fence := strings.Fields(strings.Split(command, "\n")[0])
	if out := wantOK(t, fence...); !found || !strings.HasPrefix(out, "applied\n{\"size\":1,") {
		t.Errorf("%v says %s", fence, out)
	}
	out := wantOK(t, "--endpoints", strings.Join(c.URLs(), ","), "size", "s")
	if out != "1\n" {
		t.Errorf("the stack holds %s", out)
	}
}

// Without a majority a write is refused in words, and the status says what is missing.
func TestNoQuorum(t *testing.T) {
	t.Parallel()
	c := proc.Start(t, proc.Options{Binary: self(t)})
	left := c.Node(2)
	c.Node(1).Kill()
	c.Node(3).Kill()
	left.WaitStatus("no leader", func(s rsm.Status) bool { return s.Role == "pre_candidate" })
	all := strings.Join(c.URLs(), ",")
	out, errs, status := drystone(t, "--json", "--endpoints", all, "--timeout", "1s", "push", "s", "x")
	if status != exitFailed || out != "" || !strings.Contains(errs, `"outcome":"not_applied"`) {
		t.Errorf("exit status %d: %s%s", status, out, errs)
	}
	out = wantOK(t, "--endpoints", all, "status")
	if !strings.Contains(out, "no_leader: 1 of 3 voters answer and 2 are needed") ||
		!strings.Contains(out, "node 1 and node 3 must come back") {
		t.Error(out)
	}
	// The status of the whole comes from one that is left, whichever is named.
	if out := wantOK(t, "--endpoints", left.URL(), "status"); strings.Count(out, "silent") < 2 {
		t.Error(out)
	}
}

// What inspect says of a log follows what was done to it: whole, torn in its last write, damaged
// below one that was declared durable.
func TestInspectTellsTornFromCorrupt(t *testing.T) {
	t.Parallel()
	c := proc.Start(t, proc.Options{Nodes: 1, Binary: self(t)})
	n := c.Node(1)
	for range 3 {
		wantOK(t, "--endpoints", n.URL(), "push", "s", "some value that is long enough to be seen")
	}
	n.Kill()
	entries := inspected(t, n.Dir)
	if len(entries) < 3 {
		t.Fatalf("three writes left %d entries", len(entries))
	}
	for _, way := range []struct {
		at     int // entry, from the end
		status int
		class  string
	}{{1, exitTorn, "torn_tail"}, {3, exitCorrupt, "corrupt"}} {
		e := entries[len(entries)-way.at]
		flip(t, n.Dir, e)
		out, errs, status := drystone(t, "inspect", n.Dir)
		if status != way.status || !strings.Contains(out, "\n"+way.class+"\n") ||
			!strings.Contains(errs, e.File) {
			t.Errorf("%+v: exit status %d\n%s%s", way, status, out, errs)
		}
		if _, _, status := drystone(t, "inspect", "--json", n.Dir); status != way.status {
			t.Errorf("%+v: exit status %d with --json", way, status)
		}
		flip(t, n.Dir, e) // back
		if out, errs, status := drystone(t, "inspect", n.Dir); status != exitOK {
			t.Errorf("after mending: exit status %d\n%s%s", status, out, errs)
		}
	}
	// A node doesn't start on damage, and says where it is.
	flip(t, n.Dir, entries[len(entries)-3])
	n.Start()
	if status := n.Exited(); status != exitFailed {
		t.Errorf("exit status %d\n%s", status, n.Log())
	}
	if !strings.Contains(n.Log(), "is damaged: file wal-") ||
		!strings.Contains(n.Log(), "drystone inspect") {
		t.Error(n.Log())
	}
}

// inspected are the entries that inspect --json lists.
func inspected(t *testing.T, dir string) (entries []recordJSON) {
	t.Helper()
	for _, r := range readLines[recordJSON](t, wantOK(t, "inspect", "--json", dir)) {
		if r.Kind == "entry" {
			entries = append(entries, r)
		}
	}
	return entries
}

// flip changes the last byte of a record, or changes it back.
func flip(t *testing.T, dir string, r recordJSON) {
	t.Helper()
	f, err := os.OpenFile(dir+"/"+r.File, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err = f.ReadAt(b[:], r.Offset+r.Length-1); err == nil {
		b[0] ^= 0x40
		_, err = f.WriteAt(b[:], r.Offset+r.Length-1)
	}
	if err != nil {
		t.Fatal(err)
	}
}
