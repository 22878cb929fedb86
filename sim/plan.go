package sim

import (
	"drystone/raft"
	"drystone/rsm"
)

// Virtual time is in µs.
const (
	ms     int64 = 1000
	second       = 1000 * ms
)

// nodesMax is the largest cluster that a seed begins with, hostsMax the most machines it ever has.
const (
	nodesMax = 7
	hostsMax = 20
)

// fault is a class of things that go wrong.
type fault uint8

const (
	faultKill       fault = iota // a process dies; what it wrote stays in the page cache
	faultPower                   // a machine loses power: unsynced writes are kept, lost or torn
	faultBlackout                // all machines lose power at once
	faultDiskOp                  // power is lost at some disk operation, in the midst of a write
	faultSyncError               // an fdatasync fails, once
	faultShortWrite              // a write does a part of what it should, and fails
	faultReadError               // a read fails, while a node runs or when it starts
	faultFull                    // a disk has no room for a while
	faultRot                     // bytes at rest change on the disk of a machine that is down
	faultPause                   // a process stands still, and does not know it
	faultPartition               // some links carry nothing, in one direction or both
	faultIsolate                 // one node is cut off
	faultClog                    // a link holds everything back, then delivers it at once
	faultReset                   // a connection breaks
	faultStall                   // a disk takes seconds
	faultTransfer                // no fault: leadership is handed over, perhaps to the wrong one
	faultStick                   // a disk hangs for up to a minute, with preference a leader's
	faultWipe                    // a directory is emptied
	faultSetBack                 // a directory is replaced by an older copy of itself
	faultLull                    // clients are silent, but for some of a leader that is cut off
	faultCount
)

var faultNames = [faultCount]string{"kill", "power", "blackout", "diskop", "syncerror",
	"short-write", "read-error", "full", "rot", "pause",
	"partition", "isolate", "clog", "reset", "stall", "transfer",
	"stick", "wipe", "set-back", "lull"}

// plan is what a seed draws before its world begins: how large the cluster is, what goes wrong
// in it and how often, and how tiny the limits are that code meets rarely in production. A
// class that is off in many seeds is what lets the others show what they can do (swarm testing).
type plan struct {
	nodes int

	// The network. Times in µs, chances in millionths.
	delayMin, delayMean     int64
	loss, duplicate, replay int
	reorder                 bool
	vague                   int  // a refusal hints at less than it could
	echo                    bool // late messages of boots that are over come

	// A node's own work, in µs.
	loopDelay  int64 // between an event and the loop that takes it; 0: every event by itself
	writeMean  int64 // one write and fdatasync
	applyMean  int64
	saveMean   int64 // one snapshot
	serverMean int64 // between crash and restart

	every  [faultCount]int64 // mean time between two faults of a class; 0: never
	churn  int64             // mean time between two wishes of operators; 0: never
	moment int               // chance that a fault hits a node at a moment that matters to it
	skew   [hostsMax]int64   // a node's clock runs at so many thousandths of the true rate

	raft         raft.Config // but ID, Seed and Trace
	settings     rsm.Settings
	segmentBytes int64
	spares       int // chance that a write is followed by making a spare segment, in millionths
	maxEntry     int
	maxInflight  int
	retryMs      uint64
	snapEntries  uint64
	snapBytes    int64

	trials bool // of the leader's disk, at the end

	clients   int
	thinkMean int64
	stacks    int
	valueMax  int
	keyed     int // chances in millionths: a write carries a key,
	reads     int // an operation is a read,
	stale     int // a read may be stale,
	timeoutMs []uint64
}

