package sim

import (
	"fmt"
	"slices"

	"drystone/raft"
	"drystone/rsm"
)

const (
	checkEvery = 50 * ms
	liveness   = "Liveness"
)

// Bounds of the liveness phase, in µs after the fault-free time began.
const (
	coreWithin     = 60 * second // a core of a majority gets operations through
	convergeWithin = 20 * second // one leader, all caught up
	settleWithin   = 30 * second // every operation under way has its outcome
	probeWithin    = 15 * second // a node's stream of requests backs off while its link is cut
	perOperation   = 200 * ms    // of those that are still missing
)

// trialPatience is how long a cluster may take to be fit for the trials of disks.
const trialPatience = 3 * second

// electionsHealthy bounds the leaders elected after the last fault.
const electionsHealthy = 6

// phase is a step of the proof that the cluster is well again.
type phase uint8

const (
	phaseCore   phase = iota // a majority is well and must do its work, whatever the others do
	phaseWork                // clients go on until enough is acknowledged
	phaseStuck               // the leader's disk hangs: another must lead
	phaseSlow                // the leader's disk is slow: it must lead on
	phaseQuiet               // nothing new begins; what is under way ends
	phaseProbe               // each node takes a fresh write and serves a fresh read
	phaseSettle              // all have applied that
)

// onHeal ends the safety phase. From here on nothing goes wrong that did not before: first only
// for a majority of the nodes, with perfect links between them, which must get work done whatever
// the others do; then for all.
func (w *world) onHeal() {
	w.healing, w.healed = true, w.now
	w.trace.line(nil, "no more faults")
	w.net.mend()
	w.net.unclog()
	w.clients.silent = 0
	for _, h := range w.hosts {
		h.gone = false
		h.takeFromShelf()
		h.mem.Disarm()
		h.mem.SetQuota(0)
	}
	w.leaveDamaged()
	w.chooseCore()
	for _, h := range w.hosts {
		if !h.ill {
			w.cure(h)
		}
	}
	w.coreGoal = w.clients.acked + 10
	w.enter(phaseCore)
	w.always(checkEvery, evCheck, 0, 0, 0)
}

// stable checks that a cluster in which nothing goes wrong keeps its leaders. A few elections are
// due: when the faults end, and when those who were ill come back.
func (w *world) stable(h *host) {
	w.elections++
	if w.elections > electionsHealthy {
		w.fail("Stability", "n%d is the leader number %d since the last fault", h.id, w.elections)
	}
}

// chooseCore leaves a minority ill, the leader with preference: down, standing still, with a disk
// that hangs, or behind links that carry nothing, one way or both.
func (w *world) chooseCore() {
	r := &w.random
	if !w.founded() {
		return // a first start needs everybody
	}
	inForce := w.inForceAnywhere()
	for range r.below(len(w.hosts)) {
		h := w.hosts[r.below(len(w.hosts))]
		if l := w.leader(); l != nil && r.below(4) == 0 {
			h = l
		}
		if h.ill {
			continue
		}
		h.ill = true
		if !w.enough(inForce) {
			h.ill = false
			continue
		}
		switch r.below(4) {
		case 0:
			if h.up {
				h.crash(lifePower)
			}
		case 1:
			if h.up {
				w.pause(h)
			}
		case 2:
			h.stalled = 1 << 62
		}
		for i := range w.hosts {
			if i != h.index {
				w.net.cut[h.index][i] = r.below(2) == 0
				w.net.cut[i][h.index] = r.below(2) == 0
			}
		}
		w.trace.line(h, "stays ill")
	}
	w.cutHung()
	w.trace.partition()
}

// enough says whether those who are well decide by all these configurations.
func (w *world) enough(inForce []*configuration) bool {
	for _, f := range inForce {
		if !w.check.agree(f, func(r *record) bool { return w.well(r) }) {
			return false
		}
	}
	return true
}

