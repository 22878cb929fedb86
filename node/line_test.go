package node_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// line is the way from one node to another, for all connections that the one dials.
type line struct {
	t        *testing.T
	listener net.Listener
	to       string

	mu    sync.Mutex
	free  *sync.Cond
	limit int64 // bytes that each connection may carry forth; below 0: any
	conns map[net.Conn]struct{}
}

func newLine(t *testing.T, to string) *line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &line{t: t, listener: l, to: to, limit: -1, conns: map[net.Conn]struct{}{}}
	x.free = sync.NewCond(&x.mu)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { x.carry(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		x.clear(-1)
		running.Wait()
	})
	return x
}

func (l *line) add(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = struct{}{}
}

func (l *line) carry(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer out.Close()
	l.add(in)
	var back sync.WaitGroup
	back.Go(func() {
		io.Copy(in, out)
		in.Close()
	})
	buf, carried := make([]byte, 16<<10), int64(0)
	for {
		n, err := in.Read(buf)
		carried += int64(n)
		if err != nil || !l.pass(in, carried) {
			break
		}
		if _, err := out.Write(buf[:n]); err != nil {
			break
		}
	}
	out.Close()
	in.Close()
	back.Wait()
}

// pass waits while a connection has carried all that it may; false: it was cut.
func (l *line) pass(c net.Conn, carried int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if _, stands := l.conns[c]; !stands {
			return false
		}
		if l.limit < 0 || carried <= l.limit {
			return true
		}
		l.free.Wait()
	}
}

// hold lets every connection carry so many bytes and then stand still.
func (l *line) hold(limit int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = limit
	l.free.Broadcast()
}

// clear cuts all connections, with what stands still on them; new ones are under limit.
func (l *line) clear(limit int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = limit
	for c := range l.conns {
		c.Close()
	}
	clear(l.conns)
	l.free.Broadcast()
}
