package transport

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"drystone/raft"
	"drystone/rsm"
	"drystone/wire"
)

// pair is two hosts that know each other, over pipes.
func pair(t *testing.T) (a, b *host) {
	atA, atB := newPipes(), newPipes()
	a = newHost(t, 1).start(func(c *Config) {
		c.Listener = atA
		c.Dial = func(ctx context.Context, _ string) (net.Conn, error) { return atB.dial(ctx) }
	})
	b = newHost(t, 2).start(func(c *Config) {
		c.Listener = atB
		c.Dial = func(ctx context.Context, _ string) (net.Conn, error) { return atA.dial(ctx) }
	})
	meet(a, b)
	return a, b
}

func TestSilenceBreaksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t)
		a.tr.Send(2, []wire.Message{beat(1, 2, 1)})
		<-time.After(time.Hour)
		a.tr.Send(2, []wire.Message{beat(1, 2, 2)})
		b.tr.Send(1, []wire.Message{beat(2, 1, 3)})
		synctest.Wait()
		if len(a.lost)+len(b.lost) != 0 || len(b.received[1]) != 2 || len(a.received[2]) != 1 {
			t.Errorf("lost %v and %v, received %v and %v", a.lost, b.lost, a.received, b.received)
		}
		a.tr.Close()
		b.tr.Close()
	})
}

func TestCloseWaitsForTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t)
		release := make(chan struct{})
		entered := make(chan struct{})
		b.note(func() {
			b.receive = func(raft.NodeID, []wire.Message) {
				close(entered)
				<-release
			}
		})
		a.tr.Send(2, []wire.Message{beat(1, 2, 1)})
		<-entered
		closed := false
		go func() {
			b.tr.Close()
			closed = true
		}()
		synctest.Wait()
		if closed {
			t.Error("Close returned while the Handler was at work")
		}
		close(release)
		synctest.Wait()
		if !closed {
			t.Error("Close never returned")
		}
		b.tr.SetPeers(map[raft.NodeID]string{1: "a"}) // starts nothing any more
		b.tr.Close()                                  // is no harm
		if len(b.lost) != 0 {
			t.Errorf("closing lost %v", b.lost)
		}
		a.tr.Close()
	})
}

// What is said before a connection stands is kept for it, within bounds, and goes with a dial
// that fails.
func TestMessagesWaitForAConnectionComingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		verdict := make(chan error)
		theirs := newPipes()
		h := newHost(t, 1).start(func(c *Config) {
			c.Listener = newPipes()
			c.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
				select {
				case err := <-verdict:
					if err != nil {
						return nil, err
					}
					return theirs.dial(ctx)
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		})
		h.tr.SetPeers(map[raft.NodeID]string{2: "b"})
		synctest.Wait()
		large := wire.Message{Peer: rsm.Forward{Batch: make([]byte, idleQueueBytes/3)}}
		for range 10 {
			h.tr.Send(2, []wire.Message{large})
		}
		if s := h.stats(2); s.QueuedBytes > idleQueueBytes || s.QueuedBytes == 0 || s.Dropped != 8 {
			t.Errorf("%d bytes wait, %d messages dropped", s.QueuedBytes, s.Dropped)
		}
		verdict <- errors.New("nobody there")
		synctest.Wait()
		if s := h.stats(2); s.QueuedBytes != 0 || s.Dropped != 10 || s.FailedDials != 1 {
			t.Errorf("after a failed dial: %+v", s)
		}
		h.tr.Send(2, []wire.Message{beat(1, 2, 7)})
		verdict <- nil
		s := receive(t, theirs)
		body, err := wire.ReadFrame(s.r, 1<<10, nil)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := wire.DecodeMessage(body); err != nil || number(m) != 7 {
			t.Errorf("got %v, %v", m, err)
		}
		h.tr.Close()
		theirs.Close()
	})
}
