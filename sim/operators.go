package sim

import (
	"drystone/members"
	"drystone/raft"
	"drystone/rsm"
)

// operators are people who change the membership, at bad moments, several at once, and through
// nodes that may be anything.
type operators struct {
	world  *world
	random random
	size   int // they like the cluster to have about so many members
}

func newOperators(w *world) operators {
	o := operators{world: w, random: w.random.fork()}
	o.size = pick(&o.random, w.plan.nodes, w.plan.nodes, 2) // of two, each is needed
	return o
}

func (o *operators) start() {
	w := o.world
	if w.plan.churn > 0 {
		w.always(o.random.spread(w.plan.churn), evChurn, 0, 0, 0)
	}
	for _, h := range w.hosts {
		if w.plan.every[faultSetBack] > 0 {
			w.always(w.random.spread(copyEvery), evDisks, h.index, diskCopy, 0)
		}
	}
}

// onChurn lets somebody want something.
func (w *world) onChurn() {
	o := &w.operators
	if w.healing {
		return
	}
	w.always(o.random.spread(w.plan.churn), evChurn, 0, 0, 0)
	if !w.founded() || !w.strikes(churn) {
		return
	}
	o.act()
	if o.random.below(4) == 0 {
		o.act() // at the same moment
	}
}

// founded says whether the first start is over everywhere: a founding node that has not met all the
// others yet never can once one of them is gone.
func (w *world) founded() bool {
	for i := range w.plan.nodes {
		h := w.hosts[i]
		if h.record.cluster == "" && h.disks.shelf == nil {
			return false
		}
	}
	return true
}

// onElected lets somebody ask a leader before it has committed anything.
func (o *operators) onElected(h *host) {
	w := o.world
	if w.healing || w.plan.churn == 0 || !w.founded() || o.random.below(3) != 0 ||
		!w.strikes(churn) {
		return
	}
	h.pile.hasty = append(h.pile.hasty, o.wish())
	if o.random.below(2) == 0 {
		h.pile.hasty = append(h.pile.hasty, o.wish())
	}
}

// wish is a request about some member, or about whoever was one.
func (o *operators) wish() rsm.AdminRequest {
	r, w := &o.random, o.world
	f := w.check.latest()
	all := f.All()
	q := rsm.AdminRequest{Node: uint64(all[r.below(len(all))])}
	if l := w.leader(); l != nil && r.below(3) == 0 {
		q.Node = uint64(l.id)
	}
	switch n := r.below(10); {
	case n < 5:
		q.Op = rsm.AdminRemove
	case n < 8:
		q.Op = rsm.AdminReplace
	default:
		q.Op = rsm.AdminPromote
		if len(f.Learners) > 0 {
			q.Node = uint64(f.Learners[r.below(len(f.Learners))])
		}
	}
	return q
}

// act does one thing that operators do.
func (o *operators) act() {
	r, w := &o.random, o.world
	f := w.check.latest()
	size := len(f.All())
	n := r.below(100)
	switch {
	case size < o.size && n < 60, size <= o.size/2 && n < 85, size < nodesMax && n < 15:
		o.add(w.nextNumber())
		if r.below(5) == 0 {
			o.add(w.nextNumber())
		}
	case n < 30:
		q := o.wish()
		if size > o.size {
			q.Op = rsm.AdminRemove
		}
		o.ask(q)
	case n < 45:
		o.replace()
	case n < 55:
		o.askVacant()
	case n < 65:
		o.ask(rsm.AdminRequest{Op: rsm.AdminTransfer,
			Node: pick(r, 0, uint64(f.Voters[r.below(len(f.Voters))]))})
	case n < 75:
		o.ask(rsm.AdminRequest{Op: rsm.AdminAdd, Node: uint64(w.nextNumber())})
	case n < 85:
		if l := w.leader(); l != nil { // straight at the core, two at a time
			l.pile.hasty = append(l.pile.hasty, o.wish(), o.wish())
			l.wake()
		}
	case n < 92:
		o.returnRemoved()
	default:
		o.ask(rsm.AdminRequest{Op: rsm.AdminList})
	}
}

// nextNumber is one that no machine has had.
func (w *world) nextNumber() (n raft.NodeID) {
	for _, h := range w.hosts {
		n = max(n, h.id)
	}
	return n + 1
}

// add starts a machine with --join.
func (o *operators) add(id raft.NodeID) *host {
	w := o.world
	alive := 0
	for _, h := range w.hosts {
		if !h.gone && h.identity.Removed == "" {
			alive++
		}
	}
	if len(w.hosts) == hostsMax || alive > nodesMax {
		return nil
	}
	h := w.newHost(id)
	for _, m := range w.machinesOf(w.check.latest()) {
		if o.random.below(3) > 0 {
			h.seeds = append(h.seeds, m.index)
		}
	}
	if len(h.seeds) == 0 {
		h.seeds = []int{o.random.below(h.index)}
	}
	w.trace.line(h, "a new machine")
	w.always(o.random.between(0, 100*ms), evRestart, h.index, uint64(h.boot), 0)
	return h
}

// replace loses a member's machine, or its directory, or nothing, and asks for another in its
// place.
func (o *operators) replace() {
	w, r := o.world, &o.random
	all := w.machinesOf(w.check.latest())
	if len(all) < 2 {
		return
	}
	h := all[r.below(len(all))]
	if l := w.leader(); l != nil && r.below(4) == 0 {
		h = l
	}
	if h.disks.shelf != nil {
		return
	}
	switch r.below(4) {
	case 0: // nothing is wrong with it; another one comes beside it
		o.add(h.id)
	case 1, 2: // it is gone for ever, as far as anybody knows
		if next := o.add(h.id); next != nil {
			w.trace.line(h, "is gone")
			h.gone = true
			next.replaces = markReplacedDead
			if h.up {
				h.crash(lifePower)
			}
		}
	case 3:
		w.wipe(h)
		h.replaces = markReplacedWiped
	}
	q := rsm.AdminRequest{Op: rsm.AdminReplace, Node: uint64(h.id)}
	o.ask(q)
	if r.below(2) == 0 {
		o.ask(q) // somebody else has noticed as well
	}
}

// askVacant asks once more to replace whoever's machine is gone or wiped.
func (o *operators) askVacant() {
	w := o.world
	for _, h := range w.hosts {
		if h.gone || h.disks.shelf != nil && !h.disks.rolledBack {
			o.ask(rsm.AdminRequest{Op: rsm.AdminReplace, Node: uint64(h.id)})
		}
	}
}

// returnRemoved starts a removed directory again, as if nothing had been.
func (o *operators) returnRemoved() {
	w := o.world
	for _, h := range w.hosts {
		if h.up && h.identity.Removed != "" && o.random.below(2) == 0 {
			h.crash(lifeKilled)
		}
	}
}

// ask puts a request to some node, most often one that is a member.
func (o *operators) ask(q rsm.AdminRequest) {
	w := o.world
	h := w.hosts[o.random.below(len(w.hosts))]
	if !h.up {
		return
	}
	w.trace.asked(h, &q)
	w.churned++
	elected := len(w.check.leaders)
	h.administer(q, uint64(pick(&o.random, 500, 3000, 10_000)), func(r rsm.AdminReply) {
		w.trace.told(h, &q, &r)
		w.check.answers = append(w.check.answers, answered{h.id, q, r, elected})
	})
}

// noteVerdict is told of every change that a leader refuses.
func (w *world) noteVerdict(r *members.Refusal) {
	if r.Code == rsm.CodeUnsafeChange {
		w.reach(markUnsafe)
	}
}
