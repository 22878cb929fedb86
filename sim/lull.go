package sim

// What evLull does.
const (
	lullCut  = iota // the leader is cut off
	lullTail        // and asked something
)

// lull silences the clients until everything is quiet, cuts the leader off, and lets somebody ask
// just that one: what it puts into its log nobody else ever sees, while the others elect one of
// them and write next to nothing. So logs and snapshots of different histories end near each other.
func (w *world) lull() {
	if w.now < w.clients.silent {
		return
	}
	w.clients.silent = w.now + w.random.between(1500*ms, 3*second)
	w.trace.line(nil, "a lull begins")
	w.always(w.random.between(0, 400*ms), evLull, 0, lullCut, 0)
}

func (w *world) onLull(h *host, step uint64) {
	if w.healing {
		return
	}
	if step == lullTail {
		w.lonely(h)
		return
	}
	l := w.leader()
	if l == nil {
		if w.now+second < w.clients.silent {
			w.always(100*ms, evLull, 0, lullCut, 0)
		}
		return
	}
	w.trace.line(l, "is cut off in the lull")
	for i := range w.hosts {
		if i != l.index {
			w.net.cut[l.index][i], w.net.cut[i][l.index] = true, true
		}
	}
	w.always(w.random.between(0, 150*ms), evLull, l.index, lullTail, 0)
	w.always(w.random.between(600*ms, 1500*ms), evMend, 0, 0, 0)
}

// lonely asks something of a node that is cut off.
func (w *world) lonely(h *host) {
	c := &w.clients
	if h.replica == nil || h.paused {
		return
	}
	w.reach(markLonely)
	if w.plan.churn > 0 {
		h.pile.hasty = append(h.pile.hasty, w.operators.wish())
	}
	for i := range c.all {
		if c.all[i].op < 0 && w.random.below(2) == 0 {
			c.fresh(i, h, true, w.plan.timeoutMs[w.random.below(len(w.plan.timeoutMs))])
		}
	}
	h.wake()
}
