package raft

import (
	"fmt"
	"slices"
)

// Clone returns an independent copy: the same inputs to both give the same outputs. Entry data
// and configurations are immutable and shared; Config.Trace is shared too.
func (r *Raft) Clone() *Raft {
	c := *r
	c.log.entries = slices.Clip(r.log.entries)
	c.configs = slices.Clone(r.configs)
	c.disk.writes = slices.Clone(r.disk.writes)
	c.applying.chunks = slices.Clone(r.applying.chunks)
	c.out, c.after = slices.Clone(r.out), slices.Clone(r.after)
	c.reads, c.ship = slices.Clone(r.reads), slices.Clone(r.ship)
	switch role := r.role.(type) {
	case *follower:
		f := *role
		c.role = &f
	case *preCandidate:
		p := *role
		p.votes = slices.Clone(p.votes)
		c.role = &p
	case *candidate:
		d := *role
		d.votes = slices.Clone(d.votes)
		c.role = &d
	case *leader:
		c.role = role.clone()
	}
	if r.previous.leading != nil {
		c.previous.leading, _ = c.role.(*leader)
	}
	return &c
}

func (l *leader) clone() *leader {
	c := *l
	c.progress = slices.Clone(l.progress)
	for i := range c.progress {
		f := &c.progress[i].inflight
		f.messages = slices.Clone(f.messages)
	}
	c.reads.waiting = slices.Clone(l.reads.waiting)
	c.reads.rounds = slices.Clone(l.reads.rounds)
	for i := range c.reads.rounds {
		c.reads.rounds[i].acks = slices.Clone(c.reads.rounds[i].acks)
	}
	return &c
}

// AppendState appends the state in a canonical form, for telling states apart: two nodes with the
// same form behave alike, but for what they draw from their seed from then on.
func (r *Raft) AppendState(dst []byte) []byte {
	d := &r.disk
	dst = fmt.Appendf(dst, "%v %v %v %v %v %v %v %v %v|", r.id, r.hard(), r.commitIndex,
		r.lastApplied, r.termLeader, min(r.quiet, r.config.ElectionTicks), r.yielded,
		r.snapshot, r.configs)
	dst = fmt.Appendf(dst, "%v", r.log.base)
	for i := range r.log.entries {
		e := &r.log.entries[i]
		dst = fmt.Appendf(dst, " %d.%d.%d.%x", e.Index, e.Term, e.Kind, e.Data)
	}
	dst = fmt.Appendf(dst, "|%v %v %v %v %v %v", d.hard, d.handed, d.durable, d.unwritten, d.seq,
		d.restoring)
	for _, w := range d.writes {
		dst = fmt.Appendf(dst, " %d.%d.%v.%d", w.seq, w.upto, w.hard, r.now-w.at)
	}
	if d.received != nil {
		dst = fmt.Appendf(dst, " %v", *d.received)
	}
	dst = fmt.Appendf(dst, "|%v|", r.applying)
	switch role := r.role.(type) {
	case *follower:
		dst = fmt.Appendf(dst, "follower %+v", *role)
	case *preCandidate:
		dst = fmt.Appendf(dst, "pre-candidate %+v", *role)
	case *candidate:
		dst = fmt.Appendf(dst, "candidate %+v", *role)
	case *leader:
		dst = fmt.Appendf(dst, "leader %+v", *role)
	}
	for _, m := range r.out {
		dst = fmt.Appendf(dst, "|%v", m)
	}
	for _, m := range r.after {
		dst = fmt.Appendf(dst, "|then %v", m)
	}
	return fmt.Appendf(dst, "|%v %v", r.reads, r.ship)
}
