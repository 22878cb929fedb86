package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"drystone/internal/proc/child"
)

// supervisor runs the nodes of a dev cluster as its children.
type supervisor struct {
	dir    string // absolute
	record *devRecord
	nodes  []*devNode
	words  *lineWriter // to people
	down   chan struct{}
	once   sync.Once
}

// devFlags are dev's own.
type devFlags struct {
	nodes    int // 0: as before, or 3
	dir      string
	base     int // 0: as before, or 12379
	reset    bool
	detach   bool
	engine   string   // "": as before, or the first of engines
	readyFD  int      // of a detached one: where to tell the terminal that it is ready
	forNodes []string // flags passed on to every node
}

// lineWriter keeps the lines of several nodes apart.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// superviseDev runs a dev cluster until it is told to end. ready is called once, with the banner.
func superviseDev(f *devFlags, stderr io.Writer, ready func(banner string)) error {
	dir, err := filepath.Abs(f.dir)
	if err != nil {
		return failed("--dir %s: %s", f.dir, innermost(err))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return failed("--dir %s: %s", dir, fileWords(err))
	}
	unlock, err := lockDev(dir)
	if err != nil {
		return err
	}
	defer unlock()
	if f.reset {
		if err := resetDev(dir); err != nil {
			return err
		}
	}
	old, err := readDevRecord(dir)
	if err != nil {
		return err
	}
	record, err := planDev(dir, f.nodes, f.base, old)
	if err != nil {
		return err
	}
	if err := record.chooseEngine(dir, f.engine, old); err != nil {
		return err
	}
	s := &supervisor{
		dir: dir, record: record, words: &lineWriter{w: stderr}, down: make(chan struct{}),
	}
	if n := len(record.Nodes); n%2 == 0 {
		fmt.Fprintln(s.words, "warning:", evenWords(n))
	}
	return s.run(f, ready)
}

func (s *supervisor) run(f *devFlags, ready func(string)) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, os.Interrupt)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	if err := s.probePorts(ctx); err != nil {
		return err
	}
	control, err := s.listenControl()
	if err != nil {
		return err
	}
	defer control.Close()
	s.record.PID = os.Getpid()
	if err := s.record.write(s.dir); err != nil {
		return err
	}
	spawn := child.NewSpawner()
	for _, site := range s.record.Nodes {
		n := &devNode{site: site, spawn: spawn, words: s.words, args: s.serveArgs(site, f.forNodes)}
		s.nodes = append(s.nodes, n)
		if err := n.start(); err != nil {
			return errors.Join(err, s.stopAll(nil))
		}
	}
	go s.serveControl(control)
	go s.announce(ctx, ready)

	select {
	case <-s.down:
	case <-signals:
	}
	cancel()
	fmt.Fprintln(s.words, "stopping all nodes; their data stays in", s.dir)
	err = s.stopAll(signals)
	s.record.PID = 0
	return errors.Join(err, s.record.write(s.dir))
}

// probePorts names a busy port before any node is started.
func (s *supervisor) probePorts(ctx context.Context) error {
	for _, site := range s.record.Nodes {
		for _, p := range []struct{ what, address string }{
			{fmt.Sprintf("peers of node %d", site.ID), site.Peer},
			{fmt.Sprintf("HTTP of node %d", site.ID), site.HTTP},
		} {
			l, err := listen(ctx, p.what, p.address)
			if err != nil {
				return err
			}
			l.Close()
		}
	}
	return nil
}

func (s *supervisor) serveArgs(site devSite, more []string) []string {
	args := []string{
		"serve", "--id", strconv.FormatUint(site.ID, 10), "--cluster", s.record.members().String(),
		"--peer", site.Peer, "--http", site.HTTP, "--dir", site.Dir,
		"--engine", s.record.Engine,
	}
	return append(args, more...)
}

// stopAll ends every node. Another signal kills those that take their time.
func (s *supervisor) stopAll(signals <-chan os.Signal) error {
	var each sync.WaitGroup
	failures := make([]error, len(s.nodes))
	for i, n := range s.nodes {
		each.Go(func() {
			n.action.Lock()
			defer n.action.Unlock()
			if n.alive() {
				failures[i] = n.end(syscall.SIGTERM, devStopped)
			}
		})
	}
	stopped := make(chan struct{})
	go func() {
		each.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-signals:
		for _, n := range s.nodes {
			n.mu.Lock()
			proc := n.proc
			n.mu.Unlock()
			if proc != nil {
				// It is about to be waited for: a failure shows there.
				_ = proc.Kill()
			}
		}
		<-stopped
	}
	return errors.Join(failures...)
}

// announce prints the banner once the cluster has a leader, or says what it waits for.
func (s *supervisor) announce(ctx context.Context, ready func(string)) {
	began := time.Now()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	told := false
	for {
		for _, n := range s.nodes {
			if answers(ctx, "http://"+n.site.HTTP+"/readyz") {
				ready(s.banner(time.Since(began)))
				return
			}
		}
		if !told && time.Since(began) > 10*time.Second {
			told = true
			fmt.Fprintf(s.words, "no leader after 10 s; `drystone dev status%s` shows each node, and "+
				"the logs are in %s\n", dirFlag(s.dir), s.dir)
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// lockDev makes sure that one supervisor runs in a directory.
func lockDev(dir string) (unlock func(), err error) {
	path := filepath.Join(dir, "dev.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, failed("%s: %s", path, fileWords(err))
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		f.Close()
		holder := "another process"
		if r, err := readDevRecord(dir); err == nil && r != nil && r.PID != 0 {
			holder = fmt.Sprintf("process %d", r.PID)
		}
		return nil, failed("a dev cluster runs in %s already (%s)", dir, holder).
			withNext("`drystone dev status%[1]s` shows it, `drystone dev down%[1]s` ends it.",
				dirFlag(dir))
	}
	return func() { f.Close() }, nil
}

// dirFlag is how another terminal names the directory of a dev cluster; nothing for the default.
func dirFlag(dir string) string {
	if usual, err := filepath.Abs(defaultDevDir); err == nil && usual == dir {
		return ""
	}
	return " --dir " + dir
}

// controlAddress is the path of the control socket. The kernel takes at most 107 bytes, so a long
// one goes through the open directory.
func controlAddress(dir string) (path string, done func(), err error) {
	const most = 107
	path = filepath.Join(dir, "dev.sock")
	if len(path) <= most {
		return path, func() {}, nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return "", nil, failed("%s: %s", dir, fileWords(err))
	}
	return fmt.Sprintf("/proc/self/fd/%d/dev.sock", f.Fd()), func() { f.Close() }, nil
}

func (s *supervisor) listenControl() (net.Listener, error) {
	path, done, err := controlAddress(s.dir)
	if err != nil {
		return nil, err
	}
	defer done()
	// Left by one that was killed: the lock says that nobody listens there.
	_ = os.Remove(path)
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, failed("control socket %s: %s", filepath.Join(s.dir, "dev.sock"), innermost(err))
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	return &controlListener{l, filepath.Join(s.dir, "dev.sock")}, nil
}

// controlListener removes its socket by its real name.
type controlListener struct {
	net.Listener
	path string
}

func (l *controlListener) Close() error {
	return errors.Join(l.Listener.Close(), os.Remove(l.path))
}
