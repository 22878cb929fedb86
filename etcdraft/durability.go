package etcdraft

import (
	"drystone/raft"

	pb "go.etcd.io/raft/v3/raftpb"
)

// What must be durable before what. etcd hands out a write with the answers that it makes true:
// those to peers hang on our Append, those to itself are kept with the write's number and given
// back in order when it is done. Several of etcd's writes go into one of ours, and a write that
// only tells that the commit index moved is none: it is not kept on disk.

// disk is what a node knows of its own disk, by ticket and clamp as in package raft: each write in
// flight keeps the last index of the log as it stands once that write is done, and a truncation
// clamps durable and every ticket to what is left.
type disk struct {
	hard      raft.HardState     // durable
	handed    raft.HardState     // as in the last Append handed out
	durable   raft.Index         // the log is durable up to here
	unwritten raft.Index         // the first entry that no Append has carried yet
	seq       uint64             // of the last Append handed out
	writes    []write            // handed out and unfinished, ascending
	received  *raft.SnapshotMeta // to go into the next Append
	answers   []*pb.Message      // to this node itself, by the next Append
}

// write is the ticket of one Append in flight.
type write struct {
	seq     uint64
	upto    raft.Index
	hard    raft.HardState
	at      uint64        // tick at which it was handed out
	answers []*pb.Message // to this node itself
}

func (d *disk) clamp(last raft.Index) {
	d.durable = min(d.durable, last)
	d.unwritten = min(d.unwritten, last+1)
	for i := range d.writes {
		d.writes[i].upto = min(d.writes[i].upto, last)
	}
}

// stalled reports whether the oldest write in flight is older than the disk timeout.
func (e *Engine) stalled() bool {
	w, limit := e.disk.writes, e.config.DiskTicks
	return limit > 0 && len(w) > 0 && e.now-w[0].at > uint64(limit)
}

// unwritten reports whether something waits to go into an Append.
func (e *Engine) unwritten() bool {
	d := &e.disk
	return d.handed != e.at.hard || d.unwritten <= e.log.lastIndex() || d.received != nil
}

// takeAppend takes over one of etcd's writes.
func (e *Engine) takeAppend(m *pb.Message) {
	if s := m.GetSnapshot(); s.GetMetadata().GetIndex() > 0 {
		e.install(fromSnapshot(s))
	}
	if entries := m.GetEntries(); len(entries) > 0 {
		e.appendToLog(entries)
	}
	for _, r := range m.GetResponses() {
		toSelf := raft.NodeID(r.GetTo()) == e.id
		switch t := r.GetType(); {
		case toSelf && t == pb.MsgPreVoteResp:
			e.local = append(e.local, r) // it promises nothing
		case toSelf:
			e.answerSelf(r)
		case t == pb.MsgPreVoteResp:
			if !r.GetReject() {
				e.prevoted = raft.NodeID(r.GetTo())
			}
			e.send(fromMessage(r))
		case t == pb.MsgVoteResp:
			if !r.GetReject() {
				// Fig2/F.2: granting a vote starts the timer again. Who is asking for pre-votes itself waits
				// for whom it has helped to win, or it would depose that one.
				e.timer = timer{timeout: e.drawElectionTimeout()}
				e.standBack = e.at.role == raft.PreCandidate
			}
			e.sendDurable(fromMessage(r), 0)
		default:
			reply := fromMessage(r)
			upto, _ := acknowledged(reply.Body)
			e.sendDurable(reply, upto)
		}
	}
}

// appendToLog drops what conflicts with new entries, and appends them.
func (e *Engine) appendToLog(entries []*pb.Entry) {
	if first := raft.Index(entries[0].GetIndex()); first <= e.log.lastIndex() {
		assert(first > e.lastApplied, "deletes an entry that was applied")
		e.disk.clamp(first - 1)
		e.dropConfigs(first)
	}
	e.log.append(entries)
	if e.noteConfigs(entries) && e.at.role == raft.Leader {
		e.goBy(e.members())
	}
}

// answerSelf keeps an answer to this node until all that was written before it is durable.
func (e *Engine) answerSelf(r *pb.Message) {
	d := &e.disk
	answers := &d.answers
	switch {
	case e.unwritten():
	case len(d.writes) > 0:
		answers = &d.writes[len(d.writes)-1].answers
	default:
		e.local = append(e.local, r)
		return
	}
	// What says how far the log is durable says all that the one before it did.
	if n := len(*answers); n > 0 && isDurableMark((*answers)[n-1]) && isDurableMark(r) {
		(*answers)[n-1] = r
		return
	}
	*answers = append(*answers, r)
}

func isDurableMark(m *pb.Message) bool {
	return m.GetType() == pb.MsgStorageAppendResp && m.GetSnapshot() == nil
}

// sendDurable lets a message leave once term, vote and the log up to upto are durable: now if
// they are, and otherwise with the next Append, which is ordered behind all they need.
func (e *Engine) sendDurable(m raft.Message, upto raft.Index) {
	if e.disk.hard == e.at.hard && e.disk.durable >= upto {
		e.send(m)
		return
	}
	if e.stalled() {
		return // nothing waits without bound for a disk that hangs; it will be asked for again
	}
	// Within a term the greater acknowledgement says all that a lesser one says.
	if n := len(e.after); n > 0 && e.after[n-1].To == m.To {
		was, waits := acknowledged(e.after[n-1].Body)
		if now, acks := acknowledged(m.Body); waits && acks {
			if now > was {
				e.after[n-1] = m
			}
			return
		}
	}
	e.after = append(e.after, m)
}

