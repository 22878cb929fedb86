package e2e

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"drystone/internal/proc"
)

// TestMemberCommands: the command line says and does what the routes do.
func TestMemberCommands(t *testing.T) {
	c := proc.Start(t, proc.Options{Nodes: 3})
	run := func(status int, want string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		cmd := exec.Command(proc.Binary(t), append(args, "--endpoints",
			strings.Join(c.URLs(), ","))...)
		cmd.Stdout, cmd.Stderr = &out, &out
		var exit *exec.ExitError
		got := 0
		if err := cmd.Run(); errors.As(err, &exit) {
			got = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if got != status || !strings.Contains(out.String(), want) {
			t.Errorf("%v: status %d, want %d with %q:\n%s", args, got, status, want, out.String())
		}
	}
	run(0, c.Node(3).Peer, "member", "list")
	run(0, `"voter":true`, "member", "list", "--json")
	run(2, "whole number", "member", "remove", "three")
	run(4, "Node 9 is no member", "member", "remove", "9")
	run(1, "is a member", "member", "add", "2", c.Node(2).Peer)
	run(0, "node 2 is a voter", "member", "promote", "2")
	next := c.Followers()[0]
	run(0, "handed over", "leader", "transfer", string(rune('0'+next.ID)))
	if leader := c.WaitLeader(); leader != next {
		t.Errorf("node %d leads, not node %d", leader.ID, next.ID)
	}
	run(0, "handed over", "leader", "transfer")
	leaving := c.Followers()[0]
	run(0, "was removed", "member", "remove", string(rune('0'+leaving.ID)))
	run(0, "never used again: node "+string(rune('0'+leaving.ID)), "member", "list")
	c = proc.Start(t, proc.Options{Nodes: 1})
	run(1, "last voter", "member", "remove", "1")
}
