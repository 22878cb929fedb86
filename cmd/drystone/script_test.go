package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"drystone/internal/proc"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"drystone": main})
}

// TestScripts runs testdata/*.txtar against this binary. Beside testscript's own commands there
// are exits, answers and busy (below), and the variables PORT, PEER and BASE: free ports.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			ports := proc.FreePorts(t, 3)
			e.Setenv("PORT", strconv.Itoa(ports[0]))
			e.Setenv("PEER", strconv.Itoa(ports[1]))
			e.Setenv("PORT2", strconv.Itoa(ports[2]))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   cmdExits,
			"answers": cmdAnswers,
			"busy":    cmdBusy,
			"flip":    cmdFlip,
		},
	})
}

// exits STATUS PROGRAM ARG... is exec that wants exactly this exit status.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARG...")
	}
	got := "0"
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = strconv.Itoa(exit.ExitCode())
	} else {
		ts.Check(err)
	}
	if got != args[0] {
		ts.Fatalf("exit status %s, want %s\nstdout: %sstderr: %s", got, args[0],
			ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// answers URL waits until a URL answers 200.
func cmdAnswers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: answers URL")
	}
	ctx, cancel := context.WithTimeout(context.Background(), proc.Patience)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !answers(ctx, args[0]) {
		select {
		case <-again.C:
		case <-ctx.Done():
			ts.Fatalf("%s does not answer", args[0])
		}
	}
}

// busy PORT listens on a port until the script ends.
func cmdBusy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: busy PORT")
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", args[0]))
	ts.Check(err)
	server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
	go server.Serve(l)
	ts.Defer(func() { server.Close() })
}

// flip FILE OFFSET changes one byte.
func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	offset, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR, 0)
	ts.Check(err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], offset)
	ts.Check(err)
	b[0] ^= 0x40
	_, err = f.WriteAt(b[:], offset)
	ts.Check(err)
}
