package node

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"drystone/disk"
	"drystone/raft"
	"drystone/rsm"
	"drystone/wire"
)

// What never left the node is answered, when it closes, as what it is: not applied.
func TestCloseWithRequestsThatWait(t *testing.T) {
	c := newCluster(t, 2)
	c.start(1, 2)
	c.leader()
	c.kill(2)
	n := c.nodes[1]
	eventually(t, "no leader is left", func() bool { return n.status().Role == "pre_candidate" })
	const callers = 20
	wrote, read := make(chan rsm.Result, callers), make(chan rsm.ReadResult, callers)
	var named atomic.Int32
	for range callers {
		go func() {
			r, id := n.Do(context.Background(), request("a"))
			if id != "" {
				named.Add(1)
			}
			wrote <- r
		}()
		go func() { read <- n.Query(context.Background(), nil, rsm.ReadOptions{}) }()
	}
	eventually(t, "all of them wait", func() bool { return waiting(n) == 2*callers })
	n.Close(ended())
	for range callers {
		if r := <-wrote; r.Outcome != rsm.NotApplied || r.Code != rsm.CodeDraining {
			t.Errorf("request: %+v", r)
		}
		if r := <-read; r.Code != rsm.CodeDraining {
			t.Errorf("read: %+v", r)
		}
	}
	// A caller counts as waiting just before its request is handed over, which the close may
	// forestall for the last few. All others were numbered.
	if named.Load() == 0 {
		t.Error("no request had a name")
	}
}

// gate holds up a disk's fdatasyncs while it is shut.
type gate struct {
	mu   sync.Mutex
	shut atomic.Bool
}

func (g *gate) hook(op disk.Op) error {
	if op.Kind == disk.OpDatasync && g.shut.Load() {
		g.mu.Lock()
		defer g.mu.Unlock()
	}
	return nil
}

// hold shuts the gate; release lets go what came to it.
func (g *gate) hold() {
	g.mu.Lock()
	g.shut.Store(true)
}

func (g *gate) release() {
	if g.shut.Swap(false) {
		g.mu.Unlock()
	}
}

// What is in the log and not committed is unknown, and has the name that will settle it.
func TestCloseWithRequestsInTheLog(t *testing.T) {
	mem, g := disk.NewMem(1), new(gate)
	mem.SetHook(g.hook)
	n := alone(t, mem)
	leads(t, n)
	before := n.status().LastIndex
	g.hold()
	type answer struct {
		result rsm.Result
		id     string
	}
	answered := make(chan answer, 1)
	go func() {
		r, id := n.Do(context.Background(), request("a"))
		answered <- answer{r, id}
	}()
	eventually(t, "it is in the log", func() bool { return n.status().LastIndex > before })
	closed := make(chan struct{})
	go func() {
		n.Close(ended())
		close(closed)
	}()
	if a := <-answered; a.result.Outcome != rsm.Unknown || a.id == "" {
		t.Errorf("got %+v for request %q", a.result, a.id)
	}
	g.release()
	<-closed
	// And indeed: it became durable after all.
	n = alone(t, mem)
	leads(t, n)
	if got := tapeOf(t, n); got != "a" {
		t.Errorf("read %q", got)
	}
}

// A close without hurry lets everything under way be applied.
func TestCloseWaits(t *testing.T) {
	n := alone(t, disk.NewMem(1))
	leads(t, n)
	const callers = 50
	wrote := make(chan rsm.Result, callers)
	for i := range callers {
		go func() {
			r, _ := n.Do(context.Background(), request(fmt.Sprint(i)))
			wrote <- r
		}()
	}
	eventually(t, "some are under way", func() bool { return waiting(n) > 0 || len(wrote) > 0 })
	if err := n.Close(context.Background()); err != nil {
		t.Error(err)
	}
	for range callers {
		r := <-wrote
		if r.Outcome != rsm.Applied && (r.Outcome != rsm.NotApplied || r.Code != rsm.CodeDraining) {
			t.Errorf("got %+v", r)
		}
	}
	if r, _ := n.Do(context.Background(), request("a")); r.Outcome != rsm.NotApplied {
		t.Errorf("after the close: %+v", r)
	}
	if r := n.Query(context.Background(), nil, rsm.ReadOptions{}); r.Code != rsm.CodeDraining {
		t.Errorf("after the close: %+v", r)
	}
	if err := n.Close(context.Background()); err == nil {
		t.Error("a second close found nothing to say")
	}
}

