package sim

import (
	"fmt"
	"slices"
	"strconv"

	"drystone/disk"
	"drystone/raft"
	"drystone/rsm"
	"drystone/wal"
)

// What a story may do to the disk of a node that is down, and what it sees there.

// wipe empties a directory. Who is wiped comes back under its number and knows nothing.
func (s *story) wipe(h *host) {
	s.downOnly(h)
	s.world.trace.line(h, "its directory is emptied")
	h.mount(disk.NewMem(s.world.random.next()), &record{node: h.id})
	h.rot, h.refusal = nil, ""
}

// readTear reads: tear n2 17, which cuts so many bytes off the end of the last record.
func (p *storyParser) readTear() (storyStep, error) {
	x, err := p.who()
	if err != nil {
		return nil, err
	}
	n, err := p.number(1, 4096)
	return func(s *story) bool {
		h := s.one(x)
		s.downOnly(h)
		last := s.records(h)
		r := last[len(last)-1]
		f, err := h.mem.Dir().Open(r.File)
		if err == nil {
			err = f.Truncate(r.Offset + max(1, r.Length-int64(n)))
		}
		if err == nil {
			err = f.Datasync()
		}
		if err != nil {
			s.fail(err.Error())
		}
		h.record.damaged = true
		s.world.trace.line(h, "the end of its log is torn")
		return true
	}, err
}

// rot flips a bit in the midst of a log: of its first entry. The newest write of all may be torn,
// and so may not be told from one that was.
func (s *story) rot(h *host) {
	s.downOnly(h)
	all := s.records(h)
	i := slices.IndexFunc(all, func(r wal.Record) bool { return r.Kind == "entry" })
	if i < 0 {
		s.fail("its log has no entry to rot")
	}
	r := all[i]
	if err := h.mem.Flip(r.File, r.Offset+r.Length/2, 0x10); err != nil {
		s.fail(err.Error())
	}
	h.rot = &r
	s.world.trace.line(h, "a bit of its log flips")
}

// records are those of a log on disk.
func (s *story) records(h *host) (all []wal.Record) {
	_, err := wal.Scan(h.mem.Dir(), func(r wal.Record) { all = append(all, r) })
	if err != nil || len(all) == 0 {
		s.fail(fmt.Sprintf("its log cannot be read: %v", err))
	}
	return all
}

// refuses is told of an error at a start. A directory in which a bit was flipped may be refused,
// in words that name the damage; any other is a broken property.
func (h *host) refuses(err error) bool {
	if h.rot == nil || err == nil {
		return false
	}
	h.refusal = err.Error()
	h.world.trace.line(h, "refuses its directory:", h.refusal)
	h.ill = true
	h.crash(lifeKilled)
	return true
}

// operationOf finds the operation that a request of the log belongs to.
func (c *clients) operationOf(r *rsm.Request) (op int, ok bool) {
	number := func(s string) int {
		if s == "" {
			return -1
		}
		n, err := strconv.Atoi(s[1:])
		if err != nil {
			return -1
		}
		return n
	}
	if n := number(r.Identity.Key); n >= 0 && n < len(c.ops) {
		return n, true
	}
	if n := number(r.Identity.Scope); n > 0 && n <= len(c.attempts) {
		return c.attempts[n-1].op, true
	}
	return 0, false
}

// holds says whether a log on disk has an operation.
func (s *story) holds(m *mirror, op int) bool {
	for at := range s.where {
		if term, ok := m.term(at.at.Index); at.op == op && ok && term == at.at.Term {
			return true
		}
	}
	return false
}

// written says whether a node's disk has an operation.
func (s *story) written(h *host, op int) bool {
	c := &s.world.clients
	if x := c.ops[op].done; x != nil && raft.Index(x.index) <= h.record.durable.base {
		return true
	}
	return s.holds(&h.record.durable, op)
}
