package sim

import (
	"errors"
	"syscall"

	"drystone/disk"
	"drystone/raft"
)

// What a disk does wrong while a node uses it: an operation fails once, or there is no room. What
// comes of it is the node's own doing.

// stops is told of an error that its node does not get over. It ends the process, as package node
// does, if the disk was made to fail; it is false for any other.
func (h *host) stops(what string, err error) bool {
	w := h.world
	switch {
	case h.struck(err):
	case h.refusesRot(err):
	case errors.Is(err, syscall.ENOSPC) && (h.store == nil || what == noteRemoved):
		w.reach(markFullStart)
	default:
		return false
	}
	w.trace.line(h, "stops, for it cannot", what+":", err.Error())
	h.crash(lifeKilled)
	if w.random.below(2) == 0 {
		h.mem.Evict()
	}
	return true
}

// struck says whether an error is one of a fault that was armed.
func (h *host) struck(err error) bool {
	w := h.world
	if !errors.Is(err, syscall.EIO) {
		return false
	}
	all := h.mem.Struck()
	for _, s := range all {
		switch {
		case s.Fault == disk.SyncFails:
			w.reach(markSyncStopped)
		case s.Fault == disk.WriteShort:
			w.reach(markShortWrite)
		case h.store == nil:
			w.reach(markUnread)
		default:
			w.reach(markUnreadSnapshot)
		}
	}
	return len(all) > 0
}

// mayNotRead may let a read fail of a node that is about to start.
func (w *world) mayNotRead(h *host) {
	if !w.healing && w.plan.every[faultReadError] > 0 && w.random.below(8) == 0 &&
		w.strikes(faultNames[faultReadError]) {
		w.faults[faultReadError]++
		h.mem.Arm(disk.ReadFails, "")
	}
}

// fill leaves a disk little or no room for a while.
func (h *host) fill() {
	w := h.world
	room := w.random.between(0, pick(&w.random, 0, 3000, w.plan.segmentBytes))
	h.mem.SetQuota(max(1, h.mem.Used()+room))
	w.trace.line(h, "the disk fills up")
	w.always(w.random.spread(3*second), evDisks, h.index, diskRoom, 0)
}

const (
	fullPause  = 200 * ms    // how often a write that found the disk full is tried again
	sparePause = 10 * second // how long no spare segment is tried after that
)

// waitForSpace tries a write again later that found the disk full. used is what the disk held
// before.
func (h *host) waitForSpace(used int64) {
	w, x := h.world, &h.writer
	w.reach(markFull)
	if h.mem.Used() > used {
		w.reach(markFullGroup)
	}
	var hard raft.HardState
	for i := range x.writing {
		hard = x.writing[i].Hard
	}
	if hard.VotedFor != 0 && hard != h.record.durable.hard {
		w.reach(markFullVote)
	}
	w.trace.line(h, "no room for the log")
	w.after(h.local(fullPause), evWrite, h, 0, 0)
}
