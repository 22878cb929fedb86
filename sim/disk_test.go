package sim

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drystone/disk"
	"drystone/wal"
)

// quiet is a plan without chance's faults, for runs in which a test says what goes wrong.
func quiet(nodes int) plan {
	r := random{1}
	p := draw(&r, nodes)
	p.every, p.moment, p.churn, p.trials = [faultCount]int64{}, 0, 0, false
	for i := range p.skew {
		p.skew[i] = 1000
	}
	p.delayMin, p.delayMean = 200, 200
	p.loss, p.duplicate, p.replay, p.reorder = 0, 0, 0, false
	p.loopDelay, p.writeMean, p.applyMean, p.saveMean = 0, 300, 50, 2*ms
	p.serverMean = 100 * ms
	p.raft.MaxAppendBytes, p.raft.MaxInflight, p.raft.MaxApplyBytes = 4<<10, 8, 1<<20
	p.raft.TrailingBytes, p.raft.DiskTicks = 500, 200
	p.segmentBytes, p.maxEntry, p.maxInflight, p.retryMs = 4<<10, 1<<20, 64<<20, 300
	p.spares = 250_000
	p.snapEntries, p.snapBytes = 15, 1<<30
	p.settings.MaxValueBytes, p.settings.RequestRetentionMs = 4096, 600_000
	p.clients, p.thinkMean, p.stacks, p.valueMax = 4, 60*ms, 2, 200
	p.keyed, p.reads, p.stale, p.timeoutMs = 500_000, 200_000, 0, []uint64{2000}
	return p
}

// scripted is a short run of that plan.
func scripted(seed uint64, nodes int) *world {
	o := Options{Seed: seed, Duration: time.Second, MinOps: 30}.withDefaults()
	return newPlannedWorld(o, quiet(nodes), random{seed})
}

func mustHold(t *testing.T, w *world, what string) {
	t.Helper()
	if r := w.report(); !r.OK() {
		t.Errorf("%s: %s: %s\n%v", what, r.Property, r.Detail, &r)
	}
}

// TestCrashAtEveryDiskOp loses power at each disk operation of a run in turn, from the very first
// of a first start on: at one node, and at all three.
func TestCrashAtEveryDiskOp(t *testing.T) {
	calm := scripted(1, 3)
	mustHold(t, calm, "without a crash")
	count := calm.hosts[0].changes
	if count < 150 {
		t.Fatalf("the run has only %d disk operations", count)
	}
	step := uint64(1)
	if testing.Short() || raceEnabled {
		step = 3
	}
	var died atomic.Uint64
	inParallel(int(count/step), func(i int) {
		at := 1 + uint64(i)*step
		one := scripted(1, 3)
		one.hosts[0].crashAt = at
		mustHold(t, one, fmt.Sprintf("n1 loses power at its disk operation %d", at))
		died.Add(one.reached[markDiskOp])
		if i%3 != 0 {
			return
		}
		all := scripted(at, 3)
		for _, h := range all.hosts {
			h.crashAt = at
		}
		mustHold(t, all, fmt.Sprintf("every node loses power at its disk operation %d", at))
	})
	// The last ones belong to the probes, which nothing may disturb.
	if died.Load() < 9*count/step/10 {
		t.Errorf("%d crashes in %d runs", died.Load(), count/step)
	}
}

// TestEveryTruncation cuts the last segment of one node's log at every byte of its last 4 KiB.
// The node must boot, with the others up, nothing acknowledged may be missing, and after ten more
// writes it must boot again.
func TestEveryTruncation(t *testing.T) {
	base := scripted(5, 3)
	base.options.MinOps = 60
	base.plan.snapEntries, base.plan.segmentBytes = 1<<40, 64<<10
	mustHold(t, base, "before the cut")
	name, end := lastRecord(t, base.hosts[0].mem)
	if end < 4<<10 {
		t.Fatalf("the last segment holds only %d bytes", end)
	}
	stride := int64(1)
	if testing.Short() || raceEnabled {
		stride = 37
	}
	inParallel(int(4<<10/stride)+1, func(i int) {
		cut := int64(i) * stride
		w := successor(base)
		h := w.hosts[0]
		if err := truncate(h.mem, name, end-cut); err != nil {
			t.Error(err)
			return
		}
		h.record.damaged = true
		mustHold(t, w, fmt.Sprintf("%s cut to %d bytes, %d short of its end", name, end-cut, cut))
		for i := range base.clients.ops {
			was, now := &base.clients.ops[i], &w.clients.ops[i]
			if was.done == nil || was.read {
				continue
			}
			if now.done == nil || now.done.index != was.done.index {
				t.Errorf("cut %d: the %v, which took effect at entry %d, is gone", cut, was,
					was.done.index)
			}
		}
		if h.identity.Boot < 3 {
			t.Errorf("cut %d: the node did not boot twice", cut)
		}
	})
}

// inParallel calls f for 0 to n-1, on all processors.
func inParallel(n int, f func(i int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	group.Wait()
}

// lastRecord is the log file written last, and where its last record ends.
func lastRecord(t *testing.T, m *disk.Mem) (name string, end int64) {
	t.Helper()
	_, err := wal.Scan(m.Dir(), func(r wal.Record) {
		name, end = r.File, r.Offset+r.Length
	})
	if err != nil {
		t.Fatal(err)
	}
	return name, end
}

func truncate(m *disk.Mem, name string, size int64) error {
	f, err := m.Dir().Open(name)
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		err = f.Datasync()
	}
	return err
}

// successor is a world that begins with the disks that another ended with, and with all that is
// known of them. Its safety phase is short; in it n1 boots twice, with ten writes between.
func successor(base *world) *world {
	o := base.options
	o.Duration, o.MinOps = time.Second, 12
	w := newPlannedWorld(o, base.plan, random{o.Seed + 1})
	was, now := &base.check, &w.check
	for _, links := range was.chain.links {
		now.chain.links = append(now.chain.links, slices.Clone(links))
	}
	now.committed = slices.Clone(was.committed)
	now.leaders = maps.Clone(was.leaders)
	now.cluster, now.first, now.known = was.cluster, was.first, maps.Clone(was.known)
	now.decided, now.chain.configs = slices.Clone(was.decided), maps.Clone(was.chain.configs)
	c := &w.clients
	c.ops = append(c.ops, base.clients.ops...)
	for i := range c.ops {
		c.ops[i].done = nil
	}
	c.attempts = append(c.attempts, base.clients.attempts...)
	c.values, c.floor = base.clients.values, base.clients.floor
	for i, h := range w.hosts {
		h.mem = base.hosts[i].mem.Clone()
		h.mem.SetHook(h.onDiskOp)
		r := *base.hosts[i].record
		h.record = &r
		now.directories[r.incarnation] = h.record
		h.record.durable = h.record.durable.copy()
		h.boot = base.hosts[i].boot + 1
	}
	w.script = func() {
		if w.clients.acked < 10 {
			w.always(10*ms, evScript, 0, 0, 0)
			return
		}
		w.hosts[0].crash(lifeKilled)
	}
	w.always(0, evScript, 0, 0, 0)
	return w
}
