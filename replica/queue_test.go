package replica

import (
	"math/rand/v2"
	"slices"
	"testing"

	"drystone/rsm"
)

// TestQueue compares the queue with a plain list under random use.
func TestQueue(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var q queue
	var want []Ticket
	ticket := Ticket(0)
	push := func() (rsm.Request, waiter) {
		ticket++
		request := rsm.Request{Command: make([]byte, rng.IntN(100)), Serial: uint64(ticket)}
		return request, waiter{ticket: ticket}
	}
	for range 20_000 {
		switch rng.IntN(8) {
		default:
			q.push(push())
			want = append(want, ticket)
		case 0:
			q.pushFront(push())
			want = slices.Insert(want, 0, ticket)
		case 1:
			if len(want) == 0 {
				continue
			}
			gone := want[rng.IntN(len(want))]
			i := slices.IndexFunc(q.waiters, func(w waiter) bool { return w.ticket == gone })
			if q.drop(i) < requestOverheadBytes {
				t.Fatal("a request of no bytes")
			}
			want = slices.DeleteFunc(want, func(t Ticket) bool { return t == gone })
		case 2:
			limit := rng.IntN(3000)
			requests, waiters, size := q.fit(limit)
			if size > limit && len(requests) > 1 || len(requests) == 0 && len(want) > 0 {
				t.Fatalf("%d requests of %d bytes fit %d", len(requests), size, limit)
			}
			for i := range requests {
				if waiters[i].ticket != want[i] || requests[i].Serial != uint64(want[i]) {
					t.Fatalf("position %d holds %d, want %d", i, waiters[i].ticket, want[i])
				}
			}
			q.take(len(requests))
			want = want[len(requests):]
		}
		if q.len() != len(want) || q.len() > 0 && q.head > 2*len(q.requests)/3 {
			t.Fatalf("%d waiting, want %d; head %d of %d", q.len(), len(want), q.head, len(q.requests))
		}
	}
}

// TestQueueForgets: an empty queue holds no requests, and not the room a flood needed.
func TestQueueForgets(t *testing.T) {
	var q queue
	for range 2 * idleCapacity {
		q.push(rsm.Request{Command: []byte("x")}, waiter{})
	}
	for q.len() > 0 {
		requests, _, _ := q.fit(1 << 16)
		q.take(len(requests))
		for i := range q.requests[:q.head] {
			if q.requests[i].Command != nil {
				t.Fatal("a taken request is held")
			}
		}
	}
	if cap(q.requests) > idleCapacity {
		t.Errorf("room for %d is kept", cap(q.requests))
	}
}

// TestLogClock: a follower follows the stamps, a leader's own stamps do not slow it down.
func TestLogClock(t *testing.T) {
	c := logClock{stamp: 100, at: 10}
	if got := c.read(15); got != 105 {
		t.Errorf("read %d", got)
	}
	if c.learn(103, 15); c.read(20) != 108 {
		t.Error("a newer stamp is not followed, though the clock had run ahead of it")
	}
	if c.learn(103, 30); c.read(30) != 118 {
		t.Error("an entry without a newer stamp stopped the clock")
	}
	stamp := c.issue(40)
	if c.learn(stamp, 50); c.read(50) != stamp+10 {
		t.Error("a leader's stamp came back and slowed its clock")
	}
	if c.learn(stamp-1, 60); c.read(60) != stamp+20 {
		t.Error("log time went back")
	}
}

// BenchmarkSubmit is a burst of requests through a single replica, without disk or machine.
func BenchmarkSubmit(b *testing.B) {
	w := newWorld(b, defaults(1, 1))
	n := w.elect()
	w.run(1000)
	r := n.replica
	r.config.MaxInflightBytes, r.config.MaxEntryBytes = 1<<30, 1<<20
	request := pushRequest(1)
	b.ReportAllocs()
	for b.Loop() {
		r.Submit(w.now, 1, request, 1000)
		if r.origin.pending.len() == 1000 {
			requests, _, size := r.origin.pending.fit(1 << 30)
			r.origin.pending.take(len(requests))
			r.inflightBytes -= size
		}
	}
}