// A close waits for callers, not for what nobody waits for: without a majority that may never be
// settled.
func TestCloseWaitsForCallersOnly(t *testing.T) {
	mem, g := disk.NewMem(1), new(gate)
	mem.SetHook(g.hook)
	n := alone(t, mem)
	leads(t, n)
	g.hold()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if r, _ := n.Do(ctx, request("a")); r.Outcome != rsm.Unknown {
		t.Errorf("got %+v", r)
	}
	closed := make(chan error)
	go func() { closed <- n.Close(context.Background()) }()
	select {
	case <-n.running().drained:
	case <-time.After(patience):
		t.Error("the close waits for a request without a caller")
	}
	g.release()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// However many closes there are at once, one of them is the one.
func TestCloseAtOnce(t *testing.T) {
	n := alone(t, disk.NewMem(1))
	leads(t, n)
	// As by a Close that is at this point.
	n.inbox.put(func(p *pile) { p.drain = true })
	<-n.running().drained
	failures := make(chan error, 4)
	for range cap(failures) {
		go func() { failures <- n.Close(context.Background()) }()
	}
	good := 0
	for range cap(failures) {
		if <-failures == nil {
			good++
		}
	}
	if good != 1 {
		t.Errorf("%d closes succeeded", good)
	}
}

// A node whose first start is under way closes, too, and says why it takes nothing.
func TestCloseBeforeTheClusterForms(t *testing.T) {
	c := newCluster(t, 3)
	c.start(1, 2)
	eventually(t, "they meet", func() bool {
		return strings.HasPrefix(c.nodes[1].status().Reason, "the first start waits for node 3:")
	})
	n := c.nodes[1]
	c.stop(1)
	r, _ := n.Do(context.Background(), request("a"))
	if r.Outcome != rsm.NotApplied || r.Code != rsm.CodeBootstrapping {
		t.Errorf("got %+v", r)
	}
}

// A machine that panics ends its node, by name of the entry; its callers learn what is known, and
// nothing piles up behind it.
func TestMachinePanics(t *testing.T) {
	n := alone(t, disk.NewMem(1))
	leads(t, n)
	r, id := n.Do(context.Background(), request("panic"))
	if r.Outcome != rsm.Unknown || id == "" {
		t.Errorf("got %+v for request %q", r, id)
	}
	<-n.Done()
	if err := n.Err(); err == nil || !strings.Contains(err.Error(), "entry") {
		t.Errorf("the cause is %v", err)
	}
	if s := n.status(); s.Health != rsm.HealthQuarantined || !strings.Contains(s.Reason, "entry") {
		t.Errorf("health %s: %s", s.Health, s.Reason)
	}
	n.contacts.update(2, func(c *contact) { c.trusted = true })
	for range 100 {
		n.Receive(wire.Hello{Node: 2}, []wire.Message{{Peer: rsm.ReadAsk{ID: 1}}})
	}
	if p := n.inbox.take(pile{}); len(p.received) > 0 {
		t.Errorf("%d messages wait for a loop that has ended", len(p.received))
	}
	r, _ = n.Do(context.Background(), request("b"))
	if r.Outcome != rsm.NotApplied {
		t.Errorf("after its end: %+v", r)
	}
}

// A failed fsync ends a node at once, and its peers go on without it.
func TestDiskFails(t *testing.T) {
	c := newCluster(t, 3)
	broken := map[uint64]*atomic.Bool{}
	for id := uint64(1); id <= 3; id++ {
		b := new(atomic.Bool)
		c.mems[id], broken[id] = disk.NewMem(id), b
		c.mems[id].SetHook(func(op disk.Op) error {
			if op.Kind == disk.OpDatasync && b.Load() {
				return syscall.EIO
			}
			return nil
		})
	}
	c.start(1, 2, 3)
	old := c.leader()
	do(t, c.nodes[old], "a")
	broken[old].Store(true)
	failed := c.nodes[old]
	r, id := failed.Do(context.Background(), request("b"))
	if r.Outcome == rsm.NotApplied || id == "" {
		t.Errorf("got %+v for request %q", r, id)
	}
	<-failed.Done()
	delete(c.nodes, old)
	do(t, c.nodes[c.leader()], "c")
	if s := failed.status(); s.Health != rsm.HealthQuarantined {
		t.Errorf("health %s: %s", s.Health, s.Reason)
	}
	failed.Close(context.Background())
}

// What peers say is bounded while the loop has not taken it, and nobody is left waiting.
func TestFlood(t *testing.T) {
	b := newInbox()
	const senders, size = 100, 1 << 20
	var sent sync.WaitGroup
	batch := make([]byte, size)
	for id := range raft.NodeID(senders) {
		sent.Go(func() {
			b.receive(received{from: id, messages: forward(batch)})
		})
	}
	taken := 0
	for taken < senders/2 {
		<-b.wake
		p := b.take(pile{})
		taken += len(p.received)
		if p.receivedBytes > receivedMax+2*size {
			t.Errorf("%d bytes wait", p.receivedBytes)
		}
	}
	b.close()
	sent.Wait()
	if b.put(func(*pile) {}) {
		t.Error("an inbox without a loop takes more")
	}
}
