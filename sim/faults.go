package sim

import (
	"drystone/disk"
	"drystone/raft"
)

// planFault plans the next fault of a class.
func (w *world) planFault(f fault) {
	if mean := w.plan.every[f]; mean > 0 && !w.healing {
		w.always(w.random.spread(mean), evFault, 0, uint64(f), 0)
	}
}

// onFault lets something go wrong, somewhere.
func (w *world) onFault(f fault) {
	if w.healing {
		return
	}
	w.planFault(f)
	h := w.hosts[w.random.below(len(w.hosts))]
	if l := w.leader(); l != nil && w.random.below(3) == 0 { // where it hurts
		h = l
	}
	w.strike(f, h)
}

// leader is the node that leads in the highest term; nil if none does.
func (w *world) leader() (l *host) {
	for _, h := range w.hosts {
		if h.up && h.seen.valid && h.seen.status.Role == raft.Leader &&
			(l == nil || h.seen.status.Hard.CurrentTerm > l.seen.status.Hard.CurrentTerm) {
			l = h
		}
	}
	return l
}

// moment may let a node fail right after something that others will rely on: an election, a
// vote, a write, an answer, a snapshot. Faults by the clock rarely come in time to show what is
// wrong there.
func (w *world) moment(h *host) {
	w.hurts(h, faultKill, faultPower, faultPause, faultIsolate)
}

// reading may let a leader fail in a round of reads, so that it is back with the answers late.
func (w *world) reading(h *host) { w.hurts(h, faultPause, faultPause, faultIsolate) }

func (w *world) hurts(h *host, any ...fault) {
	if w.healing || !w.random.chance(w.plan.moment) {
		return
	}
	f := pick(&w.random, any...)
	w.always(w.random.spread(w.plan.delayMin), evStrike, h.index, uint64(f), 0)
}

// turn may let a leader fail when it has a new configuration in its log: nobody else has it, or not
// everybody, and who decides depends on who has.
func (w *world) turn(h *host) {
	if w.healing || w.plan.moment == 0 || w.random.below(2) > 0 {
		return
	}
	f := pick(&w.random, faultKill, faultPower, faultPause, faultIsolate)
	delay := w.random.spread(w.plan.writeMean + w.plan.delayMin)
	w.always(delay, evStrike, h.index, uint64(f), 0)
	if f != faultIsolate && w.random.below(2) == 0 { // and it comes back to nobody
		w.always(delay+ms, evStrike, h.index, uint64(faultIsolate), 0)
	}
}

// strike lets a fault hit a node, or begin there.
func (w *world) strike(f fault, h *host) {
	if w.healing {
		return
	}
	if !h.up && f != faultBlackout && f != faultPartition && f != faultIsolate && f != faultClog &&
		f != faultRot {
		return
	}
	if !w.strikes(faultNames[f]) {
		return
	}
	if f != faultWipe && f != faultSetBack && f != faultRot {
		w.faults[f]++
	}
	switch f {
	case faultKill:
		w.trace.line(h, "killed")
		h.crash(lifeKilled)
	case faultPower:
		w.trace.line(h, "power lost")
		h.crash(lifePower)
	case faultBlackout:
		w.trace.line(nil, "blackout")
		for _, h := range w.hosts {
			if h.up {
				h.crash(lifePower)
			}
		}
	case faultDiskOp:
		h.crashAt = h.changes + 1 + uint64(w.random.below(20))
	case faultSyncError:
		h.mem.Arm(disk.SyncFails, "")
	case faultShortWrite:
		h.mem.Arm(disk.WriteShort, "")
	case faultReadError:
		h.mem.Arm(disk.ReadFails, "")
	case faultFull:
		h.fill()
	case faultRot:
		w.rot(h)
	case faultPause:
		w.pause(h)
	case faultPartition:
		w.partition()
		w.trace.partition()
		w.always(w.random.spread(4*second), evMend, 0, 0, 0)
	case faultIsolate:
		w.isolate(h)
		w.trace.partition()
		w.always(w.random.spread(2*second), evMend, 0, 0, 0)
	case faultClog:
		w.clog(h)
	case faultReset:
		w.reset(h)
	case faultStall:
		h.stalled = w.now + w.random.spread(3*second)
		w.trace.line(h, "the disk stalls")
	case faultStick:
		if l := w.leader(); l != nil && w.random.below(2) == 0 {
			h = l
		}
		h.stalled = max(h.stalled, w.now+w.random.between(second, 60*second))
		w.trace.line(h, "the disk hangs")
	case faultWipe:
		w.wipe(h)
	case faultSetBack:
		w.setBackOne(h)
	case faultLull:
		w.lull()
	case faultTransfer:
		if l := w.leader(); l != nil && h != l {
			l.pile.transfers = append(l.pile.transfers, h.id)
			w.trace.line(l, "is asked to hand over")
			l.wake()
		}
	}
}

func (w *world) pause(h *host) {
	if h.paused {
		return
	}
	h.paused, h.halted = true, w.now
	w.trace.line(h, "paused")
	if w.healing {
		return // until all is well
	}
	length := w.random.spread(second)
	w.always(length, evResume, h.index, uint64(h.boot), 0)
	if w.random.below(2) == 0 { // what it is sent is held somewhere, and comes when it goes on
		w.reach(markHeld)
		w.net.holdTo(h.index, w.now+length+w.random.between(ms, 30*ms))
	}
}

// clog holds back everything on a node's links, each in its own directions, and lets it go later.
func (w *world) clog(h *host) {
	until := w.now + w.random.spread(second)
	for i := range w.hosts {
		if w.random.below(2) == 0 {
			w.net.clogged[h.index][i] = until
		}
		if w.random.below(2) == 0 {
			w.net.clogged[i][h.index] = until
		}
	}
	w.trace.line(h, "links clogged")
}

// reset breaks the connection between two nodes that are both well.
func (w *world) reset(h *host) {
	peer := w.hosts[w.random.below(len(w.hosts))]
	if peer == h || !peer.up {
		return
	}
	w.trace.line(h, "a connection breaks")
	w.after(0, evLost, h, uint64(peer.index), w.links)
	w.after(0, evLost, peer, uint64(h.index), w.links)
}

// onDiskOp is called before every disk operation of this host. It ends the host's life in the
// midst of the planned one.
func (h *host) onDiskOp(op disk.Op) error {
	w := h.world
	if h.dying || !h.up || !op.Kind.Changes() {
		return nil
	}
	h.changes++
	if h.changes != h.crashAt {
		return nil
	}
	h.dying = true
	w.trace.diskOp(h, op, "power lost")
	w.reach(markDiskOp)
	return disk.ErrCrashed
}
