package transport

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drystone/raft"
	"drystone/wire"
)

// pipes is a listener without a network, so that time can be the test's own.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// dials notes when a peer was dialled, since the test began.
type dials struct {
	mu    sync.Mutex
	began time.Time
	at    []time.Duration
}

func (d *dials) note() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = append(d.at, time.Since(d.began))
}

// pauses gives the times between dials, and checks that the first came at once.
func (d *dials) pauses(t *testing.T) []time.Duration {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.at) == 0 || d.at[0] != 0 {
		t.Fatalf("dialled at %v, want the first at once", d.at)
	}
	var p []time.Duration
	for i := range d.at[1:] {
		p = append(p, d.at[i+1]-d.at[i])
	}
	return p
}

func TestPausesBetweenDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dials{began: time.Now()}
		h := newHost(t, 1).start(func(c *Config) {
			c.Listener = newPipes()
			c.Dial = func(context.Context, string) (net.Conn, error) {
				d.note()
				return nil, errors.New("nobody there")
			}
		})
		h.tr.SetPeers(map[raft.NodeID]string{2: "nowhere"})
		<-time.After(10 * time.Second)
		pauses := d.pauses(t)
		if len(pauses) < 50 {
			t.Fatalf("dialled %d times in 10 s", len(pauses))
		}
		if pauses[0] > dialPauseMin {
			t.Errorf("the first pause is %v, more than %v", pauses[0], dialPauseMin)
		}
		var different bool
		for i, p := range pauses {
			if p < dialPauseMin/2 || p > dialPauseMax {
				t.Errorf("pause %d is %v", i, p)
			}
			different = different || p != pauses[len(pauses)-1]
		}
		if !different {
			t.Error("all pauses are equal")
		}
		h.tr.Close()
	})
}

func TestRefusedPeerIsDialledSeldomUntilItLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dials{began: time.Now()}
		refuse := true
		var mu sync.Mutex
		theirs := newPipes()
		b := newHost(t, 2)
		b.check = func(wire.Hello) wire.HelloReply {
			mu.Lock()
			defer mu.Unlock()
			if refuse {
				return refusing(wire.HelloNotMember)(wire.Hello{})
			}
			return wire.HelloReply{}
		}
		ours := newPipes()
		b.start(func(c *Config) {
			c.Listener = theirs
			c.Dial = func(ctx context.Context, _ string) (net.Conn, error) { return ours.dial(ctx) }
		})
		a := newHost(t, 1).start(func(c *Config) {
			c.Listener = ours
			c.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
				d.note()
				return theirs.dial(ctx)
			}
		})
		a.tr.SetPeers(map[raft.NodeID]string{2: "b"})
		<-time.After(10 * time.Second)
		pauses := d.pauses(t)
		if len(pauses) < 5 {
			t.Fatalf("dialled %d times in 10 s", len(pauses))
		}
		for i, p := range pauses {
			if p < refusedPause || p > 2*refusedPause {
				t.Errorf("pause %d is %v", i, p)
			}
		}
		mu.Lock()
		refuse = false
		mu.Unlock()
		b.tr.SetPeers(map[raft.NodeID]string{1: "a"})
		synctest.Wait() // no time passes
		if !a.connected(1) {
			t.Error("a peer that was heard is not dialled at once")
		}
		a.tr.Close()
		b.tr.Close()
	})
}

// A peer that accepts and closes at once is not dialled in a tight loop; one that held its
// connection for a while is dialled again at once.
func TestShortLivedConnectionsCountAsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dials{began: time.Now()}
		theirs := newPipes()
		h := newHost(t, 1).start(func(c *Config) {
			c.Listener = newPipes()
			c.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
				d.note()
				return theirs.dial(ctx)
			}
		})
		h.tr.SetPeers(map[raft.NodeID]string{2: "b"})
		for range 5 {
			receive(t, theirs).Close()
		}
		for i, p := range d.pauses(t) {
			if p < dialPauseMin/2 || p > dialPauseMax {
				t.Errorf("pause %d is %v", i, p)
			}
		}
		s := receive(t, theirs)
		<-time.After(shortLife)
		s.Close()
		before := time.Now()
		receive(t, theirs)
		if pause := time.Since(before); pause != 0 {
			t.Errorf("dialled again after %v, want at once", pause)
		}
		h.tr.Close()
		theirs.Close()
	})
}

func TestSilentStrangerIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours := newPipes()
		h := newHost(t, 1).start(func(c *Config) { c.Listener = ours })
		began := time.Now()
		conn, err := ours.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		newStranger(t, conn).ended("silence")
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("cut off after %v", d)
		}
		h.tr.Close()
		if s := h.tr.Stats(); s.FailedHandshakes != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestSilentAcceptorAndSilentReaderAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := newPipes()
		h := newHost(t, 1).start(func(c *Config) {
			c.Listener = newPipes()
			c.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
				return theirs.dial(ctx)
			}
		})
		h.tr.SetPeers(map[raft.NodeID]string{2: "b"})
		silent := accept(t, theirs)
		began := time.Now()
		if _, err := wire.ReadFrame(silent.r, wire.MaxHelloBytes, nil); err != nil {
			t.Fatal(err)
		}
		silent.ended("no answer to a hello")
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("an acceptor that says nothing is given up after %v", d)
		}
		receive(t, theirs) // reads nothing from here on
		began = time.Now()
		h.await("to meet it", func() bool { return len(h.met) == 1 })
		h.tr.Send(2, []wire.Message{beat(1, 2, 1)})
		h.await("to lose it", func() bool { return len(h.lost) == 1 })
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("a reader that reads nothing is given up after %v", d)
		}
		h.tr.Close()
		theirs.Close()
	})
}

// broke is a listener that the system gives no descriptors.
type broke struct {
	*pipes
	accepts dials
}

func (b *broke) Accept() (net.Conn, error) {
	b.accepts.note()
	return nil, errors.New("too many open files")
}

func TestAcceptIsTriedAgainWithPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broke{pipes: newPipes(), accepts: dials{began: time.Now()}}
		h := newHost(t, 1).start(func(c *Config) { c.Listener = b })
		<-time.After(10 * time.Second)
		h.tr.Close()
		pauses := b.accepts.pauses(t)
		if pauses[0] != 5*time.Millisecond || pauses[len(pauses)-1] != acceptPauseMax {
			t.Errorf("accepted after pauses of %v", pauses)
		}
	})
}
