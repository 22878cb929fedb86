package raft

// ProgressState is how a leader feeds one peer.
type ProgressState uint8

// How a peer may be fed.
const (
	// ProgressProbe: where the logs agree is not known; one AppendEntries at a time.
	ProgressProbe ProgressState = iota
	// ProgressReplicate: they agree; entries are sent ahead of the replies (thesis §10.2.1).
	ProgressReplicate
	// ProgressSnapshot: the entries it needs are compacted; it waits for a snapshot (§7).
	ProgressSnapshot
)

// progress is what a leader knows of one peer.
type progress struct {
	id         NodeID
	nextIndex  Index // the next entry to send it
	matchIndex Index // known to be durable there, and equal to the leader's log up to here
	state      ProgressState
	quiet      int   // ticks since anything was heard of it
	told       Index // the highest commitIndex it was told, as far as its log goes

	asked    bool     // probe: an AppendEntries is under way
	inflight inflight // replicate: the AppendEntries under way
	matched  Index    // replicate: matchIndex at the last HeartbeatReply

	shipping bool         // snapshot: the host is at it
	shipped  SnapshotMeta // snapshot: stands on its disk; the answer to InstallSnapshot is missing
	installs int          // snapshot: how often InstallSnapshot was repeated
}

// inflight is the AppendEntries that were sent to a peer ahead of its replies. It is bounded in
// messages and in bytes: what is under way stands before whatever is sent next, and must be taken
// in, written and synced before it is acknowledged.
type inflight struct {
	messages []sent // ascending
	bytes    int    // of all their entries
}

type sent struct {
	last  Index // of its entries
	bytes int
}

func (f *inflight) add(last Index, bytes int) {
	f.messages = append(f.messages, sent{last, bytes})
	f.bytes += bytes
}

// upTo forgets what an acknowledgement of i covers.
func (f *inflight) upTo(i Index) {
	n := 0
	for n < len(f.messages) && f.messages[n].last <= i {
		f.bytes -= f.messages[n].bytes
		n++
	}
	f.messages = f.messages[:copy(f.messages, f.messages[n:])]
}

func (f *inflight) clear() { f.messages, f.bytes = f.messages[:0], 0 }

func (p *progress) becomeProbe(next Index) {
	assert(next > p.matchIndex, "sends what is known to be there")
	p.state, p.nextIndex = ProgressProbe, next
	p.asked = false
	p.inflight.clear()
}

func (p *progress) becomeReplicate() {
	p.state, p.nextIndex = ProgressReplicate, p.matchIndex+1
	p.inflight.clear()
	p.matched = p.matchIndex
	p.shipping, p.shipped = false, SnapshotMeta{}
}

func (p *progress) becomeSnapshot() {
	p.state = ProgressSnapshot
	p.inflight.clear()
	p.shipping, p.shipped, p.installs = false, SnapshotMeta{}, 0
}

// advanceMatch takes an acknowledgement and reports whether it said anything new. It never goes
// back: a late one only repeats what is known.
func (p *progress) advanceMatch(i Index) bool {
	if i <= p.matchIndex {
		return false
	}
	p.matchIndex = i
	p.nextIndex = max(p.nextIndex, i+1)
	p.inflight.upTo(i)
	return true
}

// peer finds the progress of a member; nil if it is none.
func (l *leader) peer(id NodeID) *progress {
	for i := range l.progress {
		if l.progress[i].id == id {
			return &l.progress[i]
		}
	}
	return nil
}

// leadingPeer finds the progress of a peer that replies to a leader, and notes that it lives.
func (r *Raft) leadingPeer(id NodeID) (*leader, *progress) {
	l, ok := r.role.(*leader)
	if !ok {
		return nil, nil
	}
	p := l.peer(id)
	if p != nil {
		p.quiet = 0
	}
	return l, p
}

// syncProgress gives every other member a progress, and takes it from who is no member any more.
func (r *Raft) syncProgress(l *leader, next Index) {
	ids := r.members().All()
	all := make([]progress, 0, len(ids))
	for _, id := range ids {
		if id == r.id {
			continue
		}
		if p := l.peer(id); p != nil {
			all = append(all, *p)
			continue
		}
		// Fig2, State: nextIndex is initialised to the leader's last log index + 1: to the entry that
		// is about to tell of it. One behind that, and a new member of an idle cluster hears nothing.
		all = append(all, progress{id: id, nextIndex: next})
	}
	l.progress = all
}
