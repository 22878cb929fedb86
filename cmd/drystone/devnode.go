package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"drystone/internal/proc/child"
)

// The states of a node of a dev cluster.
const (
	devRunning = "running"
	devPaused  = "paused"
	devStopped = "stopped" // by dev stop
	devKilled  = "killed"  // by dev kill
	devEnded   = "ended"   // by itself
)

// devNode is one node: a process of its own, which may come and go.
type devNode struct {
	site  devSite
	args  []string
	spawn child.Spawner
	words io.Writer // warnings, and what happens to it

	action sync.Mutex // one action at a time

	mu     sync.Mutex
	state  string
	detail string        // how it ended
	proc   *os.Process   // nil when there is none
	exited chan struct{} // closed when the process is gone
	doomed string        // the state it will be in once it is gone
}

// devView is what is told of a node.
type devView struct {
	devSite
	State  string `json:"state"`
	PID    int    `json:"pid,omitempty"`
	Detail string `json:"detail,omitempty"`
}

func (n *devNode) view() devView {
	n.mu.Lock()
	defer n.mu.Unlock()
	v := devView{devSite: n.site, State: n.state, Detail: n.detail}
	if n.proc != nil {
		v.PID = n.proc.Pid
	}
	return v
}

func (n *devNode) alive() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc != nil
}

// start spawns the process, without waiting for it to serve.
func (n *devNode) start() error {
	if n.alive() {
		return failed("node %d runs already (%s)", n.site.ID, n.view().State)
	}
	log, err := rotateLog(n.site.Log)
	if err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		log.Close()
		return failed("no pipe for node %d: %s", n.site.ID, innermost(err))
	}
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	cmd := exec.Command(self, n.args...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdout, cmd.Stderr = write, write
	err = n.spawn.Start(cmd)
	write.Close()
	if err != nil {
		read.Close()
		log.Close()
		return failed("node %d can't be started: %s", n.site.ID, innermost(err))
	}
	exited, logged := make(chan struct{}), make(chan struct{})
	n.mu.Lock()
	n.state, n.detail, n.proc, n.exited, n.doomed = devRunning, "", cmd.Process, exited, ""
	n.mu.Unlock()
	go func() {
		defer close(logged)
		n.copyLog(log, read)
	}()
	go func() {
		// The node's own words come before the word that it has ended.
		<-logged
		err := cmd.Wait()
		n.ended(err)
		close(exited)
	}()
	return nil
}

func (n *devNode) ended(err error) {
	how := "exit status 0"
	if err != nil {
		how = err.Error()
	}
	n.mu.Lock()
	unasked := n.doomed == ""
	n.proc, n.detail, n.state = nil, how, n.doomed
	if unasked {
		n.state = devEnded
	}
	n.mu.Unlock()
	if unasked {
		fmt.Fprintf(n.words, "node %d has ended by itself (%s); the others go on. "+
			"`drystone dev start %d` starts it again; its log is %s\n",
			n.site.ID, how, n.site.ID, n.site.Log)
	}
}

// end sends a signal that ends the process, and waits until it is gone.
func (n *devNode) end(sig syscall.Signal, state string) error {
	n.mu.Lock()
	proc, exited := n.proc, n.exited
	if proc == nil {
		defer n.mu.Unlock()
		return n.notRunning()
	}
	n.doomed = state
	n.mu.Unlock()
	if err := n.signal(proc, sig); err != nil {
		return err
	}
	if sig != syscall.SIGKILL {
		// A paused process takes the signal only when it goes on.
		if err := n.signal(proc, syscall.SIGCONT); err != nil {
			return err
		}
	}
	patience := time.NewTimer(stopPatience + 2*time.Second)
	defer patience.Stop()
	select {
	case <-exited:
		return nil
	case <-patience.C:
	}
	fmt.Fprintf(n.words, "node %d did not end within %v; it is killed\n", n.site.ID,
		stopPatience+2*time.Second)
	if err := n.signal(proc, syscall.SIGKILL); err != nil {
		return err
	}
	<-exited
	return nil
}

