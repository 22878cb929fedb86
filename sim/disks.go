package sim

import (
	"drystone/disk"
	"drystone/raft"
	"drystone/wire"
)

// disks is what may happen to a machine's directory as a whole: it is emptied, or an older copy of
// it is put in its place. The true one is kept on a shelf, as a disk would be that was only
// mistaken for lost.
type disks struct {
	shelf      *disk.Mem // the true directory, while another one is mounted
	record     *record
	started    bool // since
	rolledBack bool // the one mounted is an older copy of that on the shelf

	copy      *disk.Mem // a copy of long ago
	copyBoot  uint64
	copyOwner *record
	alone     bool // by the copy's log it decides alone
}

// What evDisks does.
const (
	diskCopy   = iota // a copy is taken, for later
	diskReturn        // the true directory comes back from the shelf
	diskRoom          // a full disk has room again
	diskRepair        // somebody sees to a directory that is refused for its damage
	diskAway          // or to a node that misses what its leader counts
)

const copyEvery = 4 * second

func (w *world) onDisks(h *host, what uint64) {
	if w.healing && what != diskAway {
		return
	}
	switch what {
	case diskCopy:
		w.always(w.random.spread(copyEvery), evDisks, h.index, diskCopy, 0)
		x := &h.disks
		if x.copy != nil && x.copyOwner == h.record && w.random.below(4) > 0 {
			return // the older, the more is missing
		}
		if h.up && h.core != nil && x.shelf == nil {
			x.copy, x.copyBoot, x.copyOwner = h.mem.Clone(), h.identity.Boot, h.record
			x.alone = w.check.agree(w.check.inForce(&h.record.handed), func(r *record) bool {
				return r == h.record
			})
		}
	case diskReturn:
		if h.gone {
			return
		}
		h.takeFromShelf()
	case diskRoom:
		h.mem.SetQuota(0)
		w.trace.line(h, "the disk has room again")
		if w.random.below(3) == 0 { // whoever made room starts the node again
			w.always(w.random.spread(second), evStrike, h.index, uint64(faultKill), 0)
		}
	case diskRepair:
		w.seeTo(h)
	case diskAway:
		w.handOver(h)
	}
}

// mount crashes a machine and gives it another directory; the one it had goes onto the shelf.
func (h *host) mount(m *disk.Mem, r *record) {
	if h.up {
		h.crash(lifePower)
	}
	x := &h.disks
	if x.shelf == nil {
		h.mem.SetQuota(0)
		x.shelf, x.record = h.mem, h.record
	}
	h.mem, h.record = m, r
	h.mem.SetHook(h.onDiskOp)
	h.seen = view{}
	h.changes, h.crashAt = 0, 0
}

// wipe empties a machine's directory: it comes back under its number, with nothing.
func (w *world) wipe(h *host) {
	if h.disks.shelf != nil || h.record.cluster == "" || h.gone || !w.founded() ||
		!w.survives(h) {
		return
	}
	w.faults[faultWipe]++
	w.trace.line(h, "its directory is emptied")
	h.mount(disk.NewMem(w.random.next()), &record{node: h.id})
	if w.random.below(2) == 0 {
		w.always(w.random.spread(8*second), evDisks, h.index, diskReturn, 0)
	}
}

// survives says whether a wiped machine could not form a cluster anew with others of its first
// start: those know better, unless they were wiped as well. One that was alone could; one that
// comes back with --join never does.
func (w *world) survives(h *host) bool {
	for _, n := range h.listed {
		peer := w.hosts[n-1]
		if peer != h && peer.record.cluster == "" {
			return false
		}
	}
	return len(h.listed) != 1
}

// setBack puts an older copy of a machine's directory in place of it, if everybody who is up has
// met a later boot and so can tell, and it needs somebody. Whoever has not would take it for the
// true one: no node can tell by itself.
func (w *world) setBack(h *host) bool {
	x := &h.disks
	if x.copy == nil || x.copyOwner != h.record || x.shelf != nil || h.gone || x.alone ||
		h.record.rot != nil || !h.remembered() {
		return false
	}
	w.faults[faultSetBack]++
	w.trace.line(h, "its directory is set back to an older copy")
	c := x.copy.Clone()
	c.SetQuota(0)
	h.mount(c, &record{
		node: h.id, rolledBack: true, incarnation: h.record.incarnation, cluster: h.record.cluster,
	})
	x.rolledBack, x.started = true, false
	w.always(w.random.spread(3*second), evDisks, h.index, diskReturn, 0)
	return true
}

// setBackOne sets some machine back, this one with preference. Few are fit for it, and only now and
// then: it waits for that.
func (w *world) setBackOne(h *host) {
	for i := range w.hosts {
		if w.setBack(w.hosts[(h.index+i)%len(w.hosts)]) {
			return
		}
	}
	if w.random.below(8) > 0 {
		w.always(w.random.spread(300*ms), evStrike, h.index, uint64(faultSetBack), 0)
	}
}

// remembered says whether everybody who is up has met a boot of this directory that is later than
// the next one of the copy.
func (h *host) remembered() bool {
	for _, peer := range h.world.hosts {
		if peer == h || !peer.up {
			continue
		}
		c := peer.contact(h.id)
		if !c.met || c.directory != h.record || c.hello.Boot <= h.disks.copyBoot+1 {
			return false
		}
	}
	return true
}

// takeFromShelf puts the true directory back, if the one mounted was never let in.
func (h *host) takeFromShelf() {
	x := &h.disks
	if x.shelf == nil {
		return
	}
	if !x.rolledBack && (h.record.cluster != "" || h.world.check.known[h.record.incarnation]) {
		x.shelf, x.record = nil, nil // the new one is a member: the old one is not missed
		return
	}
	if h.up {
		h.crash(lifePower)
	}
	h.world.trace.line(h, "its true directory is back")
	h.mem, h.record = x.shelf, x.record
	h.mem.SetHook(h.onDiskOp)
	h.seen = view{}
	h.changes, h.crashAt = 0, 0
	*x = disks{}
}

// beforeStart ends what nobody could tell any more: a process that starts has met nobody yet, and
// a directory that was set back counts its boots up again.
func (w *world) beforeStart(starts *host) {
	for _, h := range w.hosts {
		if h.disks.rolledBack && (h != starts || h.disks.started) {
			h.takeFromShelf()
		}
	}
	starts.disks.started = true
}

// noteRefusal is told of every verdict of a handshake.
func (w *world) noteRefusal(by, of *host, hello wire.Hello, code wire.HelloCode) {
	switch {
	case of.disks.rolledBack && code == wire.HelloWiped:
		w.reach(markOldRefused)
	case code == wire.HelloWiped:
		w.reach(markWipedRefused)
	case code == wire.HelloRemoved:
		w.reach(markGoneRefused)
	}
}

// members that a checker knows a machine for.
func (w *world) machinesOf(f *configuration) (all []*host) {
	for _, id := range f.All() {
		r := w.check.directory(f, id)
		for _, h := range w.hosts {
			if r != nil && h.record == r {
				all = append(all, h)
			}
		}
	}
	return all
}

// sortedNumbers are the keys of a list of addresses, ascending.
func (w *world) sortedNumbers(addresses map[uint64]string) (ids []raft.NodeID) {
	for id := raft.NodeID(1); len(ids) < len(addresses); id++ {
		if _, ok := addresses[uint64(id)]; ok {
			ids = append(ids, id)
		}
	}
	return ids
}
