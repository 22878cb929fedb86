package etcdraft

import (
	"slices"

	"drystone/raft"

	etcd "go.etcd.io/raft/v3"
)

// Snapshots (§7). etcd sends one as a message; here that is the wish that the host ship one
// (Ready.Ship), and the message follows when it stands on the peer's disk. Until the peer has
// answered that, etcd waits for a snapshot.

// Compact says that a snapshot of the machine at meta is durable on this node. The log before it
// is forgotten, but for TrailingBytes. An older one than the last does nothing.
func (e *Engine) Compact(meta raft.SnapshotMeta) {
	at := meta.LastIncludedIndex
	if at <= e.log.snapshot.LastIncludedIndex {
		return
	}
	assert(at <= e.lastApplied, "a snapshot of what was never handed out")
	assert(e.log.matches(raft.Position{Index: at, Term: meta.LastIncludedTerm}),
		"a snapshot of another history")
	own := e.configAt(at)
	assert(len(meta.Members.Voters) == 0 || meta.Members.Equal(own),
		"a snapshot of another configuration")
	meta.Members = own
	e.log.snapshot = meta
	e.configs = slices.Clone(e.configs[e.configOf(at):])
	e.log.compact(e.log.trailing(at, e.config.TrailingBytes) - 1)
	e.settle()
}

// shipTo asks the host to send a peer a snapshot, from whose end on this log can go on.
func (e *Engine) shipTo(id raft.NodeID) {
	p := e.peer(id)
	if p == nil {
		return // a leader until a moment ago
	}
	*p = peer{id: id, quiet: p.quiet, wanted: true, shipping: true}
	e.ship = append(e.ship, raft.SnapshotSend{
		To: id, Term: e.at.hard.CurrentTerm, AtLeast: e.log.base.Index,
	})
}

// Shipped says how a snapshot fared that Ready.Ship asked for: with ok it is durable, whole, on
// the peer's disk; without, the peer did not take it, and will be asked again when next heard.
func (e *Engine) Shipped(to raft.NodeID, meta raft.SnapshotMeta, ok bool) {
	p := e.peer(to)
	if p == nil || !p.wanted || !p.shipping {
		return
	}
	p.shipping = false
	if ok && meta.LastIncludedIndex >= e.log.base.Index {
		p.shipped = meta
		e.sendInstall(p)
	}
	e.settle()
}

func (e *Engine) sendInstall(p *peer) {
	e.send(raft.Message{
		From: e.id, To: p.id, Term: e.at.hard.CurrentTerm,
		Body: raft.InstallSnapshot{Meta: p.shipped},
	})
}

// installsMax is how often a peer that lives is asked to install what was shipped to it. If it
// never does, it lost the snapshot again, and gets another.
const installsMax = 20

// retryShip goes on with a peer that lives and still needs a snapshot.
func (e *Engine) retryShip(p *peer) {
	if !p.wanted {
		return
	}
	waits := slices.ContainsFunc(e.progress(), func(q raft.Progress) bool {
		return q.ID == p.id && q.State == raft.ProgressSnapshot
	})
	arrived := p.shipped.LastIncludedIndex > 0 && p.shipped.LastIncludedIndex >= e.log.base.Index
	switch {
	case !waits:
		*p = peer{id: p.id, quiet: p.quiet}
	case p.shipping:
	case arrived && p.installs < installsMax:
		p.installs++
		e.sendInstall(p)
	default:
		// etcd looks at the log again with the peer's next answer, and finds that it needs one.
		e.node.ReportSnapshot(uint64(p.id), etcd.SnapshotFailure)
		e.settle()
	}
}

// asMember is a configuration with this node in it, as a learner if it has no other part. etcd
// takes no snapshot of a configuration without the node itself: one from before it was added. So
// it is told of this one, and nothing follows from that: when this node stands, the RawNode goes by
// a configuration of the log.
func (e *Engine) asMember(m raft.Members) raft.Members {
	if slices.Contains(m.All(), e.id) {
		return m
	}
	m.Learners = append(slices.Clone(m.Learners), e.id)
	slices.Sort(m.Learners)
	return m
}

// install makes a received snapshot the beginning of the log. Until the Append that says so is
// durable, nothing is acknowledged and nothing is applied.
func (e *Engine) install(meta raft.SnapshotMeta) {
	at := raft.Position{Index: meta.LastIncludedIndex, Term: meta.LastIncludedTerm}
	// What is durable of the log says nothing of the new one, but for what is committed, which the
	// snapshot repeats.
	e.disk.clamp(e.appliable)
	e.log.reset(at)
	e.log.snapshot = meta
	e.disk.unwritten, e.disk.received = at.Index+1, &meta
	e.configs = []configAt{{at.Index, meta.Members}}
	e.lastApplied, e.appliable = at.Index, at.Index
	e.tracked = e.asMember(meta.Members)
}
