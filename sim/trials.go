package sim

import "drystone/raft"

// diskTimeout is the property of the trials: a leader whose disk hangs is replaced in time, and one
// whose disk is only slow is not.
const diskTimeout = "Disk Timeout"

// trial is a disk of the leader that is tried while all else is well.
type trial struct {
	leader    *host
	began     int64
	elections int // so far
}

// trialBound is in what time another leader must be there: thrice the disk timeout and the election
// timeout, by the slowest clock.
func (w *world) trialBound() int64 {
	slowest := int64(1000)
	for _, h := range w.hosts {
		slowest = min(slowest, w.plan.skew[h.index])
	}
	return 3 * int64(w.plan.raft.DiskTicks+w.plan.raft.ElectionTicks) * 10 * ms * 1000 / slowest
}

// triable is the leader, if enough others could lead, all hear each other, and nobody is about to
// change the members.
func (w *world) triable() *host {
	l := w.leader()
	if f := w.check.latest(); !w.plan.trials || l == nil || f.Joint() || len(f.Voters) < 3 ||
		w.net.held(w.now) {
		return nil
	}
	for _, h := range w.hosts {
		if len(h.admin.jobs)+len(h.admin.errands) > 0 || h.crashAt > 0 {
			return nil
		}
	}
	return l
}

// tryStuck lets the leader's disk hang for a minute, or until another node leads.
func (w *world) tryStuck(l *host) {
	w.trial = trial{leader: l, began: w.now, elections: w.elections}
	l.stalled = w.now + 60*second
	w.trace.line(l, "trial: the disk hangs")
}

// stuckOver looks for another leader.
func (w *world) stuckOver() bool {
	t := &w.trial
	for _, h := range w.hosts {
		if h != t.leader && h.seen.valid && h.seen.status.Role == raft.Leader &&
			h.seen.status.CommittedTerm {
			w.reach(markStuckLeader)
			t.leader.stalled = 0
			w.elections = t.elections
			return true
		}
	}
	switch {
	case len(t.leader.writer.queue) == 0 && w.now < t.leader.stalled:
		t.began = w.now // it has nothing to write, and so nobody can tell
	case w.now >= t.leader.stalled:
		return true
	case w.now-t.began > w.trialBound():
		w.fail(diskTimeout, "n%d leads on, %d ms after its disk began to hang; %s", t.leader.id,
			(w.now-t.began)/ms, w.diagnosis())
	}
	return false
}

// trySlow makes each write of the leader take nearly the disk timeout.
func (w *world) trySlow(l *host) {
	w.trial = trial{leader: l, began: w.now, elections: w.elections}
	l.slow = l.local(int64(w.plan.raft.DiskTicks) * 10 * ms * 9 / 10)
	w.trace.line(l, "trial: the disk is slow")
}

// slowOver checks that nobody is elected meanwhile.
func (w *world) slowOver() bool {
	t := &w.trial
	if w.elections > t.elections {
		w.fail(diskTimeout, "another leader than n%d is elected, whose disk is slow but in time",
			t.leader.id)
	}
	if w.now-t.began < w.trialBound()/2 {
		return false
	}
	t.leader.slow = 0
	w.reach(markSlowLeader)
	return true
}
