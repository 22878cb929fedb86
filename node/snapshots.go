package node

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"drystone/disk"
	"drystone/raft"
)

// snapshots takes one local snapshot at a time (§7): frozen between two entries, written by a
// goroutine of its own while the applier goes on.
type snapshots struct {
	running   atomic.Bool
	lastBytes atomic.Int64 // of the newest snapshot
	again     atomic.Bool  // the newest on disk is damaged
}

// takeIfDue starts a snapshot once the log behind the last one passes either threshold and
// outweighs it: a large state is not written again for a small change.
func (s *snapshots) takeIfDue(a *applier) {
	c := a.node.config
	due := a.entries >= c.SnapshotCount || a.bytes >= c.SnapshotBytes
	if !s.again.Load() && (!due || a.bytes <= s.lastBytes.Load()) {
		return
	}
	if !s.running.CompareAndSwap(false, true) {
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
	s.again.Store(false)
	a.node.goes(func() {
		defer s.running.Store(false)
		size, err := a.node.store.SaveSnapshot(meta, untilStopped{frozen, a.node.stop})
		if errors.Is(err, errStopped) {
			return
		}
		a.node.full.snapshot.Store(disk.IsFull(err))
		if disk.IsFull(err) {
			a.node.logger.Warn("no space for a snapshot: the log grows on until the next",
				"index", at.Index, "cause", err)
			return
		}
		if err != nil {
			a.node.fail(fmt.Errorf("save snapshot of entry %d: %w", at.Index, err))
			return
		}
		s.lastBytes.Store(size)
		a.node.logger.Info("snapshot", "index", at.Index, "bytes", size)
		a.node.inbox.put(func(p *pile) { p.saved = append(p.saved, meta) })
	})
}

var errStopped = errors.New("the node stops")

// untilStopped is a snapshot that is given up when the node stops: a large one must not hold up
// its end.
type untilStopped struct {
	content io.WriterTo
	stop    <-chan struct{}
}

func (u untilStopped) WriteTo(to io.Writer) (int64, error) {
	return u.content.WriteTo(stoppableWriter{to, u.stop})
}

type stoppableWriter struct {
	to   io.Writer
	stop <-chan struct{}
}

func (w stoppableWriter) Write(b []byte) (int, error) {
	select {
	case <-w.stop:
		return 0, errStopped
	default:
		return w.to.Write(b)
	}
}
