package sim

// lull silences the clients, cuts the leader off, and lets a few of them ask just that one: what
// it puts into its log nobody else ever sees, while the others elect one of them and write next to
// nothing. So a log and a snapshot end in different histories at the same index.
func (w *world) lull(h *host) {
	l := w.leader()
	if l == nil || w.now < w.clients.silent {
		return
	}
	w.clients.silent = w.now + w.random.between(second, 3*second)
	w.trace.line(l, "is cut off in a lull")
	for i := range w.hosts {
		if i != l.index {
			w.net.cut[l.index][i] = true
			w.net.cut[i][l.index] = w.random.below(2) == 0
		}
	}
	w.always(w.random.between(400*ms, second), evMend, 0, 0, 0)
	w.always(w.random.between(0, 200*ms), evLull, l.index, 0, 0)
}

// onLull asks something of the node that is cut off.
func (w *world) onLull(h *host) {
	c := &w.clients
	if w.healing || h.replica == nil || h.paused {
		return
	}
	w.reach(markLonely)
	if w.plan.churn > 0 && w.random.below(2) == 0 {
		h.pile.hasty = append(h.pile.hasty, w.operators.wish())
	}
	for i := range c.all {
		if c.all[i].op < 0 && w.random.below(2) == 0 {
			c.begin(i)
			c.all[i].tries++
			c.attempt(i, h, w.plan.timeoutMs[w.random.below(len(w.plan.timeoutMs))])
		}
	}
	h.wake()
}
