package sim

import (
	"drystone/members"
	"drystone/raft"
)

// identity checks what a node found in its directory, or has just saved there.
func (c *checker) identity(h *host) {
	r, id := h.record, &h.identity
	fail := func(what string) { c.world.fail("Identity", "n%d: %s", h.id, what) }
	if r.incarnation != "" && r.incarnation != id.Incarnation {
		fail("the directory's incarnation changed")
	}
	if r.cluster != "" && r.cluster != id.Cluster {
		fail("the directory changed its cluster")
	}
	if id.Boot < r.boot {
		fail("the boot number went back")
	}
	if held := c.directories[id.Incarnation]; held != nil && held != r && !r.rolledBack {
		fail("its new directory has the incarnation of another")
	}
	if !r.rolledBack {
		c.directories[id.Incarnation] = r
	}
	if id.Cluster != "" {
		first := configurationOf(members.First(*id))
		if c.first == nil {
			c.first = first
			for _, p := range id.Peers {
				c.known[p.Incarnation] = true
			}
		}
		if !first.Equal(c.first.Members) {
			fail("it begins its log with other members")
		}
		if c.cluster != "" && c.cluster != id.Cluster {
			fail("two clusters formed from one set of nodes")
		}
		c.cluster = id.Cluster
	}
	r.incarnation, r.cluster, r.boot = id.Incarnation, id.Cluster, id.Boot
}

// restored compares what a node recovered with what its disk had acknowledged. Beyond that, only
// a beginning of the write that was under way may have survived.
func (c *checker) restored(h *host, found *raft.Restored) {
	r := h.record
	if r.rolledBack { // nobody remembers what it was
		c.rebuild(h, found)
		return
	}
	expected := r.durable.copy()
	if r.damaged {
		r.damaged = false
		expected.truncate(found)
	}
	if r.rot != nil && c.mayBeLeft(h, found) {
		c.rebuild(h, found)
		r.saved, r.pending = min(r.saved, found.Snapshot.LastIncludedIndex), nil
		return
	}
	matched := c.agrees(h, &expected, found)
	for i := range r.pending {
		if matched {
			break
		}
		expected.apply(&r.pending[i])
		matched = c.agrees(h, &expected, found)
	}
	if !matched {
		c.world.fail(durability, "n%d recovered term %d vote %d, snapshot %d, log up to %d; "+
			"its disk had acknowledged term %d vote %d, snapshot %d, log up to %d@%d (%d writes "+
			"were under way)", h.id, found.Hard.CurrentTerm, found.Hard.VotedFor,
			found.Snapshot.LastIncludedIndex, lastOf(found), r.durable.hard.CurrentTerm,
			r.durable.hard.VotedFor, max(r.saved, r.durable.base), r.durable.last(),
			r.durable.lastTerm(), len(r.pending))
	}
	if at := found.Snapshot.LastIncludedIndex; at <= raft.Index(len(c.committed)) &&
		!found.Snapshot.Members.Equal(c.configAt(at).Members) {
		c.world.fail(logDecides, "n%d starts from a snapshot of entry %d with %v; the log says %v", h.id,
			at, found.Snapshot.Members, c.configAt(at).Members)
	}
	if len(c.inForce(&expected).Next) > 0 {
		c.world.reach(markJointRestart)
	}
	r.durable, r.pending = expected, nil
	r.handed = expected.copy()
	h.seen.applied = found.Snapshot.LastIncludedIndex
}

// rebuild takes the log that was found for what it is.
func (c *checker) rebuild(h *host, found *raft.Restored) {
	m := mirror{
		hard: found.Hard, base: found.Snapshot.LastIncludedIndex,
		baseTerm: found.Snapshot.LastIncludedTerm,
	}
	for i := range found.Entries {
		if found.Entries[i].Index > m.base {
			m.append(&found.Entries[i])
		}
	}
	h.record.durable, h.record.handed = m, m.copy()
	h.seen.applied = m.base
}

func lastOf(d *raft.Restored) raft.Index {
	if n := len(d.Entries); n > 0 {
		return max(d.Entries[n-1].Index, d.Snapshot.LastIncludedIndex)
	}
	return d.Snapshot.LastIncludedIndex
}

// agrees says whether a node that should have the log m may have found this.
func (c *checker) agrees(h *host, m *mirror, found *raft.Restored) bool {
	at := found.Snapshot.LastIncludedIndex
	if found.Hard != m.hard || at < h.record.saved || at < m.base {
		return false
	}
	// A snapshot that came from the leader is found before the log says that it replaces it.
	ahead := at > m.last()
	if ahead && at > h.record.received {
		return false
	}
	if !ahead && lastOf(found) != m.last() {
		return false
	}
	if term, ok := m.term(at); ok && at > 0 && term != found.Snapshot.LastIncludedTerm {
		return false
	}
	for i := range found.Entries {
		e := &found.Entries[i]
		term, ok := m.term(e.Index)
		if !ok {
			if e.Index < m.base {
				continue
			}
			return false
		}
		if term != e.Term {
			return false
		}
		digest, ok := c.chain.digest(e.Index, e.Term)
		if ok && digest != digestBytes(uint64(e.Kind), e.Data) {
			return false
		}
	}
	if ahead {
		m.install(at, found.Snapshot.LastIncludedTerm, false)
	}
	return true
}
