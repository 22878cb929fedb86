package raft

// Leadership transfer (thesis §3.10): bring the target up to date, then let it stand at once.

type transfer struct {
	to      NodeID // 0: none
	elapsed int    // ticks
	sent    bool
}

// Transfer begins to hand leadership to another voter. While it lasts, at most ElectionTicks,
// proposals are refused; then this node leads on. Errors: NotLeaderError, ErrNotVoter.
func (r *Raft) Transfer(to NodeID) error {
	l, err := r.leading()
	if err != nil {
		return err
	}
	p := l.peer(to)
	if p == nil || !r.members().IsVoter(to) {
		return ErrNotVoter
	}
	if l.transfer.to != to {
		r.rule(Transfer, TransferBegins, to, r.log.last(), Position{})
		l.transfer = transfer{to: to}
		r.continueTransfer(l, p)
	}
	r.check()
	return nil
}

// continueTransfer lets the target stand once it has all there is.
func (r *Raft) continueTransfer(l *leader, p *progress) {
	t := &l.transfer
	if t.to != p.id || t.sent || p.matchIndex != r.log.lastIndex() {
		return
	}
	t.sent = true
	r.rule(Transfer, TargetCaughtUp, t.to, r.log.last(), Position{})
	r.send(t.to, r.currentTerm, TimeoutNow{})
}

// tickTransfer gives up after an election timeout: the target may be dead, and this leader is not.
func (r *Raft) tickTransfer(l *leader) {
	t := &l.transfer
	if t.to == 0 {
		return
	}
	t.elapsed++
	if t.elapsed >= r.config.ElectionTicks || !r.members().IsVoter(t.to) {
		r.rule(Transfer, TransferFails, t.to, Position{}, Position{})
		*t = transfer{}
	}
}

// onTimeoutNow stands at once, on the leader's word, without asking whether it would win.
func (r *Raft) onTimeoutNow(m Message) {
	r.assert(r.role.kind() != Leader, "a leader is told to stand in its own term")
	if r.role.kind() == Candidate {
		return
	}
	if !r.canStand() {
		r.rule(Transfer, MayNotStand, m.From, Position{}, Position{})
		return
	}
	r.rule(Transfer, ToldToStand, m.From, Position{}, Position{})
	r.becomeCandidate(true)
}
