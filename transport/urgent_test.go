package transport

import (
	"context"
	"net"
	"runtime"
	"slices"
	"testing"

	"drystone/raft"
	"drystone/wire"
)

// jammed is two hosts over pipes, which hold nothing. The second one takes no message until free is
// called.
func jammed(t *testing.T) (from, to *host, free func()) {
	here, there := newPipes(), newPipes()
	gate := make(chan struct{})
	from, to = newHost(t, 1), newHost(t, 2)
	to.receive = func(id raft.NodeID, ms []wire.Message) {
		<-gate
		to.note(func() { to.received[id] = append(to.received[id], ms...) })
	}
	dialling := func(own, other *pipes) func(*Config) {
		return func(c *Config) {
			c.Listener = own
			c.Dial = func(ctx context.Context, _ string) (net.Conn, error) { return other.dial(ctx) }
		}
	}
	from.start(dialling(here, there))
	to.start(dialling(there, here))
	meet(from, to)
	return from, to, func() { close(gate) }
}

func entries(n, bytes int) (all []wire.Message) {
	for range n {
		all = append(all, wire.Message{Raft: &raft.Message{From: 1, To: 2, Term: 1,
			Body: raft.AppendEntries{Entries: []raft.Entry{{Index: 1, Data: make([]byte, bytes)}}},
		}})
	}
	return all
}

// A heartbeat behind megabytes of entries is not held up by them: only by what was being written.
func TestHeartbeatsGoAhead(t *testing.T) {
	from, to, free := jammed(t)
	const count = 40
	from.tr.Send(2, entries(count, burstBytes))
	from.tr.Send(2, []wire.Message{beat(1, 2, 7)})
	free()
	to.await("everything", func() bool { return len(to.received[1]) == count+1 })
	at := slices.IndexFunc(to.told().received[1], func(m wire.Message) bool {
		_, beats := m.Raft.Body.(raft.Heartbeat)
		return beats
	})
	// One burst is being written, and one that was written is being read.
	if at > 2 {
		t.Errorf("the heartbeat came behind %d of %d messages that were sent before it", at, count)
	}
}

// Who sends is the loop that heartbeats come from: it must not pay for what others have to carry.
func TestSendEncodesNothing(t *testing.T) {
	from, _, free := jammed(t)
	const size = 16 << 20
	load := entries(size/burstBytes, burstBytes)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	from.tr.Send(2, load)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > size/8 {
		t.Errorf("sending %d bytes allocates %d", size, took)
	}
	free()
}
