package sim

import "drystone/raft"

// vaguer may make a refusal hint at less than its sender knows, as one of an older version would
// that has no hints but its log's length. A leader that goes by it sends what the follower holds
// already, in front of whatever else that has.
func (h *host) vaguer(m *raft.Message) *raft.Message {
	w := h.world
	a, ok := m.Body.(raft.AppendReply)
	log := &h.record.handed
	if !ok || a.Success || w.healing || a.HintIndex <= log.base || !w.random.chance(w.plan.vague) {
		return m
	}
	lower := a.HintIndex - 1 - raft.Index(w.random.below(int(min(a.HintIndex-log.base, 8))))
	term, ok := log.term(lower)
	if !ok {
		return m
	}
	w.reach(markVague)
	a.HintIndex, a.HintTerm = lower, term
	vague := *m
	vague.Body = a
	return &vague
}
