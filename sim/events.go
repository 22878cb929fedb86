package sim

// kind is what an event does when its time comes.
type kind uint8

const (
	evTick    kind = iota // a node's clock ticks
	evLoop                // a node's loop takes what gathered
	evDeliver             // a packet arrives
	evWrite               // a node's writer writes and syncs what is queued
	evWrote               // the writer reports what it wrote
	evApply               // a node's applier takes what is queued
	evApplied             // the applier reports what it applied
	evSave                // a frozen snapshot is written
	evPrepare             // a spare segment is made
	evShipped             // a sender learns how a shipment ended
	evDial                // a node opens connections that are missing
	evAsk                 // a directory without a cluster asks to be let in
	evQuit                // a removed node falls silent
	evLost                // a node learns that a connection broke
	evRestart             // a crashed node starts again
	evResume              // a paused node goes on
	evFault               // the next fault of a class
	evStrike              // a fault hits a certain node
	evMend                // a partition ends
	evClient              // a client thinks of something to do
	evTimeout             // a client gives up waiting
	evHeal                // the safety phase is over
	evCheck               // is the cluster well again?
	evChurn               // operators want something of the members
	evDisks               // something happens to a directory as a whole
	evLull                // a step of a lull
	evScript              // a test's own
	kindCount
)

// event is something that will happen. Events of one instant happen in the order they were
// thought of.
type event struct {
	at   int64 // µs
	seq  uint64
	kind kind
	node int8   // whom it happens to; an index into World.hosts
	boot uint32 // of that node when the event was planned: a crash voids it. 0: survives crashes
	a, b uint64
}

func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.seq < f.seq
}

// agenda is a 4-ary heap of events by value: nothing is allocated for an event.
type agenda struct{ heap []event }

func (g *agenda) push(e event) {
	g.heap = append(g.heap, e)
	i := len(g.heap) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&g.heap[parent]) {
			break
		}
		g.heap[i] = g.heap[parent]
		i = parent
	}
	g.heap[i] = e
}

func (g *agenda) pop() event {
	top := g.heap[0]
	n := len(g.heap) - 1
	e := g.heap[n]
	g.heap = g.heap[:n]
	if n == 0 {
		return top
	}
	i := 0
	for {
		first := 4*i + 1
		if first >= n {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, n); c++ {
			if g.heap[c].before(&g.heap[least]) {
				least = c
			}
		}
		if !g.heap[least].before(&e) {
			break
		}
		g.heap[i] = g.heap[least]
		i = least
	}
	g.heap[i] = e
	return top
}