// signal sends a signal; a process that is gone by now is no error.
func (n *devNode) signal(proc *os.Process, sig syscall.Signal) error {
	if err := proc.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return failed("node %d (process %d) can't be signalled: %s", n.site.ID, proc.Pid,
			innermost(err))
	}
	return nil
}

// notRunning says how it ended. n.mu is held.
func (n *devNode) notRunning() error {
	f := failed("node %d isn't running: it is %s (%s)", n.site.ID, n.state, n.detail)
	return f.withNext("`drystone dev start %d` starts it.", n.site.ID)
}

// pause stops the process where it stands, or lets it go on.
func (n *devNode) pause(on bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	sig, state := syscall.SIGSTOP, devPaused
	if !on {
		sig, state = syscall.SIGCONT, devRunning
	}
	switch {
	case n.proc == nil:
		return n.notRunning()
	case n.state == state:
		return failed("node %d is %s already", n.site.ID, state)
	}
	if err := n.signal(n.proc, sig); err != nil {
		return err
	}
	n.state = state
	return nil
}

// serves waits until the node answers over HTTP, or has ended.
func (n *devNode) serves(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	n.mu.Lock()
	exited := n.exited
	n.mu.Unlock()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		if answers(ctx, "http://"+n.site.HTTP+"/livez") {
			return nil
		}
		select {
		case <-look.C:
		case <-exited:
			return failed("node %d has ended at its start (%s)", n.site.ID, n.view().Detail).
				withNext("Its log says why: %s", n.site.Log)
		case <-ctx.Done():
			return failed("node %d runs, but does not answer on %s", n.site.ID, n.site.HTTP).
				withNext("Its log may say why: %s", n.site.Log)
		}
	}
}

// answers says whether a URL answers 200.
func answers(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer reply.Body.Close()
	io.Copy(io.Discard, io.LimitReader(reply.Body, 64<<10))
	return reply.StatusCode == http.StatusOK
}

// rotateLog opens a fresh log; the one before stays beside it.
func rotateLog(path string) (*os.File, error) {
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		// There may be none yet.
		_ = os.Rename(path, path+".1")
		var f *os.File
		if f, err = os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600); err == nil {
			return f, nil
		}
	}
	return nil, failed("log %s: %s", path, fileWords(err))
}

// copyLog keeps all that a node says, and passes on its warnings and last words.
func (n *devNode) copyLog(log io.WriteCloser, from io.ReadCloser) {
	defer log.Close()
	defer from.Close()
	lines := bufio.NewReaderSize(from, 64<<10)
	unleveled := 0
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			// A log that can't be written must not stop the node that writes it.
			_, _ = io.WriteString(log, line)
			text, worth, leveled := logLine(line)
			if !leveled {
				unleveled++
				worth = unleveled <= 40 // a stack trace is in the log
			}
			if worth {
				fmt.Fprintf(n.words, "node %d: %s\n", n.site.ID, text)
			}
		}
		if err != nil {
			return
		}
	}
}

// logLine strips the time off a line of a node's log and says whether a person should see it.
// Lines without a level come from a node that ends.
func logLine(line string) (text string, worth, leveled bool) {
	line = strings.TrimRight(line, "\n")
	if strings.HasPrefix(line, "{") {
		return line, strings.Contains(line, `"level":"WARN"`) ||
			strings.Contains(line, `"level":"ERROR"`), true
	}
	if len(line) > len(logTimeFormat) {
		if _, err := time.Parse(logTimeFormat, line[:len(logTimeFormat)]); err == nil {
			text = line[len(logTimeFormat)+1:]
			return text, strings.HasPrefix(text, "WRN") || strings.HasPrefix(text, "ERR"), true
		}
	}
	return line, strings.TrimSpace(line) != "", false
}
