package sim

import (
	"bytes"
	"io"

	"drystone/disk"
	"drystone/raft"
	"drystone/wire"
)

// shipment is a snapshot on its way to a peer (§7, Figure 13): the bytes, by the host's own
// means.
type shipment struct {
	meta    raft.SnapshotMeta
	content []byte
	from    *host
	boot    uint32 // of the sender
}

// WriteTo makes a shipment a snapshot to save.
func (s *shipment) WriteTo(dst io.Writer) (int64, error) {
	return bytes.NewReader(s.content).WriteTo(dst)
}

// shipWithin is when a sender takes a shipment for lost.
const shipWithin = 2 * second

// shipPause is how long one that found no connection is not tried again.
const shipPause = 100 * ms

// ship sends the newest snapshot to a peer that is too far behind for AppendEntries.
func (h *host) ship(s raft.SnapshotSend) {
	w := h.world
	meta, b, err := h.outgoing()
	if h.struck(err) { // it is tried again, as after any shipment that failed
		w.trace.line(h, "cannot read a snapshot to ship:", err.Error())
		h.shipping = append(h.shipping, shipping{s.To, meta})
		w.after(shipPause, evShipped, h, uint64(s.To), uint64(meta.LastIncludedIndex))
		return
	}
	if h.failed("read a snapshot to ship", err) {
		return
	}
	if meta.LastIncludedIndex < s.AtLeast {
		w.fail("Snapshots", "n%d is asked to ship a snapshot of %d at least; its newest is of %d",
			h.id, s.AtLeast, meta.LastIncludedIndex)
	}
	// The meta travels encoded, like everything.
	decoded, err := wire.DecodeMeta(wire.EncodeMeta(nil, meta))
	if err != nil {
		w.fail("Wire", "a snapshot's meta: %v", err)
	}
	x := &shipment{meta: decoded, content: b, from: h, boot: h.boot}
	h.shipping = append(h.shipping, shipping{s.To, meta})
	c := h.contact(s.To)
	if h.machineOf(s.To) < 0 || c.out == 0 {
		w.after(shipPause, evShipped, h, uint64(s.To), uint64(meta.LastIncludedIndex))
		return
	}
	w.send(packet{from: h.index, to: c.outTo, kind: packetSnapshot, link: c.out,
		directory: h.record, addressee: c.outIs, snapshot: x})
	w.after(shipWithin, evShipped, h, uint64(s.To), uint64(meta.LastIncludedIndex))
}

// outgoing reads the newest snapshot.
func (h *host) outgoing() (raft.SnapshotMeta, []byte, error) {
	meta, content, err := h.store.OpenSnapshot()
	if err != nil {
		return meta, nil, err
	}
	defer content.Close()
	b, err := io.ReadAll(content)
	return meta, b, err
}

// shipping is a shipment whose end its sender does not know yet.
type shipping struct {
	to   raft.NodeID
	meta raft.SnapshotMeta
}

// onShipped tells the core how a shipment ended: it arrived, or nothing was heard of it.
func (h *host) onShipped(to raft.NodeID, index raft.Index, ok bool) {
	for i := range h.shipping {
		s := h.shipping[i]
		if s.to != to || s.meta.LastIncludedIndex != index {
			continue
		}
		h.shipping = append(h.shipping[:i], h.shipping[i+1:]...)
		h.pile.shipped = append(h.pile.shipped, shipped{to, s.meta, ok})
		h.wake()
		return
	}
}

// onShipment saves a snapshot that came from a leader, and says so: the leader's core then sends
// InstallSnapshot, and this one's decides about it.
func (h *host) onShipment(p packet) {
	w, x := h.world, p.snapshot
	if h.replica == nil {
		return
	}
	if _, heard := h.accepts(&p); !heard {
		return
	}
	w.trace.snapshot(h, "received snapshot", &x.meta, int64(len(x.content)))
	_, err := h.store.SaveSnapshot(x.meta, x)
	if disk.IsFull(err) && !h.dying {
		w.trace.line(h, "no room for a snapshot from a peer")
		return
	}
	if !h.dying {
		h.record.received = max(h.record.received, x.meta.LastIncludedIndex)
	}
	if h.failed("save a received snapshot", err) {
		return
	}
	if x.from.boot == x.boot {
		w.after(w.plan.delayMin, evShipped, x.from, uint64(h.id),
			uint64(x.meta.LastIncludedIndex)|arrived)
	}
}

// arrived marks the index in an event that says that a shipment arrived.
const arrived = 1 << 63

// restore replaces the state by a received snapshot, whose Append is durable by now. A newer one
// may have come since: then it is that, and what is queued before it is in it.
func (h *host) restore(meta *raft.SnapshotMeta) bool {
	w := h.world
	if uint64(meta.LastIncludedIndex) <= h.state.Point().Index {
		return true
	}
	found, content, err := h.store.OpenInstalled(*meta)
	if h.failed("open a received snapshot", err) {
		return false
	}
	if found.LastIncludedIndex < meta.LastIncludedIndex {
		w.fail("Snapshots", "n%d is to restore the snapshot of %d and finds that of %d", h.id,
			meta.LastIncludedIndex, found.LastIncludedIndex)
	}
	err = h.state.Restore(content)
	content.Close()
	if h.failed("restore a received snapshot", err) {
		return false
	}
	h.publishStanding()
	w.check.applied(h, h.state)
	w.reach(markShipped)
	h.restoredAt = h.state.Point().Index
	h.applier.done = append(h.applier.done, applied{restored: h.state, at: h.state.Point()})
	return true
}
