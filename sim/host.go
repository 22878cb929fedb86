package sim

import (
	"strconv"

	"drystone/disk"
	"drystone/members"
	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
	"drystone/storage"
	"drystone/wal"
	"drystone/wire"
)

// host is a machine and the node on it, without goroutines: loop, writer and applier as package
// node has them, each step an event. The code below it is the real one. The disk outlives it; the
// rest does not.
type host struct {
	world *world
	index int
	id    raft.NodeID
	boot  uint32 // grows at each start and crash, so that events of the past are told apart
	mem   *disk.Mem
	dir   disk.Dir

	changes uint64 // disk operations so far that change something, over all boots
	crashAt uint64 // power is lost at that one; 0: not planned
	dying   bool   // power was lost, and the process has not noticed

	up      bool // the process runs
	paused  bool
	missed  []event // while paused
	started int64   // when its monotonic clock began
	halted  int64   // when it last crashed, was paused or went on: no deadline binds it across
	ill     bool    // it stays as it is until all is well
	slow    int64   // each write takes so long; 0: as the plan says
	stalled int64   // its disk finishes nothing before

	address   string   // where it is reached
	listed    []uint64 // its --cluster; none: it was started with --join
	seeds     []int    // the machines of its --join
	addresses map[raft.NodeID]string
	gone      bool // the machine will not come back
	replaces  mark // what it means that it is let in
	looping   bool
	disks     disks

	identity    storage.Identity
	bootstrap   *storage.Bootstrap
	asking      *asking
	contacts    []*contact
	targets     []target
	dialPlanned int64

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
	steward     steward
	admin       admin
	standing    *members.Standing
	ticks       int64
	restoredAt  uint64 // the state of this boot came from a snapshot of that entry; 0: not
	heard       heard
	word        uint64 // when a leader was heard last, or it led, by its own clock in ms
	echo        echo   // of this boot and of the one before

	rot     *wal.Record // a story flipped a bit there
	refusal string      // in what words this directory was refused for it

	seen   view // what the checker saw last
	record *record
}

// newHost adds a machine with an empty directory, for a node of that number.
func (w *world) newHost(id raft.NodeID) *host {
	h := &host{world: w, index: len(w.hosts), id: id}
	h.address = "machine" + strconv.Itoa(h.index+1) + ":1"
	w.addresses[h.address] = h.index
	w.hosts = append(w.hosts, h)
	h.format()
	return h
}

// format gives a machine a new, empty directory.
func (h *host) format() {
	h.mem = disk.NewMem(h.world.random.next())
	h.mem.SetHook(h.onDiskOp)
	h.changes, h.crashAt = 0, 0
	h.record = &record{node: h.id}
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
	h.addresses = map[raft.NodeID]string{}
	for _, n := range h.listed {
		h.addresses[raft.NodeID(n)] = w.hosts[n-1].address
	}
	h.standing = members.FirstStanding(id)
	switch {
	case id.Removed != "":
		h.record.rot = nil // nobody will look at its log again
		w.trace.line(h, id.Removed)
	case id.Cluster != "":
		h.open()
	case len(h.listed) == 0:
		h.askToJoin()
	default:
		h.bootstrap = storage.NewBootstrap(
			storage.PeerIdentity{Node: id.Node, Incarnation: id.Incarnation}, h.listed)
		h.dial()
		h.formIfComplete()
	}
}

// keepAlive is within how long a connection is found dead whose other end is no more.
const keepAlive = 10 * second

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
	if h.core != nil && len(w.check.inForce(&h.record.handed).Next) > 0 {
		w.reach(markJointCrash)
	}
	w.check.crashed(h)
	h.boot++
	h.up, h.paused = false, false
	h.halted = w.now
	h.dying = false
	h.mem.Disarm()
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
	h.asking, h.contacts, h.targets, h.dialPlanned = nil, nil, nil, 0
	h.steward, h.admin, h.heard, h.word = steward{}, admin{}, heard{}, 0
	h.restoredAt = 0
	h.pile, h.loopPlanned = pile{}, false
	h.writer, h.applier, h.saver, h.shipping = writer{}, applier{}, saver{}, nil
	switch how {
	case lifeKilled:
		h.mem.Kill()
	case lifePower:
		h.mem.Crash()
	}
	w.clients.onCrash(h)
	for _, peer := range w.hosts {
		if peer == h || !peer.up {
			continue
		}
		if how == lifeKilled && !w.net.cut[h.index][peer.index] {
			w.after(w.random.between(50, 2*ms), evLost, peer, uint64(h.index), w.links)
		}
		// Nothing told them: then it shows when the connection is tried.
		w.after(w.random.between(keepAlive/2, keepAlive), evLost, peer, uint64(h.index), w.links)
	}
	delay := w.random.spread(w.plan.serverMean)
	if w.healing {
		delay = 10 * ms
	}
	w.always(delay, evRestart, h.index, uint64(h.boot), 0)
}

func (w *world) onRestart(h *host, boot uint32) {
	if h.up || h.boot != boot || h.ill || h.gone {
		return
	}
	w.beforeStart(h)
	w.mayNotRead(h)
	if h.boot > 0 && !w.healing && w.plan.every[faultDiskOp] > 0 && w.random.below(4) == 0 &&
		w.strikes(faultNames[faultDiskOp]) {
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

// failed says whether an error ended the process, and ends it if so: package node stops after every
// error but a full disk's. Only errors that the simulator made are excuses.
func (h *host) failed(what string, err error) bool {
	if h.dying {
		h.world.trace.line(h, "died", what)
		h.crash(lifeOver)
		return true
	}
	if h.refuses(err) || h.stops(what, err) {
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
	h.ticks++
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
		if p.link != 0 && p.kind != packetReset {
			w.send(packet{from: h.index, to: p.from, kind: packetReset, link: p.link})
		}
		return
	}
	switch p.kind {
	case packetHello:
		h.onHello(p)
	case packetHelloReply:
		h.onHelloReply(p)
	case packetConfirm:
		h.onConfirm(p.from, p.link)
	case packetRefusal:
		h.onRefusal(p)
	case packetReset:
		h.onReset(p.link)
	case packetJoin:
		h.onJoin(p)
	case packetJoinReply:
		h.onJoinReply(p)
	case packetSnapshot:
		h.onShipment(p)
	case packetMessage:
		h.onMessage(p)
	}
}

func (h *host) onMessage(p packet) {
	w := h.world
	if h.replica == nil {
		return
	}
	from, heard := h.accepts(&p)
	if !heard {
		return
	}
	m, err := wire.DecodeMessage(p.body)
	if err != nil {
		w.fail("Wire", "n%d cannot decode a message of n%d: %v", h.id, from, err)
	}
	w.trace.message(h, from, &m)
	w.check.hears(h, p.directory, &m)
	h.pile.received = append(h.pile.received, received{from, p.directory.incarnation, m})
	h.wake()
}
