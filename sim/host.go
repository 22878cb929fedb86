package sim

import (
	"fmt"

	"drystone/disk"
	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
	"drystone/storage"
	"drystone/wire"
)

// host is a node without goroutines: loop, writer and applier as package node has them, each
// step an event. The code below it is the real one. The disk outlives it; the rest does not.
type host struct {
	world *world
	index int
	id    raft.NodeID
	boot  uint32 // grows at each start and crash, so that events of the past are told apart
	mem   *disk.Mem
	dir   disk.Dir

	changes   uint64 // disk operations so far that change something, over all boots
	crashAt   uint64 // power is lost at that one; 0: not planned
	syncFails bool   // the next fdatasync fails
	dying     bool   // the process is no more, and has not noticed
	death     ending

	up      bool // the process runs
	paused  bool
	missed  []event // while paused
	started int64   // when its monotonic clock began
	halted  int64   // when it last crashed, was paused or went on: no deadline binds it across
	ill     bool    // it stays as it is until all is well
	stalled int64   // its disk finishes nothing before

	identity  storage.Identity
	bootstrap *storage.Bootstrap

	// Once the cluster has formed.
	store       *storage.Store
	core        replica.Engine
	replica     *replica.Replica
	state       *rsm.State
	pile        pile
	done        []rsm.EntryDone // room for feedApplied
	loopPlanned bool
	writer      writer
	applier     applier
	saver       saver
	shipping    []shipping

	seen   view // what the checker saw last
	record record
}

func newHost(w *world, index int) *host {
	h := &host{world: w, index: index, id: raft.NodeID(index + 1)}
	h.mem = disk.NewMem(w.random.next())
	h.mem.SetHook(h.onDiskOp)
	return h
}

// clock is the node's own monotonic clock in ms.
func (h *host) clock() uint64 {
	return uint64((h.world.now - h.started) * h.world.plan.skew[h.index] / second)
}

// local turns a span of the node's own time into the world's.
func (h *host) local(span int64) int64 { return span * 1000 / h.world.plan.skew[h.index] }

// start opens the directory as a node process does. A crash planned for one of the disk
// operations on the way may end it anywhere.
func (h *host) start() {
	w := h.world
	h.boot++
	h.up, h.paused, h.dying = true, false, false
	h.started, h.halted = w.now, w.now
	h.dir = h.mem.Dir()
	w.trace.line(h, "start")
	id, err := storage.OpenIdentity(h.dir, storage.Identity{
		Node: uint64(h.id), Engine: w.options.Engine.Name, Incarnation: w.incarnation(),
	})
	if h.failed("open the identity", err) {
		return
	}
	h.identity = id
	w.check.identity(h)
	if id.Cluster != "" {
		h.join()
		return
	}
	h.bootstrap = storage.NewBootstrap(
		storage.PeerIdentity{Node: id.Node, Incarnation: id.Incarnation}, w.numbers())
	h.joinIfComplete()
	if h.bootstrap != nil && h.up {
		w.after(0, evHello, h, 0, 0)
	}
}

// joinIfComplete forms the cluster once this node has met all the others (first start).
func (h *host) joinIfComplete() {
	if h.bootstrap == nil || !h.bootstrap.Complete() {
		return
	}
	formed := h.bootstrap.Form(h.identity)
	if h.failed("save the identity", storage.SaveIdentity(h.dir, formed)) {
		return
	}
	h.identity, h.bootstrap = formed, nil
	h.world.check.identity(h)
	h.world.trace.line(h, "formed cluster", formed.Cluster[:8])
	h.join()
}

// join recovers what the directory holds and takes part in the cluster.
func (h *host) join() {
	w := h.world
	store, restored, err := storage.Open(h.dir, h.identity, storage.Options{
		SegmentBytes:   w.plan.segmentBytes,
		InitialMembers: w.members(),
		Salt:           w.random.next(),
	})
	if h.failed("open the store", err) {
		return
	}
	if restored.Torn != "" {
		w.reach(markTorn)
		w.trace.line(h, "torn tail", restored.Torn)
	}
	w.check.restored(h, &restored.Raft)
	h.state = rsm.New(newMachine(), rsm.Options{
		Node: uint64(h.id), Boot: h.identity.Boot,
		Config: raft.EncodeMembers(nil, restored.Raft.Snapshot.Members),
	})
	if restored.Snapshot != nil {
		content, err := restored.Snapshot()
		if h.failed("open the snapshot", err) {
			return
		}
		err = h.state.Restore(content)
		content.Close()
		if h.failed("restore the snapshot", err) {
			return
		}
		w.reach(markRestored)
	}
	c := w.plan.raft
	c.ID = h.id
	c.Seed = w.random.next()
	c.Trace = w.trace.hook(h)
	h.store = store
	h.core = w.options.Engine.New(c, restored.Raft)
	h.replica = replica.New(replica.Config{
		ID: h.id, Boot: h.identity.Boot,
		MaxInflightBytes: w.plan.maxInflight, MaxEntryBytes: w.plan.maxEntry,
		RetryMs: w.plan.retryMs, TickMs: 10, Settings: w.plan.settings,
	}, h.core, h.state.Point(), h.clock())
	w.check.applied(h, h.state)
	w.check.observe(h)
	w.after(h.local(w.random.between(1, 10*ms)), evTick, h, 0, 0)
	h.loop()
}

// ending is how a process ends.
type ending uint8

