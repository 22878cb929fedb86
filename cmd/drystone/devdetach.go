package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// readyNote is what a detached supervisor tells the terminal it was started from: the banner, or
// why there is none.
type readyNote struct {
	Banner string `json:"banner,omitempty"`
	Status int    `json:"status"`
	Text   string `json:"text,omitempty"`
	Next   string `json:"next,omitempty"`
}

// noteFD is the first of exec.Cmd's extra files.
const noteFD = 3

// detachDev starts a supervisor in a session of its own and returns once the cluster is up.
func detachDev(f *devFlags, stdout io.Writer) error {
	dir, err := filepath.Abs(f.dir)
	if err != nil {
		return failed("--dir %s: %s", f.dir, innermost(err))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return failed("--dir %s: %s", dir, fileWords(err))
	}
	logPath := filepath.Join(dir, "dev.log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return failed("log %s: %s", logPath, fileWords(err))
	}
	defer log.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return failed("no pipe to the supervisor: %s", innermost(err))
	}
	defer read.Close()
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	cmd := exec.Command(self, f.detachedArgs(dir)...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{write}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	write.Close()
	if err != nil {
		return failed("the supervisor can't be started: %s", innermost(err))
	}
	text, err := io.ReadAll(read)
	var note readyNote
	if err != nil || json.Unmarshal(text, &note) != nil {
		return failed("the supervisor ended before the cluster was up").
			withNext("%s may say why.", logPath)
	}
	if note.Status != exitOK {
		return &failure{status: note.Status, text: note.Text, next: note.Next}
	}
	fmt.Fprint(stdout, note.Banner)
	return cmd.Process.Release()
}

func (f *devFlags) detachedArgs(dir string) []string {
	args := []string{"dev", "--dir", dir, "--ready-fd", strconv.Itoa(noteFD)}
	if f.nodes > 0 {
		args = append(args, "--nodes", strconv.Itoa(f.nodes))
	}
	if f.base > 0 {
		args = append(args, "--base-port", strconv.Itoa(f.base))
	}
	if f.engine != "" {
		args = append(args, "--engine", f.engine)
	}
	if f.reset {
		args = append(args, "--reset")
	}
	return append(append(args, "--"), f.forNodes...)
}

// runDetached is the supervisor's side of detachDev.
func runDetached(f *devFlags, stderr io.Writer) error {
	pipe := os.NewFile(uintptr(f.readyFD), "ready")
	if pipe == nil {
		return misused("--ready-fd %d: not open", f.readyFD)
	}
	syscall.CloseOnExec(f.readyFD)
	told := false
	tell := func(note readyNote) {
		if !told {
			told = true
			// The terminal may be gone; the cluster runs on all the same.
			_ = json.NewEncoder(pipe).Encode(note)
			_ = pipe.Close()
		}
	}
	err := superviseDev(f, stderr, func(banner string) {
		fmt.Fprint(stderr, banner)
		tell(readyNote{Banner: banner})
	})
	note := readyNote{Status: exitFailed, Text: "the cluster was ended before it was up"}
	var refused *failure
	if errors.As(err, &refused) {
		note = readyNote{Status: refused.status, Text: refused.text, Next: refused.next}
	}
	tell(note)
	return err
}
