package raft

// Linearizable reads without the log (§8, thesis §6.4). No clock takes part.
//
//  1. The leader has committed an entry of its term; before, it may not know what is committed.
//  2. It notes commitIndex as the read's index.
//  3. It hears from a quorum, in answer to heartbeats sent after 2, that nobody replaced it.
//  4. The host waits until its machine has applied the index, and reads.
//
// Rounds are told apart by the ID of their youngest read. The caller never uses an ID twice, over
// all its boots, so an answer to an old heartbeat cannot confirm a new read.

type reads struct {
	waiting []uint64 // asked for since the last round began
	rounds  []readRound
}

type readRound struct {
	ids   []uint64
	index Index
	acks  []NodeID
}

func (d *readRound) key() uint64 { return d.ids[len(d.ids)-1] }

// newest is the ID of the youngest round; 0 without any.
func (d *reads) newest() uint64 {
	if len(d.rounds) == 0 {
		return 0
	}
	return d.rounds[len(d.rounds)-1].key()
}

// Read asks for an index at which a read is linearizable. id is not zero and never used twice,
// over all boots of all nodes that ask here. Either Ready.Reads grants it, or leadership was
// lost, or the answers were: ask again under another id. Errors: NotLeaderError.
func (r *Raft) Read(id uint64) error {
	assert(id != 0, "a read without an ID")
	l, err := r.leading()
	if err != nil {
		return err
	}
	l.reads.waiting = append(l.reads.waiting, id)
	r.check()
	return nil
}

// beginReads starts one round for all reads that wait.
func (r *Raft) beginReads(l *leader) {
	d := &l.reads
	if len(d.waiting) == 0 || r.commitIndex < l.termStart {
		return // step 1
	}
	d.rounds = append(d.rounds, readRound{ids: d.waiting, index: r.commitIndex}) // step 2
	d.waiting = nil
	r.rule(ReadIndex, RoundBegins, 0, Position{Index: r.commitIndex}, Position{})
	for i := range l.progress {
		if r.members().IsVoter(l.progress[i].id) {
			r.sendHeartbeat(l, &l.progress[i]) // step 3
		}
	}
	r.grantReads(l) // a single voter needs nobody
}

// confirmReads takes a peer's echo. It confirms the round it names and all before it.
func (r *Raft) confirmReads(l *leader, from NodeID, echo uint64) {
	if echo == 0 {
		return
	}
	rounds := l.reads.rounds
	for n := len(rounds); n > 0; n-- {
		if rounds[n-1].key() != echo {
			continue
		}
		for i := range rounds[:n] {
			rounds[i].acks = append(rounds[i].acks, from)
		}
		r.grantReads(l)
		return
	}
}

func (r *Raft) grantReads(l *leader) {
	rounds := l.reads.rounds
	for n := len(rounds); n > 0; n-- {
		acks := rounds[n-1].acks
		if !r.members().quorum(func(id NodeID) bool { return id == r.id || contains(acks, id) }) {
			continue
		}
		for i := range rounds[:n] {
			for _, id := range rounds[i].ids {
				r.reads = append(r.reads, ReadGrant{ID: id, Index: rounds[i].index})
			}
		}
		r.rule(ReadIndex, StillLeader, 0, Position{Index: rounds[n-1].index}, Position{})
		l.reads.rounds = append([]readRound(nil), rounds[n:]...)
		return
	}
}