// acknowledged is how far a reply acknowledges the log, and whether it does.
func acknowledged(b raft.Body) (raft.Index, bool) {
	a, ok := b.(raft.AppendReply)
	return a.MatchIndex, ok && a.Success
}

// Persisted says that every Append up to seq is durable. The host may acknowledge only the last
// of several; an older or repeated acknowledgement does nothing.
func (e *Engine) Persisted(seq uint64) {
	d := &e.disk
	assert(seq <= d.seq, "acknowledges a write that was never handed out")
	n := 0
	for n < len(d.writes) && d.writes[n].seq <= seq {
		d.durable = max(d.durable, d.writes[n].upto)
		d.hard = d.writes[n].hard
		e.local = append(e.local, d.writes[n].answers...)
		n++
	}
	d.writes = append([]write(nil), d.writes[n:]...)
	e.settle()
}

// Ready takes everything that is to be done since the last call; false when there is nothing.
func (e *Engine) Ready() (raft.Ready, bool) {
	e.beginReads()
	rd := raft.Ready{
		Append: e.nextAppend(), Send: e.out, Apply: e.nextApply(), Reads: e.reads.granted,
		Ship: e.ship,
	}
	e.out, e.reads.granted, e.ship = nil, nil, nil
	return rd, rd.Append.Seq != 0 || len(rd.Send) > 0 || len(rd.Apply) > 0 ||
		len(rd.Reads) > 0 || len(rd.Ship) > 0
}

func (e *Engine) nextAppend() raft.Append {
	d := &e.disk
	if !e.unwritten() && len(e.after) == 0 {
		return raft.Append{}
	}
	d.seq++
	last := e.log.lastIndex()
	a := raft.Append{
		Seq: d.seq, Hard: e.at.hard, Snapshot: d.received,
		Entries: fromEntries(e.log.slice(d.unwritten, last)), After: e.after,
	}
	d.writes = append(d.writes, write{
		seq: d.seq, upto: last, hard: a.Hard, at: e.now, answers: d.answers,
	})
	if e.config.Trace != nil {
		e.config.Trace(raft.Event{
			Kind: raft.EventDisk, Node: e.id, Term: a.Hard.CurrentTerm, Rule: raft.ParallelDisk,
			Append: a, NewHard: a.Hard != d.handed,
		})
	}
	d.handed, d.unwritten, d.received, d.answers = a.Hard, last+1, nil, nil
	e.after = nil
	return a
}

// takeApply takes over what etcd wants applied: committed, and durable here. To etcd it is done
// at once, for what etcd waits for is its configurations, and those are in force already.
func (e *Engine) takeApply(m *pb.Message) {
	entries := m.GetEntries()
	e.appliable = raft.Index(entries[len(entries)-1].GetIndex())
	e.local = append(e.local, m.GetResponses()...)
}

// applying bounds what the machine has been given and has not reported done.
type applying struct {
	applied raft.Index // reported by Applied
	bytes   int        // of chunks
	chunks  []chunk
}

type chunk struct {
	last  raft.Index
	bytes int
}

// nextApply hands out what the machine may apply, in chunks of MaxApplyBytes.
func (e *Engine) nextApply() []raft.Entry {
	if e.appliable <= e.lastApplied {
		return nil
	}
	a := &e.applying
	entries := e.log.slice(e.lastApplied+1, e.appliable)
	room := e.config.MaxApplyBytes - a.bytes
	if len(a.chunks) > 0 && weight(entries[0]) > room {
		return nil
	}
	n, bytes := fitting(entries, room)
	e.lastApplied += raft.Index(n)
	a.bytes += bytes
	a.chunks = append(a.chunks, chunk{e.lastApplied, bytes})
	return fromEntries(entries[:n])
}

// Applied says that the machine has applied everything up to i, or restored a snapshot of i.
func (e *Engine) Applied(i raft.Index) {
	assert(i <= e.lastApplied, "applied what was never handed out")
	a := &e.applying
	a.applied = max(a.applied, i)
	n := 0
	for n < len(a.chunks) && a.chunks[n].last <= a.applied {
		a.bytes -= a.chunks[n].bytes
		n++
	}
	a.chunks = append([]chunk(nil), a.chunks[n:]...)
}

// check looks at what must hold between two inputs.
func (e *Engine) check() {
	d, last := &e.disk, e.log.lastIndex()
	assert(e.log.base.Index <= e.log.snapshot.LastIncludedIndex, "the log begins after the snapshot")
	assert(e.at.commit <= last, "commits beyond the log")
	assert(e.lastApplied <= e.at.commit, "applies what is not committed")
	assert(e.applying.applied <= e.lastApplied, "has applied more than it was given")
	assert(d.durable < d.unwritten && d.unwritten <= last+1, "durable was never written")
	assert(len(d.answers) == 0 || e.unwritten(), "an answer waits for a write that never comes")
	assert(len(e.peers) == 0 || e.at.role == raft.Leader, "peers of one who does not lead")
}
