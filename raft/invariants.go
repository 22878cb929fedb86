package raft

// Assertions are always on and allocate nothing: to stop is better than to go on wrong.
//
// They are of three kinds. Preconditions stand where they are needed. checkState and checkDelta
// run after every input and cost O(members). checkDeep costs O(log) and is built in with -race or
// the tag invariants. Figure 3's five properties are about clusters, and so beyond one node.

func assert(ok bool, msg string) {
	if !ok {
		panic("raft: " + msg)
	}
}

// assert is the same with the state in the message.
func (r *Raft) assert(ok bool, msg string) {
	if !ok {
		panic("raft: " + msg + ": " + r.String())
	}
}

// previous is what checkDelta compares with: the state after the input before.
type previous struct {
	hard        HardState
	termLeader  NodeID
	commitIndex Index
	lastApplied Index
	leading     *leader
	lastIndex   Index
}

func (r *Raft) check() {
	r.checkState()
	r.checkDelta()
	if deepChecks {
		r.checkDeep()
	}
}

// checkState looks at one state.
func (r *Raft) checkState() {
	last, d := r.log.lastIndex(), &r.disk
	r.assert(r.log.base.Index <= r.snapshot.LastIncludedIndex, "log begins after the snapshot")
	r.assert(r.snapshot.LastIncludedIndex <= r.commitIndex, "snapshot of uncommitted entries")
	r.assert(r.commitIndex <= last, "commits beyond the log")
	r.assert(r.lastApplied <= r.commitIndex, "applies what is not committed")
	r.assert(r.applying.applied <= r.lastApplied, "has applied more than it was given")
	r.assert(d.durable < d.unwritten && d.unwritten <= last+1, "durable was never written")
	r.assert(r.lastApplied <= d.durable || d.restoring == r.lastApplied,
		"applies what is not durable")
	r.assert(d.seq > 0 || len(d.writes) == 0, "writes without a number")
	r.assert(r.votedFor == 0 || r.currentTerm > 0, "votes before the first term")
	r.assert((r.applying.bytes == 0) == (len(r.applying.chunks) == 0), "bytes leak")
	switch role := r.role.(type) {
	case *follower:
		r.assert(role.leader == 0 || role.leader == r.termLeader, "follows another")
	case *preCandidate:
	case *candidate:
		r.assert(r.votedFor == r.id, "stands without its own vote")
	case *leader:
		r.checkLeader(role)
	}
}

func (r *Raft) checkLeader(l *leader) {
	last := r.log.lastIndex()
	r.assert(r.termLeader == r.id && r.votedFor == r.id, "leads without its own vote")
	r.assert(r.disk.hard == r.hard(), "leads a term its own disk doesn't know")
	r.assert(l.termStart <= last, "leads without an entry of its term")
	for i := range l.progress {
		p := &l.progress[i]
		r.assert(p.matchIndex < p.nextIndex || p.state == ProgressSnapshot, "next is behind match")
		r.assert(p.nextIndex <= last+1 && p.matchIndex <= last, "a peer is ahead of its leader")
		p.inflight.check(r)
	}
}

func (f *inflight) check(r *Raft) {
	n := len(f.messages)
	r.assert(n <= r.config.MaxInflight, "too many messages under way")
	r.assert(n <= 1 || f.bytes <= r.config.InflightBytes, "too many bytes under way")
	r.assert(n > 0 || f.bytes == 0, "bytes of nothing under way")
}

// checkDelta looks at a state and the one before.
func (r *Raft) checkDelta() {
	was := &r.previous
	now := previous{
		hard: r.hard(), termLeader: r.termLeader, commitIndex: r.commitIndex,
		lastApplied: r.lastApplied, lastIndex: r.log.lastIndex(),
	}
	now.leading, _ = r.role.(*leader)
	r.assert(now.hard.CurrentTerm >= was.hard.CurrentTerm, "the term decreases")
	r.assert(now.commitIndex >= was.commitIndex, "commitIndex decreases")
	r.assert(now.lastApplied >= was.lastApplied, "lastApplied decreases")
	if now.hard.CurrentTerm == was.hard.CurrentTerm {
		r.assert(was.hard.VotedFor == 0 || now.hard.VotedFor == was.hard.VotedFor,
			"a vote changes within its term")
		r.assert(was.termLeader == 0 || now.termLeader == was.termLeader,
			"the leader changes within a term")
	}
	if was.leading != nil && now.leading == was.leading {
		r.assert(now.lastIndex >= was.lastIndex, "a leader's log shrinks")
	}
	r.previous = now
}

// checkDeep looks at the whole log; a long one only now and then.
func (r *Raft) checkDeep() {
	const short, often = 128, 256
	if len(r.log.entries) > short && (r.now+uint64(len(r.log.entries)))%often != 0 {
		return
	}
	before, configs := r.log.base, 0
	for i := range r.log.entries {
		e := &r.log.entries[i]
		r.assert(e.Index == before.Index+1, "a gap in the log")
		r.assert(e.Term >= before.Term && e.Term <= r.currentTerm, "terms decrease along the log")
		before = e.position()
		if e.Kind == EntryConfig && e.Index > r.snapshot.LastIncludedIndex {
			configs++
			r.assert(configs < len(r.configs) && r.configs[configs].index == e.Index,
				"a configuration in the log is not known")
		}
	}
	r.assert(configs == len(r.configs)-1, "a configuration is not in the log")
	if l, ok := r.role.(*leader); ok {
		n := r.members().quorumIndex(func(id NodeID) Index { return r.reached(l, id) })
		r.assert(n <= r.commitIndex || n < l.termStart, "commit was not advanced")
	}
}
