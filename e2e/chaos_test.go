package e2e

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"drystone/internal/proc"
)

// TestChaosKillLeader: eight clients push keyed values through random nodes while the leader is
// killed again and again. Every value is there exactly once, and all nodes agree.
func TestChaosKillLeader(t *testing.T) {
	for _, nodes := range []int{5, 3, 1} {
		t.Run(fmt.Sprintf("nodes=%d", nodes), func(t *testing.T) {
			for run := range *chaosRuns {
				chaos(t, nodes, run)
			}
		})
	}
}

func chaos(t *testing.T, nodes, run int) {
	c := proc.Start(t, proc.Options{Nodes: nodes, Dir: t.TempDir()})
	const clients = 8
	each := 1000
	if *chaosKills < 15 {
		each = 60 * *chaosKills
	}
	var mu sync.Mutex
	kills := 0
	l := &load{
		stack: "chaos", urls: c.URLs(), each: each, clients: clients,
		// A client may only go as far as the kills have: the run sees them all.
		gate: func(done int) bool {
			mu.Lock()
			defer mu.Unlock()
			return done*(*chaosKills+1) < each*(kills+1) || kills >= *chaosKills
		},
	}
	began := time.Now()
	l.start(t)
	finished := make(chan struct{})
	go func() { l.wait.Wait(); close(finished) }()
	for going := true; going; {
		before := l.acks.Load()
		leader := c.WaitLeader()
		leader.Kill()
		mu.Lock()
		kills++
		mu.Unlock()
		if nodes > 2 {
			// The others go on without it for a while.
			going = waitAcks(l, before+20, finished)
		}
		leader.Start()
		if nodes <= 2 {
			leader.WaitReady()
		}
		going = going && waitAcks(l, before+40, finished)
		// With one voter in three or two in five away, a second kill would stop the rest.
		if going && nodes > 1 {
			leader.WaitReady()
		}
	}
	<-finished
	if kills < *chaosKills {
		t.Errorf("the run saw %d kills of the leader, wanted %d", kills, *chaosKills)
	}
	c.WaitReady()
	waitEqual(t, c.URLs())
	l.verify(t, c.URLs()[run%nodes])
	t.Logf("nodes=%d run=%d kills=%d acknowledged=%d tries=%d in %v", nodes, run, kills,
		l.acks.Load(), l.tries.Load(), time.Since(began).Round(time.Millisecond))
	for _, n := range c.Nodes {
		n.Kill()
	}
}

// waitAcks waits for so many acknowledgements; false once the load is through.
func waitAcks(l *load, n int64, finished chan struct{}) bool {
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	limit := time.Now().Add(2 * time.Second)
	for l.acks.Load() < n && time.Now().Before(limit) {
		select {
		case <-finished:
			return false
		case <-pace.C:
		}
	}
	select {
	case <-finished:
		return false
	default:
		return true
	}
}

// TestAllKilled: all nodes are killed together under load; every acknowledged push is there
// when they come back.
func TestAllKilled(t *testing.T) {
	c := proc.Start(t, proc.Options{Nodes: 3})
	l := &load{stack: "cut", urls: c.URLs(), each: 1 << 30, clients: 4}
	l.start(t)
	finished := make(chan struct{})
	for cut := range *powerCuts {
		waitAcks(l, l.acks.Load()+100+int64(cut%7)*13, finished)
		for _, n := range c.Nodes {
			n.Kill()
		}
		for _, n := range c.Nodes {
			n.Start()
		}
		c.WaitReady()
	}
	l.stop.Store(true)
	l.wait.Wait()
	waitEqual(t, c.URLs())
	l.verify(t, c.URLs()[0])
	t.Logf("%d cuts, %d acknowledged", *powerCuts, l.acks.Load())
}
