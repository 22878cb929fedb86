package e2e

import "sync"

// gate lets clients go only as far as the faults have, so that a run sees all of them, evenly
// spread.
type gate struct {
	mu       sync.Mutex
	moved    *sync.Cond
	faults   int // wanted
	ops      int // of all clients
	done     int // operations begun
	happened int // faults
}

func newGate(faults, ops int) *gate {
	g := &gate{faults: faults, ops: ops}
	g.moved = sync.NewCond(&g.mu)
	return g
}

// pass waits until one more operation may begin.
func (g *gate) pass() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.happened < g.faults && g.done*(g.faults+1) >= g.ops*(g.happened+1) {
		g.moved.Wait()
	}
	g.done++
	g.moved.Broadcast()
}

// next waits until so many operations have begun that the next fault is due; false after the last.
func (g *gate) next() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.happened == g.faults {
		return false
	}
	// A little before the clients have to wait, so that they are busy when it happens.
	for g.happened < g.faults && g.done*(g.faults+1)*4 < g.ops*(4*g.happened+3) {
		g.moved.Wait()
	}
	return g.happened < g.faults
}

// killed says that the fault has happened.
func (g *gate) killed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.happened++
	g.moved.Broadcast()
}

// open lets all pass, when a client has failed and the rest is of no interest.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.happened = g.faults
	g.moved.Broadcast()
}
