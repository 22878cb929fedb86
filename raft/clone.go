package raft

import "slices"

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
