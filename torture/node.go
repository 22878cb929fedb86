package torture

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"drystone/internal/proc/child"
)

// stopPatience is how long a node may take to stop when it is asked to.
const stopPatience = 15 * time.Second

// node is one `drystone serve`, which comes and goes.
type node struct {
	id         int
	peer, http string // addresses
	dir, log   string
	binary     string
	args       []string
	spawn      child.Spawner
	disk       *smallDisk // its directory's, if it has one of its own
	onEnd      func(n *node, how string)

	mu      sync.Mutex
	cmd     *exec.Cmd // nil while there is no process
	exited  chan struct{}
	doomed  bool // its end is meant
	claimed bool // some fault has it in hand
	over    bool // it is not started again
}

// start starts the process, and does not wait until it serves.
func (n *node) start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil || n.over {
		return nil
	}
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(n.binary, n.args...)
	cmd.Args[0] = "drystone"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "DRYSTONE_") // its settings are ours alone
	})
	if err := n.spawn.Start(cmd); err != nil {
		return fmt.Errorf("node %d can't be started: %w", n.id, err)
	}
	exited := make(chan struct{})
	n.cmd, n.exited, n.doomed = cmd, exited, false
	go func() {
		err := cmd.Wait()
		n.mu.Lock()
		meant := n.doomed
		n.cmd = nil
		n.mu.Unlock()
		close(exited)
		if !meant {
			n.onEnd(n, endWords(err)+n.lastWords())
		}
	}()
	return nil
}

func endWords(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.String()
	}
	return "exit status 0"
}

// lastWords are the last lines of the log.
func (n *node) lastWords() string {
	text, err := os.ReadFile(n.log)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "; it said last: " + strings.Join(lines[max(0, len(lines)-2):], " / ")
}

// signal reaches the process if there is one; the channel is closed when it is gone.
func (n *node) signal(sig syscall.Signal, dooms bool) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		gone := make(chan struct{})
		close(gone)
		return gone
	}
	n.doomed = n.doomed || dooms
	// It may be gone in this moment: then there is nothing to tell it.
	_ = n.cmd.Process.Signal(sig)
	return n.exited
}

// kill is kill -9, and waits until the process is gone.
func (n *node) kill() { <-n.signal(syscall.SIGKILL, true) }

// finish is kill for good.
func (n *node) finish() {
	n.mu.Lock()
	n.over = true
	n.mu.Unlock()
	n.kill()
}

// stop asks the process to end, and waits; ok is false if it had to be killed.
func (n *node) stop() (ok bool) {
	gone := n.signal(syscall.SIGTERM, true)
	patience := time.NewTimer(stopPatience)
	defer patience.Stop()
	select {
	case <-gone:
		return true
	case <-patience.C:
		n.kill()
		return false
	}
}

func (n *node) pause()  { n.signal(syscall.SIGSTOP, false) }
func (n *node) resume() { n.signal(syscall.SIGCONT, false) }

// claim takes the process in hand, unless another fault has it.
func (n *node) claim() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.claimed {
		return false
	}
	n.claimed = true
	return true
}

func (n *node) release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.claimed = false
}

// keep puts what the node leaves behind where it outlives this process.
func (n *node) keep(home string) error {
	if n.disk == nil {
		return nil
	}
	return n.disk.save(filepath.Join(home, fmt.Sprintf("node-%d", n.id)))
}
