package node

import (
	"errors"
	"fmt"
	"time"

	"drystone/disk"
	"drystone/members"
	"drystone/raft"
	"drystone/rsm"
	"drystone/storage"
	"drystone/transport"
	"drystone/wire"
)

// A snapshot comes in two steps (Figure 13). First its bytes, beside everything else, onto the
// disk; then an InstallSnapshot, by which the core decides about it. If it makes it the log's
// beginning, the applier replaces the state once that is durable.

// accept decides on a snapshot that a peer offers.
func (n *Node) accept(from raft.NodeID, meta raft.SnapshotMeta, size int64) (
	transport.Incoming, error,
) {
	c := n.running()
	if c == nil {
		return nil, &transport.ShipError{Code: wire.ShipNotNow,
			Detail: fmt.Sprintf("node %d has not joined its cluster yet", n.config.ID)}
	}
	if c.store.Holds(meta) || meta.LastIncludedIndex <= c.seen.Load().status.Commit {
		return nil, nil
	}
	in, err := c.store.Receive(meta, size)
	if err != nil {
		return nil, c.refuse(err)
	}
	c.logger.Info("receives a snapshot", "peer", from, "index", meta.LastIncludedIndex,
		"bytes", size)
	return &incoming{core: c, to: in, from: from, meta: meta, size: size, began: time.Now()}, nil
}

// incoming is a snapshot on its way in, with its errors as the sender is told them.
type incoming struct {
	core  *core
	to    *storage.Incoming
	from  raft.NodeID
	meta  raft.SnapshotMeta
	size  int64
	began time.Time
}

func (i *incoming) Have() (int64, uint32, error) {
	have, sum, err := i.to.Have()
	return have, sum, i.core.refuse(err)
}

func (i *incoming) Restart() error       { return i.core.refuse(i.to.Restart()) }
func (i *incoming) Write(b []byte) error { return i.core.refuse(i.to.Write(b)) }
func (i *incoming) Close() error         { return i.core.refuse(i.to.Close()) }

func (i *incoming) Commit(sum uint32) error {
	err := i.core.refuse(i.to.Commit(sum))
	if err == nil {
		i.core.logger.Info("received a snapshot", "peer", i.from, "index",
			i.meta.LastIncludedIndex, "bytes", i.size, "ms", time.Since(i.began).Milliseconds())
	}
	return err
}

// refuse turns an error of the store into the verdict that the sender gets. What it means of this
// disk more than that it is full stops the node.
func (c *core) refuse(err error) error {
	var damage *disk.DamageError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &damage):
		return &transport.ShipError{Code: wire.ShipDamaged, Detail: err.Error()}
	case disk.IsFull(err):
		c.logger.Warn("no room for a snapshot from a peer", "cause", err)
	default:
		c.fail(err)
	}
	return &transport.ShipError{Code: wire.ShipDiskError, Detail: err.Error()}
}

// stands says that a message is not one that asks for a snapshot which this disk does not hold: the
// log would begin with what is not there. Who asked ships it again. Nor is it one with a membership
// of a later version: a node that cannot read who its voters are must not acknowledge it.
func (c *core) stands(m *raft.Message) bool {
	var unread error
	switch b := m.Body.(type) {
	case raft.AppendEntries:
		unread = members.Legible(b.Entries, raft.Members{})
	case raft.InstallSnapshot:
		if b.Meta.LastIncludedIndex > c.replica.Status().Commit && !c.store.Holds(b.Meta) {
			return false
		}
		unread = members.Legible(nil, b.Meta.Members)
	}
	if unread != nil {
		c.fail(unread)
	}
	return unread == nil
}

// restored is a state that a received snapshot replaced.
type restored struct {
	after  int // so many of pile.done came before it
	point  rsm.Point
	lookup func(number uint64) ([]rsm.Result, bool)
}

// restore replaces the state by a received snapshot. Nobody waits for it but what is queued behind
// it here.
func (a *applier) restore(meta *raft.SnapshotMeta) error {
	if meta == nil || uint64(meta.LastIncludedIndex) <= a.state.Point().Index {
		return nil // a newer one was installed meanwhile, and restored in its place
	}
	began := time.Now()
	found, content, err := a.node.store.OpenInstalled(*meta)
	if err != nil {
		return err
	}
	err = a.state.Restore(content)
	content.Close()
	if err != nil {
		return fmt.Errorf("the snapshot of entry %d: %w", found.LastIncludedIndex, err)
	}
	a.entries, a.bytes = 0, 0
	a.snapshot.lastBytes.Store(a.node.store.SnapshotBytes())
	a.node.publish(a.state)
	// The results of what this node asked for and has not seen come out nowhere else. The loop
	// looks for them, and must not look into the state.
	first, results := a.state.Batches(a.node.config.ID, a.node.boot)
	lookup := func(number uint64) ([]rsm.Result, bool) {
		if number < first || number-first >= uint64(len(results)) {
			return nil, false
		}
		return results[number-first], true
	}
	at := a.state.Point()
	a.node.logger.Info("restored a snapshot", "index", at.Index,
		"ms", time.Since(began).Milliseconds())
	a.node.inbox.put(func(p *pile) {
		p.restored = append(p.restored, restored{len(p.done), at, lookup})
	})
	return nil
}

// feedApplied reports what was applied, in one piece as far as no restore stands between.
func (n *core) feedApplied(now uint64, p *pile) {
	fed := 0
	for _, r := range p.restored {
		n.replica.AppliedEntries(now, p.done[fed:r.after])
		fed = r.after
		n.replica.Restored(now, r.point, r.lookup)
	}
	n.replica.AppliedEntries(now, p.done[fed:])
}