// draw makes a seed's plan. nodes 0 draws the size of the cluster too.
func draw(r *random, nodes int) plan {
	p := plan{nodes: nodes}
	if nodes == 0 {
		p.nodes = pick(r, 1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 7)
	}
	p.delayMin = pick(r, 50, 200, 1*ms)
	p.delayMean = pick(r, 50, 300, 2*ms, 10*ms)
	p.loss = pick(r, 0, 0, 1_000, 10_000, 100_000)
	p.duplicate = pick(r, 0, 0, 10_000, 100_000)
	p.replay = pick(r, 0, 0, 1_000, 10_000)
	p.reorder = pick(r, false, true)
	p.vague = pick(r, 0, 0, 300_000, 1_000_000)
	p.echo = pick(r, false, true)

	p.loopDelay = pick(r, 0, 0, 100, 1*ms)
	p.writeMean = pick(r, 100, 1*ms, 5*ms, 20*ms)
	p.applyMean = pick(r, 20, 200, 5*ms)
	p.saveMean = pick(r, 1*ms, 20*ms, 500*ms)
	p.serverMean = pick(r, 50*ms, 1*second, 4*second)

	calm, storm := r.below(16) == 0, r.below(6) == 0
	for f := range p.every {
		on := r.below(2) == 0
		mean := pick(r, 1500*ms, 4*second, 12*second)
		if storm {
			mean /= 5
		}
		if on && !calm {
			p.every[f] = mean
		}
	}
	if !calm {
		p.moment = pick(r, 0, 0, 3_000, 30_000)
	}
	p.every[faultStick] *= 4
	p.every[faultWipe] *= 2
	if r.below(2) == 0 { // nodes that are down for their disks meet little else
		for _, f := range []fault{faultShortWrite, faultReadError, faultFull, faultRot} {
			p.every[f] = 0
		}
	} else if p.every[faultRot] == 0 && !calm {
		p.every[faultRot] = 3 * second
	}
	if r.below(3) > 0 && !calm {
		p.churn = pick(r, 700*ms, 2*second, 6*second)
	}
	if p.churn == 0 {
		p.every[faultWipe] = 0 // nobody would replace it
	}
	for i := range p.skew {
		p.skew[i] = 1000
	}
	if r.below(3) == 0 {
		for i := range p.skew {
			p.skew[i] = r.between(500, 2000)
		}
	}

	p.raft = raft.Config{
		HeartbeatTicks: 5,
		ElectionTicks:  30,
		DiskTicks:      pick(r, 50, 100, 200),
		MaxAppendBytes: pick(r, 1, 200, 4<<10, 1<<20),
		MaxInflight:    pick(r, 1, 2, 8, 64),
		TrailingBytes:  pick(r, 0, 500, 8<<10, 1<<20),
		MaxApplyBytes:  pick(r, 1, 1000, 1<<20),
	}
	p.settings = rsm.DefaultSettings()
	p.settings.MaxValueBytes = pick(r, 64, 4096, uint64(1<<20))
	p.settings.RequestRetentionMs = pick(r, uint64(60_000), 600_000)
	p.segmentBytes = pick(r, int64(4<<10), 16<<10, 128<<10)
	p.spares = pick(r, 0, 250_000, 250_000)
	p.maxEntry = pick(r, 1, 500, 1<<20)
	p.maxInflight = pick(r, 4<<10, 64<<20)
	p.retryMs = pick(r, uint64(50), 100, 300)
	p.snapEntries = pick(r, uint64(3), 20, 200, 100_000)
	p.snapBytes = pick(r, int64(1<<10), 64<<10, 1<<30)
	if p.every[faultFull] > 0 && r.below(2) == 0 {
		// Segments that nobody prepares and no snapshot gives back grow as they are written: there
		// a disk fills up in the midst of a group.
		p.segmentBytes, p.spares = pick(r, int64(4<<10), 16<<10), 0
		p.snapEntries, p.snapBytes = 100_000, 1<<30
	}

	if !calm && r.below(3) == 0 {
		p.every[faultLull] = max(p.every[faultLull], second)
	}
	if p.every[faultLull] > 0 {
		p.every[faultLull] = 2*second + min(p.every[faultLull], 4*second) // it takes so long
		switch r.below(5) {
		case 0, 1: // whoever was cut off gets a snapshot
			p.snapEntries, p.raft.TrailingBytes = 1, 0
			p.vague = pick(r, 0, 300_000, 1_000_000)
		case 2, 3: // entries, one at a time, from before where the logs part
			p.raft.TrailingBytes, p.raft.MaxAppendBytes = 1<<20, 1
			p.vague = pick(r, 300_000, 1_000_000)
		}
	}

	p.trials = true
	p.clients = pick(r, 1, 3, 8, 16, 24)
	p.thinkMean = int64(p.clients) * second / int64(pick(r, 25, 40, 60))
	p.stacks = pick(r, 1, 2, 5)
	p.valueMax = pick(r, 8, 40, 200)
	p.keyed = pick(r, 0, 300_000, 700_000, 1_000_000)
	p.reads = pick(r, 50_000, 200_000, 400_000, 900_000)
	p.stale = pick(r, 0, 300_000)
	switch p.keyed {
	case 0: // nobody repeats anything under a key: sessions of old boots may go soon
		p.settings.RequestRetentionMs = pick(r, uint64(2_000), 60_000)
	case 300_000: // a table that fills up refuses, and the writes without a key go on
		p.settings.MaxRequestsBytes = pick(r, uint64(32<<10), 256<<20)
	}
	p.timeoutMs = pick(r, []uint64{10_000}, []uint64{300, 2000, 10_000}, []uint64{1000})
	return p
}
