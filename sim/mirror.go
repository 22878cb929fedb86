package sim

import "drystone/raft"

// mirror is a log as somebody other than its node knows it: terms by index. Together with the
// chain, which says what is in (index, term), it is the whole log.
type mirror struct {
	hard     raft.HardState
	base     raft.Index // a snapshot stands for everything up to here
	baseTerm raft.Term
	terms    []raft.Term     // of base+1 and on
	configs  []raft.Position // the configurations among them
}

func (m *mirror) last() raft.Index { return m.base + raft.Index(len(m.terms)) }

func (m *mirror) lastTerm() raft.Term {
	if n := len(m.terms); n > 0 {
		return m.terms[n-1]
	}
	return m.baseTerm
}

// term is the term of the entry at i; false when the mirror does not hold it.
func (m *mirror) term(i raft.Index) (raft.Term, bool) {
	switch {
	case i > m.last() || i < m.base:
		return 0, false
	case i == m.base:
		return m.baseTerm, true
	}
	return m.terms[i-m.base-1], true
}

// holds says whether entry i of that term is in the log or behind its snapshot.
func (m *mirror) holds(i raft.Index, term raft.Term) bool {
	if i < m.base {
		return true
	}
	t, ok := m.term(i)
	return ok && t == term
}

// apply does to the mirror what an Append does to a log.
func (m *mirror) apply(a *raft.Append) {
	m.hard = a.Hard
	if s := a.Snapshot; s != nil {
		m.install(s.LastIncludedIndex, s.LastIncludedTerm, a.KeepLog)
	}
	if len(a.Entries) == 0 {
		return
	}
	m.cut(a.Entries[0].Index)
	for i := range a.Entries {
		m.append(&a.Entries[i])
	}
}

func (m *mirror) append(e *raft.Entry) {
	m.terms = append(m.terms, e.Term)
	if e.Kind == raft.EntryConfig {
		m.configs = append(m.configs, raft.Position{Index: e.Index, Term: e.Term})
	}
}

// cut drops the log from first on.
func (m *mirror) cut(first raft.Index) {
	m.terms = m.terms[:first-m.base-1]
	for n := len(m.configs); n > 0 && m.configs[n-1].Index >= first; n-- {
		m.configs = m.configs[:n-1]
	}
}

// install makes a snapshot the log's beginning; the log after it stays if keep says so.
func (m *mirror) install(index raft.Index, term raft.Term, keep bool) {
	switch {
	case keep && index <= m.base:
		return
	case keep && index <= m.last():
		m.terms = m.terms[index-m.base:]
		for len(m.configs) > 0 && m.configs[0].Index <= index {
			m.configs = m.configs[1:]
		}
	default:
		m.terms, m.configs = m.terms[:0], nil
	}
	m.base, m.baseTerm = index, term
}

// truncate cuts the mirror to the length of the log that was found, whatever its term and vote.
func (m *mirror) truncate(found *raft.Restored) {
	m.hard = found.Hard
	if last := max(lastOf(found), m.base); last < m.last() {
		m.cut(last + 1)
	}
}

func (m *mirror) copy() mirror {
	c := *m
	c.terms = append([]raft.Term(nil), m.terms...)
	c.configs = append([]raft.Position(nil), m.configs...)
	return c
}

// link is what must be in an entry, by index and term, and before it. That every log agrees with
// the chain is the Log Matching property: equal (index, term) means equal entries, and, since
// the term before is part of the link, equal logs up to them.
type link struct {
	term, prevTerm raft.Term
	digest         uint64
}

// chain holds the links of each index, of which there are few.
type chain struct {
	links   [][]link
	configs map[raft.Position]*configuration
}

// match finds or makes the link of an entry, and says whether entry and link agree.
func (c *chain) match(e *raft.Entry, prevTerm raft.Term) bool {
	for uint64(len(c.links)) <= uint64(e.Index) {
		c.links = append(c.links, nil)
	}
	digest := digestBytes(uint64(e.Kind), e.Data)
	for _, l := range c.links[e.Index] {
		if l.term == e.Term {
			return l.digest == digest && l.prevTerm == prevTerm
		}
	}
	c.links[e.Index] = append(c.links[e.Index], link{e.Term, prevTerm, digest})
	return true
}

// digest is what entry i of a term holds; false when nobody ever had one.
func (c *chain) digest(i raft.Index, term raft.Term) (uint64, bool) {
	if uint64(i) < uint64(len(c.links)) {
		for _, l := range c.links[i] {
			if l.term == term {
				return l.digest, true
			}
		}
	}
	return 0, false
}
