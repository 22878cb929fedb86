package proc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"drystone/internal/proc/child"
	"drystone/rsm"
)

// Patience bounds every wait of this package; a test that waits longer fails, with the logs.
const Patience = 30 * time.Second

const poll = 5 * time.Millisecond

var spawn = child.NewSpawner()

// Node is one `drystone serve`: a process that a test kills, pauses and starts again.
type Node struct {
	ID   uint64
	Dir  string // data directory
	Peer string // address
	HTTP string // address

	tb     testing.TB
	binary string
	args   []string
	env    []string
	log    string

	cmd    *exec.Cmd // nil while there is no process
	exited chan struct{}
	err    error // of Wait; read it once exited is closed
}

// URL is http://host:port of the node.
func (n *Node) URL() string { return "http://" + n.HTTP }

// Pid is the process id, 0 if there is no process.
func (n *Node) Pid() int {
	if !n.Running() {
		return 0
	}
	return n.cmd.Process.Pid
}

// Running says whether the process is there, paused or not.
func (n *Node) Running() bool {
	if n.cmd == nil {
		return false
	}
	select {
	case <-n.exited:
		return false
	default:
		return true
	}
}

// Start starts the process, and does not wait until it serves. Its log continues.
func (n *Node) Start(more ...string) {
	n.tb.Helper()
	if n.Running() {
		n.tb.Fatalf("node %d runs already", n.ID)
	}
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.tb.Fatalf("node %d: %v", n.ID, err)
	}
	defer log.Close()
	cmd := exec.Command(n.binary, append(append([]string{}, n.args...), more...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), n.env...)
	if err := spawn.Start(cmd); err != nil {
		n.tb.Fatalf("node %d: %v", n.ID, err)
	}
	exited := make(chan struct{})
	n.cmd, n.exited, n.err = cmd, exited, nil
	go func() {
		n.err = cmd.Wait()
		close(exited)
	}()
}

// Kill is kill -9, and waits until the process is gone.
func (n *Node) Kill() {
	n.tb.Helper()
	n.signal(syscall.SIGKILL)
	n.Exited()
}

// Stop is SIGTERM, and waits until the process is gone; its exit status is returned.
func (n *Node) Stop() int {
	n.tb.Helper()
	n.signal(syscall.SIGTERM)
	return n.Exited()
}

// Pause is SIGSTOP; Resume lets the process go on.
func (n *Node) Pause() {
	n.tb.Helper()
	n.signal(syscall.SIGSTOP)
}

// Resume is SIGCONT.
func (n *Node) Resume() {
	n.tb.Helper()
	n.signal(syscall.SIGCONT)
}

// Restart is Kill, Start and WaitServing.
func (n *Node) Restart() {
	n.tb.Helper()
	if n.Running() {
		n.Kill()
	}
	n.Start()
	n.WaitServing()
}

func (n *Node) signal(sig syscall.Signal) {
	n.tb.Helper()
	if n.cmd == nil {
		n.tb.Fatalf("node %d was not started", n.ID)
	}
	if err := n.cmd.Process.Signal(sig); err != nil {
		n.tb.Fatalf("node %d: %v: %v\n%s", n.ID, sig, err, n.Log())
	}
}

// Exited waits until the process is gone and returns its exit status; -1 after a signal.
func (n *Node) Exited() int {
	n.tb.Helper()
	patience := time.NewTimer(Patience)
	defer patience.Stop()
	select {
	case <-n.exited:
	case <-patience.C:
		n.tb.Fatalf("node %d did not end\n%s", n.ID, n.Log())
	}
	var exit *exec.ExitError
	if errors.As(n.err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// WaitServing waits until the node answers over HTTP.
func (n *Node) WaitServing() {
	n.tb.Helper()
	n.waitOK("/livez")
}

// WaitReady waits until the node knows a leader and has caught up.
func (n *Node) WaitReady() {
	n.tb.Helper()
	n.waitOK("/readyz")
}

func (n *Node) waitOK(path string) {
	n.tb.Helper()
	n.wait("GET "+path, func(ctx context.Context) error {
		reply, err := n.get(ctx, path)
		if err != nil {
			return err
		}
		defer reply.Body.Close()
		if reply.StatusCode == http.StatusOK {
			return nil
		}
		text, _ := io.ReadAll(io.LimitReader(reply.Body, 4096))
		return fmt.Errorf("%s: %s", reply.Status, text)
	})
}

// Status is what the node says of itself.
func (n *Node) Status(ctx context.Context) (rsm.Status, error) {
	var s rsm.Status
	reply, err := n.get(ctx, "/v1/status")
	if err != nil {
		return s, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return s, fmt.Errorf("status: %s", reply.Status)
	}
	return s, json.NewDecoder(reply.Body).Decode(&s)
}

// WaitStatus waits until the node says of itself what ok wants, and returns it.
func (n *Node) WaitStatus(what string, ok func(rsm.Status) bool) (s rsm.Status) {
	n.tb.Helper()
	n.wait(what, func(ctx context.Context) (err error) {
		if s, err = n.Status(ctx); err == nil && !ok(s) {
			err = fmt.Errorf("status is %+v", s)
		}
		return err
	})
	return s
}

func (n *Node) get(ctx context.Context, path string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL()+path, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(r)
}

// wait tries until it works, the process ends, or patience ends.
func (n *Node) wait(what string, try func(context.Context) error) {
	n.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	again := time.NewTicker(poll)
	defer again.Stop()
	for {
		attempt, end := context.WithTimeout(ctx, 2*time.Second)
		err := try(attempt)
		end()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-n.exited:
			n.tb.Fatalf("node %d ended while the test waited for %s\n%s", n.ID, what, n.Log())
		case <-ctx.Done():
			n.tb.Fatalf("node %d: waited in vain for %s: %v\n%s", n.ID, what, err, n.Log())
		}
	}
}

// Log is all that the node's processes have said.
func (n *Node) Log() string {
	text, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("--- log of node %d\n%s", n.ID, text)
}

// end is for the end of the test: nothing that it started goes on.
func (n *Node) end() {
	if n.Running() {
		// It may end in this moment: then there is nothing to kill.
		_ = n.cmd.Process.Kill()
		<-n.exited
	}
	if n.tb.Failed() {
		lines := strings.Split(n.Log(), "\n")
		n.tb.Log(strings.Join(lines[max(0, len(lines)-40):], "\n"))
	}
}

func newNode(tb testing.TB, o Options, home string, id uint64, peer, http string) *Node {
	return &Node{
		ID: id, Dir: filepath.Join(home, fmt.Sprintf("node-%d", id)), Peer: peer, HTTP: http,
		tb: tb, binary: o.Binary, env: o.Env, log: filepath.Join(home, fmt.Sprintf("node-%d.log", id)),
	}
}
