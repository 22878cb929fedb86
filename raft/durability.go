package raft

// Durability by ticket and clamp.
//
// Appends reach the disk in the order in which they were handed out. Each one in flight keeps a
// ticket: the last index of the log as it stands on disk once that write is done. When the log is
// truncated, durable and every ticket, finished or not, are clamped to what is left: a write that
// was overtaken by a truncation says nothing any more about the indexes that were written anew.
// So Persisted may take the greatest of what survives, and needs no terms to compare.

// disk is what a node knows of its own disk.
type disk struct {
	hard      HardState     // durable
	handed    HardState     // as in the last Append handed out
	durable   Index         // the log in memory is durable up to here
	unwritten Index         // the first entry in memory that no Append has carried yet
	seq       uint64        // of the last Append handed out
	writes    []write       // handed out and unfinished, ascending
	received  *SnapshotMeta // to go into the next Append
	restoring Index         // of a received snapshot that is not durable yet; 0: none
}

// write is the ticket of one Append in flight.
type write struct {
	seq  uint64
	upto Index
	hard HardState
	at   uint64 // tick at which it was handed out
}

func (d *disk) clamp(last Index) {
	d.durable = min(d.durable, last)
	d.unwritten = min(d.unwritten, last+1)
	for i := range d.writes {
		d.writes[i].upto = min(d.writes[i].upto, last)
	}
}

// stalled reports whether the oldest write in flight is older than the disk timeout, counted
// from when Ready handed it out.
func (r *Raft) stalled() bool {
	w := r.disk.writes
	limit := r.config.DiskTicks
	return limit > 0 && len(w) > 0 && r.now-w[0].at > uint64(limit)
}

func (r *Raft) hard() HardState { return HardState{r.currentTerm, r.votedFor} }

// Persisted says that every Append up to seq is durable. The host may acknowledge only the last
// of several; an older or repeated acknowledgement does nothing.
func (r *Raft) Persisted(seq uint64) {
	d := &r.disk
	assert(seq <= d.seq, "acknowledges a write that was never handed out")
	n := 0
	for n < len(d.writes) && d.writes[n].seq <= seq {
		d.durable = max(d.durable, d.writes[n].upto)
		d.hard = d.writes[n].hard
		n++
	}
	if n == 0 {
		return
	}
	d.writes = d.writes[:copy(d.writes, d.writes[n:])]
	r.rule(ParallelDisk, WriteDone, 0, Position{Index: d.durable}, Position{Index: Index(seq)})
	if d.durable >= d.restoring {
		d.restoring = 0
	}
	switch role := r.role.(type) {
	case *candidate:
		r.countOwnVote(role)
	case *leader:
		// thesis §10.2.1: a leader's own disk is one of many, and counts when it is done.
		r.advanceCommit(role)
	}
	r.check()
}

// send lets a message leave at once: it claims nothing that this node's disk might not hold.
func (r *Raft) send(to NodeID, term Term, body Body) {
	m := Message{From: r.id, To: to, Term: term, Body: body}
	r.out = append(r.out, m)
	r.traceMessage(m)
}

// sendDurable lets a message leave once currentTerm, votedFor and the log up to upto are durable:
// now if they are, and otherwise with the next Append, which is ordered behind all they need.
func (r *Raft) sendDurable(to NodeID, upto Index, body Body) {
	if r.disk.hard == r.hard() && r.disk.durable >= upto {
		r.send(to, r.currentTerm, body)
		return
	}
	if r.stalled() {
		// Nothing waits without bound for a disk that hangs. The message is lost, as any may be, and
		// will be asked for again.
		r.rule(ParallelDisk, DroppedByStall, to, Position{}, Position{})
		return
	}
	m := Message{From: r.id, To: to, Term: r.currentTerm, Body: body}
	// Within a term the greater acknowledgement says all that a lesser one says: also when the
	// lesser comes later, of a late copy.
	if n := len(r.after); n > 0 && r.after[n-1].To == to {
		was, waits := acknowledged(r.after[n-1].Body)
		if now, acks := acknowledged(body); waits && acks {
			if now > was {
				r.after[n-1] = m
			}
			return
		}
	}
	r.after = append(r.after, m)
}

// acknowledged is how far a reply acknowledges the log, and whether it does.
func acknowledged(b Body) (Index, bool) {
	a, ok := b.(AppendReply)
	return a.MatchIndex, ok && a.Success
}

// applying bounds what the machine has been given and has not reported done.
type applying struct {
	applied Index // reported by Applied
	bytes   int   // of chunks
	chunks  []chunk
}

type chunk struct {
	last  Index
	bytes int
}

// Applied says that the machine has applied everything up to i, or restored a snapshot of i.
func (r *Raft) Applied(i Index) {
	assert(i <= r.lastApplied, "applied what was never handed out")
	a := &r.applying
	a.applied = max(a.applied, i)
	n := 0
	for n < len(a.chunks) && a.chunks[n].last <= a.applied {
		a.bytes -= a.chunks[n].bytes
		n++
	}
	a.chunks = a.chunks[:copy(a.chunks, a.chunks[n:])]
	r.check()
}

// Ready takes everything that is to be done since the last call; false when there is nothing.
// Feed a burst of inputs first and ask then: one write and one message a peer carry it all.
func (r *Raft) Ready() (Ready, bool) {
	if l, ok := r.role.(*leader); ok {
		r.replicate(l)
		r.beginReads(l)
	}
	rd := Ready{
		Append: r.takeAppend(), Send: r.out, Apply: r.takeApply(), Reads: r.reads, Ship: r.ship,
	}
	r.out, r.reads, r.ship = nil, nil, nil
	r.check()
	return rd, rd.Append.Seq != 0 || len(rd.Send) > 0 || len(rd.Apply) > 0 ||
		len(rd.Reads) > 0 || len(rd.Ship) > 0
}

func (r *Raft) takeAppend() Append {
	d := &r.disk
	last := r.log.lastIndex()
	if d.handed == r.hard() && d.unwritten > last && d.received == nil && len(r.after) == 0 {
		return Append{}
	}
	d.seq++
	a := Append{
		Seq: d.seq, Hard: r.hard(), Snapshot: d.received,
		Entries: r.log.slice(d.unwritten, last), After: r.after,
	}
	d.writes = append(d.writes, write{seq: d.seq, upto: last, hard: a.Hard, at: r.now})
	r.traceAppend(a, a.Hard != d.handed)
	d.handed, d.unwritten, d.received = a.Hard, last+1, nil
	r.after = nil
	return a
}

// takeApply hands out what is committed and locally durable (Fig2/A.1): what this node's own
// disk could lose, its machine must not show.
// DIFFERS(8): Figure 2 applies whatever is committed.
func (r *Raft) takeApply() []Entry {
	a := &r.applying
	last := min(r.commitIndex, r.disk.durable)
	if last <= r.lastApplied {
		return nil
	}
	entries := r.log.slice(r.lastApplied+1, last)
	room := r.config.MaxApplyBytes - a.bytes
	if len(a.chunks) > 0 && entries[0].bytes() > room {
		return nil
	}
	entries = entries[:fitting(entries, room)]
	total := weigh(entries)
	last = entries[len(entries)-1].Index
	a.bytes += total
	a.chunks = append(a.chunks, chunk{last, total})
	r.rule(A1, HandedToMachine, 0, entries[0].position(), entries[len(entries)-1].position())
	r.lastApplied = last
	return entries[:len(entries):len(entries)]
}
