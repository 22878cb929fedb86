package node

import (
	"fmt"
	"sync/atomic"

	"drystone/raft"
)

// snapshots takes one local snapshot at a time (§7): frozen between two entries, written by a
// goroutine of its own while the applier goes on.
type snapshots struct {
	running   atomic.Bool
	lastBytes atomic.Int64 // of the newest snapshot
}

// takeIfDue starts a snapshot once the log behind the last one passes either threshold and
// outweighs it: a large state is not written again for a small change.
func (s *snapshots) takeIfDue(a *applier) {
	c := a.node.config
	if a.entries < c.SnapshotCount && a.bytes < c.SnapshotBytes {
		return
	}
	if a.bytes <= s.lastBytes.Load() || !s.running.CompareAndSwap(false, true) {
		return
	}
	at := a.state.Point()
	members, err := raft.DecodeMembers(a.state.Config())
	if err != nil {
		a.node.fail(fmt.Errorf("membership as of entry %d: %w", at.Index, err))
		return
	}
	meta := raft.SnapshotMeta{
		LastIncludedIndex: raft.Index(at.Index),
		LastIncludedTerm:  raft.Term(at.Term),
		Members:           members,
	}
	frozen := a.state.Snapshot()
	a.entries, a.bytes = 0, 0
	a.node.goes(func() {
		defer s.running.Store(false)
		size, err := a.node.store.SaveSnapshot(meta, frozen)
		if err != nil {
			a.node.fail(fmt.Errorf("save snapshot of entry %d: %w", at.Index, err))
			return
		}
		s.lastBytes.Store(size)
		a.node.logger.Info("snapshot", "index", at.Index, "bytes", size)
		a.node.inbox.put(func(p *pile) { p.saved = append(p.saved, meta) })
	})
}