const (
	lifeKilled ending = iota // the process alone: what it wrote is in the page cache
	lifePower                // with its machine
	lifeOver                 // its machine is down already
)

// crash ends the process. What it held in memory is gone, callers lose their connections.
func (h *host) crash(how ending) {
	w := h.world
	if h.identity.Cluster == "" {
		w.reach(markFormation)
	}
	w.check.crashed(h)
	h.boot++
	h.up, h.paused = false, false
	h.halted = w.now
	h.syncFails, h.dying = false, false
	if h.crashAt <= h.changes {
		h.crashAt = 0
	}
	h.identity = storage.Identity{}
	for _, e := range h.missed {
		if e.kind == evDeliver {
			w.net.take(e.a)
		}
	}
	h.missed = nil
	h.store, h.core, h.replica, h.state, h.bootstrap = nil, nil, nil, nil, nil
	h.pile, h.loopPlanned = pile{}, false
	h.writer, h.applier, h.saver, h.shipping = writer{}, applier{}, saver{}, nil
	switch how {
	case lifeKilled:
		h.mem.Kill()
	case lifePower:
		h.mem.Crash()
	}
	w.clients.onCrash(h)
	if how == lifeKilled {
		for _, peer := range w.hosts {
			if peer != h && peer.up && !w.net.cut[h.index][peer.index] {
				w.after(w.random.between(50, 2*ms), evLost, peer, uint64(h.index), 0)
			}
		}
	}
	delay := w.random.spread(w.plan.serverMean)
	if w.healing {
		delay = 10 * ms
	}
	w.always(delay, evRestart, h.index, uint64(h.boot), 0)
}

func (w *world) onRestart(h *host, boot uint32) {
	if h.up || h.boot != boot || h.ill {
		return
	}
	if h.boot > 0 && !w.healing && w.plan.every[faultDiskOp] > 0 && w.random.below(4) == 0 {
		h.crashAt = h.changes + 1 + uint64(w.random.below(30)) // recovery is not spared
	}
	h.start()
}

func (w *world) onResume(h *host, boot uint32) {
	if h.boot != boot || !h.paused || h.ill {
		return
	}
	h.paused = false
	h.halted = w.now
	w.trace.line(h, "resume")
	missed := h.missed
	h.missed = nil
	for _, e := range missed {
		e.at = w.now
		w.planned++
		e.seq = w.planned
		w.agenda.push(e)
	}
}

// failed says whether an error ended the process, and ends it if so. Only errors that the
// simulator made are excuses.
func (h *host) failed(what string, err error) bool {
	if h.dying {
		h.world.trace.line(h, "died", what)
		h.crash(h.death)
		return true
	}
	if err != nil {
		h.world.fail("Recovery", "n%d: %s: %v", h.id, what, err)
	}
	return false
}

// onTick is one tick of the core's clock.
func (h *host) onTick() {
	h.world.after(h.local(10*ms), evTick, h, 0, 0)
	h.pile.ticked = true
	h.wake()
}

func (w *world) onDeliver(h *host, slot uint64) {
	if h.paused {
		w.planned++
		h.missed = append(h.missed, event{
			kind: evDeliver, node: int8(h.index), a: slot,
		})
		return
	}
	p := w.net.take(slot)
	if !h.up {
		return
	}
	switch p.kind {
	case packetHello:
		h.onHello(p)
	case packetSnapshot:
		h.onShipment(p)
	case packetMessage:
		if h.replica == nil {
			return
		}
		m, err := wire.DecodeMessage(p.body)
		if err != nil {
			w.fail("Wire", "n%d cannot decode a message of n%d: %v", h.id, p.from+1, err)
		}
		w.trace.message(h, p.from, &m)
		h.pile.received = append(h.pile.received, received{raft.NodeID(p.from + 1), m})
		h.wake()
	}
}

func (h *host) onLost(peer int) {
	if h.replica == nil {
		return
	}
	h.world.trace.line(h, fmt.Sprintf("lost the connection to n%d", peer+1))
	h.pile.lost = append(h.pile.lost, raft.NodeID(peer+1))
	h.wake()
}

// helloEvery is how often a node that bootstraps greets the others.
const helloEvery = 50 * ms

func (h *host) onHelloTimer() {
	if h.bootstrap == nil {
		return
	}
	for i := range h.world.hosts {
		if i != h.index {
			h.greet(i)
		}
	}
	h.world.after(helloEvery, evHello, h, 0, 0)
}

func (h *host) greet(to int) {
	h.world.send(packet{from: h.index, to: to, kind: packetHello,
		body: wire.EncodeHello(nil, wire.Hello{
			Protocol: wire.Protocol, Cluster: h.identity.Cluster, Node: uint64(h.id),
			To: uint64(to + 1), Incarnation: h.identity.Incarnation, Boot: h.identity.Boot,
		})})
}

func (h *host) onHello(p packet) {
	w := h.world
	hello, err := wire.DecodeHello(p.body)
	if err != nil {
		w.fail("Wire", "n%d cannot decode a hello: %v", h.id, err)
	}
	if h.bootstrap == nil {
		if hello.Cluster == "" { // it still waits for us
			h.greet(p.from)
		}
		return
	}
	_, err = h.bootstrap.Meet(storage.PeerIdentity{
		Node: hello.Node, Incarnation: hello.Incarnation,
	})
	if err != nil {
		w.fail("Bootstrap", "n%d meets n%d: %v", h.id, hello.Node, err)
	}
	h.joinIfComplete()
}
