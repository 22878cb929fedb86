package raft

// Log compaction (§7): snapshots to forget behind, and snapshots to catch up by (Figure 13).
// The bytes, Figure 13's steps 2 to 4, are the host's: it ships them, and the core decides.

// Compact says that a snapshot of the machine at meta is durable on this node. The log before it
// is forgotten, but for TrailingBytes. An older one than the last does nothing.
func (r *Raft) Compact(meta SnapshotMeta) {
	at := meta.LastIncludedIndex
	if at <= r.snapshot.LastIncludedIndex {
		return
	}
	assert(at <= r.lastApplied, "a snapshot of what was never handed out")
	r.assert(r.log.matches(Position{at, meta.LastIncludedTerm}), "a snapshot of another history")
	own := r.configAt(at)
	r.assert(len(meta.Members.Voters) == 0 || meta.Members.Equal(own),
		"a snapshot of another configuration")
	meta.Members = own
	r.snapshot = meta
	r.forgetConfigs(at)
	r.log.compact(r.log.trailing(at, r.config.TrailingBytes) - 1)
	r.rule(Compaction, LogCompacted, 0, Position{at, meta.LastIncludedTerm}, r.log.base)
	r.check()
}

// shipTo asks the host to send a peer a snapshot, from whose end on this log can go on.
func (r *Raft) shipTo(p *progress) {
	p.becomeSnapshot()
	p.shipping = true
	r.rule(Compaction, NeedsSnapshot, p.id, Position{Index: p.nextIndex}, r.log.base)
	r.ship = append(r.ship, SnapshotSend{
		To: p.id, Term: r.currentTerm, AtLeast: r.log.base.Index,
	})
}

// Shipped says how a snapshot fared that Ready.Ship asked for: with ok it is durable, whole, on
// the peer's disk; without, the peer did not take it, and will be asked again when next heard.
func (r *Raft) Shipped(to NodeID, meta SnapshotMeta, ok bool) {
	if l, leads := r.role.(*leader); leads {
		p := l.peer(to)
		if p != nil && p.state == ProgressSnapshot && p.shipping {
			p.shipping = false
			if ok && meta.LastIncludedIndex >= r.log.base.Index {
				p.shipped = meta
				r.send(to, r.currentTerm, InstallSnapshot{Meta: meta})
			}
		}
	}
	r.check()
}

// installsMax is how often a peer that lives is asked to install what was shipped to it. If it
// never does, it lost the snapshot again, and gets another.
const installsMax = 20

// retryShip goes on with a peer that lives and still needs a snapshot.
func (r *Raft) retryShip(p *progress) {
	arrived := p.shipped.LastIncludedIndex > 0 && p.shipped.LastIncludedIndex >= r.log.base.Index
	switch {
	case p.shipping:
	case arrived && p.installs < installsMax:
		p.installs++
		r.send(p.id, r.currentTerm, InstallSnapshot{Meta: p.shipped})
	default:
		r.shipTo(p)
	}
}

// onInstallSnapshot is the receiver's side of InstallSnapshot (Figure 13), once the bytes stand
// on this node's disk.
// DIFFERS(10): Figure 13's message carries the bytes, in pieces, and each is acknowledged.
func (r *Raft) onInstallSnapshot(_ *follower, m Message, s InstallSnapshot) {
	at := Position{s.Meta.LastIncludedIndex, s.Meta.LastIncludedTerm}
	switch {
	case at.Index <= r.commitIndex:
		// An old one, or repeated: what it holds is committed here. The machine never goes back.
		r.rule(IS5, OldSnapshot, m.From, at, Position{Index: r.commitIndex})
	case r.log.matches(at):
		// Fig13/6: an entry with the snapshot's index and term: retain what follows it, and reply.
		// DIFFERS(6): retain what precedes it as well, and apply that: it is all here, and committed.
		r.rule(IS6, LogRetained, m.From, at, r.log.last())
		r.commitTo(at.Index)
	default:
		r.install(m.From, s.Meta)
	}
	r.sendDurable(m.From, at.Index, SnapshotReply{MatchIndex: at.Index})
}

// install makes the snapshot the beginning of the log. Until the Append that says so is durable,
// nothing is acknowledged and nothing is applied.
func (r *Raft) install(from NodeID, meta SnapshotMeta) {
	at := Position{meta.LastIncludedIndex, meta.LastIncludedTerm}
	// Fig13/7: discard the entire log. What is durable of it says nothing of the new one, but for
	// what is committed, which the snapshot repeats.
	r.rule(IS7, LogDiscarded, from, at, r.log.last())
	r.disk.clamp(r.commitIndex)
	r.log.reset(at)
	r.disk.unwritten = at.Index + 1
	// Fig13/5: save the snapshot, discard any with a smaller index.
	r.rule(IS5, SnapshotSaved, from, at, Position{})
	r.disk.received, r.disk.restoring = &meta, at.Index
	// Fig13/8: load the snapshot's cluster configuration; the host resets the machine.
	r.rule(IS8, ConfigLoaded, from, at, Position{})
	r.snapshot = meta
	r.configs = append(r.configs[:0], configAt{at.Index, meta.Members})
	r.commitIndex, r.lastApplied = at.Index, at.Index
}

// onSnapshotReply goes on with entries behind the snapshot.
func (r *Raft) onSnapshotReply(l *leader, p *progress, s SnapshotReply) {
	r.onAppendReply(l, p, AppendReply{Success: true, MatchIndex: s.MatchIndex})
}
