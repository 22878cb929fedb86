package node

import (
	"fmt"
	"sync/atomic"
	"time"

	"drystone/disk"
)

const (
	// spareDelay keeps the first spare segment, 64 MiB of zeros, out of the way of a start.
	spareDelay = 3 * time.Second
	// sparePause is how long a disk that was full is left alone: trying fills it to the brim.
	sparePause = 10 * time.Second
)

// prepare asks for a spare segment, so that the next rotation finds one written and synced.
func (n *core) prepare() {
	select {
	case n.spare <- struct{}{}:
	default:
	}
}

func (n *core) keepSpare() {
	pause := time.NewTimer(spareDelay)
	defer pause.Stop()
	for {
		select {
		case <-n.stop:
			return
		case <-pause.C:
		}
		select {
		case <-n.stop:
			return
		case <-n.spare:
		}
		err := n.store.Prepare()
		n.full.spare.Store(disk.IsFull(err))
		switch {
		case disk.IsFull(err):
			n.logger.Warn("no space for a spare log segment: the log goes on without", "cause", err)
			pause.Reset(sparePause)
		case err != nil:
			n.fail(fmt.Errorf("prepare a log segment: %w", err))
			return
		default:
			pause.Reset(0)
		}
	}
}

// fullDisk says who met a disk without space. Nothing is lost by it: the log waits and its
// leader gives way, snapshots and spare segments are tried again later.
type fullDisk struct{ log, snapshot, spare atomic.Bool }

func (f *fullDisk) any() bool { return f.log.Load() || f.snapshot.Load() || f.spare.Load() }
