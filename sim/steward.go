package sim

import (
	"drystone/members"
	"drystone/rsm"
	"drystone/storage"
)

// steward follows the membership, as the goroutine of that name does: connections, the removed, and
// on a leader learners that have caught up.
type steward struct {
	dialled   members.InForce
	stood     *members.Standing
	nursery   members.Nursery
	promoting bool
}

// publishStanding tells the membership as of the applied state, if it is another.
func (h *host) publishStanding() {
	encoded := h.state.Config()
	if string(h.standing.Encoded) == string(encoded) {
		return
	}
	now, err := members.NewStanding(encoded)
	if err != nil {
		h.world.fail("Apply", "n%d: membership as of entry %d: %v", h.id, h.state.Point().Index, err)
	}
	h.standing = now
}

// stewardEvery is in ticks.
const stewardEvery = 2

// onSteward looks whether the membership has changed.
func (h *host) onSteward(now uint64) {
	x, s := &h.steward, &h.seen.status
	if x.stood == nil {
		x.stood = members.FirstStanding(h.identity)
	}
	if x.dialled.Follow(s.Members) {
		h.dismiss(x.stood)
		h.dial()
	}
	if h.standing != x.stood {
		before := x.stood
		x.stood = h.standing
		h.dismiss(before)
		h.dial()
		if h.standing.Dismissed(h.identity.Node, h.identity.Incarnation) {
			h.removed(int64(h.world.plan.raft.ElectionTicks) * 10 * ms)
		}
	}
	if h.replica == nil || h.identity.Removed != "" {
		return
	}
	id := x.nursery.Due(*s, now, h.memberClock(), x.promoting)
	if id == 0 {
		return
	}
	x.promoting = true
	h.begin(rsm.AdminRequest{Op: rsm.AdminPromote, Node: uint64(id)}, now+10_000,
		func(r rsm.AdminReply) {
			x.promoting = false
			if r.Code == "" {
				h.world.reach(markPromoted)
			}
		})
}

// dismiss ends the connections of who is no member any more, as applied or by the configuration in
// force: when they come again they are told so.
func (h *host) dismiss(before *members.Standing) {
	inForce := h.seen.status.Members
	listed := members.RosterOf(inForce)
	gone := members.Left(before, h.steward.stood)
	for _, c := range h.contacts {
		if c.trusted && (h.steward.stood.Dismissed(c.hello.Node, c.hello.Incarnation) ||
			!members.Speaks(inForce, listed, c.hello.Node, c.hello.Incarnation)) {
			gone = append(gone, c.id)
		}
	}
	for _, id := range gone {
		delete(h.addresses, id)
		c := h.contact(id)
		c.told, c.connected, c.trusted = "", false, false
		c.in, c.out, c.awaited = 0, 0, 0
	}
}

const noteRemoved = "note that the node was removed"

// removed ends this node's part in the cluster, for good: it answers what it has taken, takes no
// more, and speaks to nobody after a while in which a leader that removed itself may say so.
func (h *host) removed(patience int64) {
	if h.identity.Cluster == "" || h.identity.Removed != "" {
		return
	}
	w := h.world
	id := h.identity
	id.Removed = "it was removed"
	if h.failed(noteRemoved, storage.SaveIdentity(h.dir, id)) {
		return
	}
	h.identity = id
	w.check.identity(h)
	w.reach(markRemoved)
	w.trace.line(h, "knows that it was removed")
	if h.replica == nil {
		return
	}
	h.pile.drain = true
	w.after(h.local(patience), evQuit, h, 0, 0)
	h.wake()
}