// cutHung cuts those whose disks hang off from the others that are ill. A follower with such a disk
// answers heartbeats all the same, so a leader that hears enough of those leads on, while links
// that fail one way only keep it from committing with the rest: nothing in consensus sees that.
func (w *world) cutHung() {
	for _, h := range w.hosts {
		for _, peer := range w.hosts {
			if h != peer && h.ill && peer.ill && h.stalled > w.now {
				w.net.cut[h.index][peer.index], w.net.cut[peer.index][h.index] = true, true
			}
		}
	}
}

// inForceAnywhere are the configurations that some log puts in force, and the newest committed one.
func (w *world) inForceAnywhere() []*configuration {
	all := []*configuration{w.check.latest()}
	for _, h := range w.hosts {
		for _, m := range []*mirror{&h.record.handed, &h.record.durable} {
			f := w.check.inForce(m)
			if !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
	}
	return all
}

// well says whether the machine that has a directory is well.
func (w *world) well(r *record) bool {
	return slices.ContainsFunc(w.hosts, func(h *host) bool { return h.record == r && !h.ill })
}

// cureAll makes all nodes and links well.
func (w *world) cureAll() {
	w.trace.line(nil, "all is well")
	w.net.mend()
	for _, h := range w.hosts {
		h.ill = false
		w.cure(h)
		if h.asking != nil { // those who run it know by now whom to ask
			h.asking.machines = nil
			for _, m := range w.machinesOf(w.check.latest()) {
				h.asking.machines = append(h.asking.machines, m.index)
			}
			h.asking.next = 0
		}
	}
}

func (w *world) cure(h *host) {
	h.stalled, h.slow = 0, 0
	h.repair()
	if w.plan.every[faultDiskOp] > 0 {
		h.crashAt = 0
	}
	if h.paused {
		w.onResume(h, h.boot)
	}
	if !h.up {
		w.onRestart(h, h.boot)
	}
}

// onCheck moves on through the phases once each has what it wants, and fails when it takes too
// long.
func (w *world) onCheck() {
	c := &w.clients
	missing := int64(max(0, w.options.MinOps-c.acked))
	switch w.phase {
	case phaseCore:
		w.within(coreWithin, "a majority that nothing disturbs gets nothing done")
		if c.acked >= w.coreGoal {
			w.cureAll()
			w.missing = missing
			w.enter(phaseWork)
		}
	case phaseWork:
		w.within(convergeWithin+w.missing*perOperation, "%d of %d operations acknowledged",
			c.acked, w.options.MinOps)
		if l := w.triable(); missing == 0 && w.now-w.phaseSince > 500*ms && l != nil {
			w.tryStuck(l)
			w.enter(phaseStuck)
		} else if missing == 0 && w.now-w.healed > 500*ms &&
			(!w.plan.trials || w.now-w.phaseSince > trialPatience) {
			c.quiet = true
			w.enter(phaseQuiet)
		}
	case phaseStuck:
		if w.stuckOver() {
			w.enter(phaseSlow)
		}
	case phaseSlow:
		l := w.triable()
		if w.trial.leader.slow == 0 && w.now-w.phaseSince > second && l != nil {
			w.trySlow(l)
		}
		if w.trial.leader.slow > 0 && w.slowOver() || w.now-w.phaseSince > 60*second {
			w.trial.leader.slow = 0
			c.quiet = true
			w.enter(phaseQuiet)
		}
	case phaseQuiet:
		w.within(settleWithin, "operations are still without an outcome")
		if c.idle() && w.converged() {
			w.enter(phaseProbe)
			w.probe()
		}
	case phaseProbe:
		w.within(probeWithin, "a fresh write or read through each node found no answer")
		if c.idle() {
			c.checkProbes()
			w.enter(phaseSettle)
		}
	case phaseSettle:
		w.within(convergeWithin, "the nodes have not caught up")
		if w.converged() {
			for _, h := range w.machinesOf(w.check.latest()) {
				w.truth.compare(h)
				if !h.replica.Idle() || h.replica.InflightBytes() != 0 {
					w.fail("Quiescence", "n%d holds %d bytes for callers that are gone", h.id,
						h.replica.InflightBytes())
				}
			}
			w.done = true
			return
		}
	}
	w.always(checkEvery, evCheck, 0, 0, 0)
}

func (w *world) enter(p phase) { w.phase, w.phaseSince = p, w.now }

func (w *world) within(bound int64, what string, args ...any) {
	if w.now-w.phaseSince <= bound {
		return
	}
	for _, h := range w.hosts {
		w.trace.status(h)
	}
	w.fail(liveness, "%d s after the last fault: "+what+"; %s",
		append(append([]any{(w.now - w.healed) / second}, args...), w.diagnosis())...)
}

// converged says whether there is one leader, known to all, and every node has applied
// everything, to the same state.
func (w *world) converged() bool {
	f := w.check.latest()
	if f == nil || f.Joint() {
		return false
	}
	all := w.machinesOf(f)
	for _, h := range all { // a learner without a machine will never be promoted
		if !f.IsVoter(h.id) {
			return false
		}
	}
	first := all[0]
	if len(all) < len(f.Voters) || !first.up || first.state == nil {
		return false
	}
	want := first.core.Status()
	if want.Leader == 0 {
		return false
	}
	for _, h := range all {
		if !h.up || h.state == nil {
			return false
		}
		s := h.core.Status()
		if s.Leader != want.Leader || s.Commit != want.LastIndex || s.LastIndex != want.LastIndex ||
			s.Applied != want.LastIndex || s.Hard.CurrentTerm != want.Hard.CurrentTerm {
			return false
		}
		if h.state.Point() != first.state.Point() || h.state.Hash() != first.state.Hash() {
			w.fail(equalState, "n%d and n%d have applied %d and differ", h.id, first.id, want.LastIndex)
		}
	}
	return raft.Index(w.truth.index) == want.LastIndex
}

// probe sends a write through every node, and a read after it.
func (w *world) probe() {
	c := &w.clients
	w.probes = len(c.ops)
	all := w.machinesOf(w.check.latest())
	for _, h := range w.hosts {
		h.crashAt = 0
	}
	for len(c.all) < 2*len(all) {
		c.all = append(c.all, client{op: -1})
	}
	for i, h := range all {
		c.fresh(2*i, h, true, 10_000)
		c.fresh(2*i+1, h, false, 10_000)
	}
}

// checkProbes demands that every probe was served.
func (c *clients) checkProbes() {
	for i := c.world.probes; i < len(c.ops); i++ {
		if op := &c.ops[i]; op.outcome != rsm.Applied {
			c.world.fail(liveness, "a fresh %v through a healthy cluster ends with outcome %d", op,
				op.outcome)
		}
	}
}

// diagnosis is each node in a few words, for a failure of liveness.
func (w *world) diagnosis() string {
	var b []byte
	if f := w.check.latest(); f != nil {
		b = fmt.Appendf(b, "members %v;", f.Members)
	}
	for _, h := range w.hosts {
		if h.core == nil {
			switch {
			case !h.up:
				b = fmt.Appendf(b, " n%d down;", h.id)
			case h.identity.Removed != "":
				b = fmt.Appendf(b, " n%d removed;", h.id)
			case h.asking != nil:
				b = fmt.Appendf(b, " n%d asking (%s);", h.id, h.asking.refusal)
			default:
				b = fmt.Appendf(b, " n%d forming;", h.id)
			}
			continue
		}
		s := h.core.Status()
		b = fmt.Appendf(b, " n%d@%d %v leader=n%d last=%d@%d commit=%d applied=%d first=%d;", h.id,
			s.Hard.CurrentTerm, s.Role, s.Leader, s.LastIndex, s.LastTerm, s.Commit, s.Applied,
			s.FirstIndex)
	}
	return string(b)
}
