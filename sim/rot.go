package sim

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"drystone/disk"
	"drystone/raft"
	"drystone/rsm"
	"drystone/storage"
	"drystone/wal"
)

// rot is what has changed on the disk of a machine that was down: bits, or a sector that a write
// never reached, or that another one reached instead of its own. It is found at the next start.
type rot struct {
	patches  []patch
	loss     disk.Loss // what need not be found any more
	lastTerm raft.Term // of the last entry of that; 0 if a snapshot stands for it
	refused  bool      // a start has refused the directory for it
	foreseen bool      // and somebody is about to see to it
}

// patch is a place that has changed.
type patch struct {
	disk.Place
	was, is []byte
}

// sectorBytes is what a disk writes at once.
const sectorBytes = 512

// rot changes something on a machine's disk, which loses power first if it runs, if the cluster
// owes anything after that. What an atlas leaves unprotected is not done.
func (w *world) rot(h *host) {
	if h.record.rot != nil || h.record.short.Index > 0 || h.record.rolledBack || h.gone ||
		h.record.cluster == "" || !w.founded() {
		return
	}
	image := h.mem.Clone()
	image.Crash() // as the disk itself will be
	patches := w.patches(image)
	places := make([]disk.Place, len(patches))
	for i := range patches {
		places[i] = patches[i].Place
	}
	loss, err := storage.LossAt(image.Dir(), 0, places...)
	if err != nil || len(patches) == 0 || w.owed(h, &loss) == disk.Unprotected {
		return
	}
	if h.up {
		h.crash(lifePower)
	} else {
		h.mem.Crash()
	}
	w.faults[faultRot]++
	h.record.rot = &rot{patches: patches, loss: loss, lastTerm: w.termOn(image, loss.Last)}
	for i := range patches {
		w.trace.line(h, "rot at", patches[i].String())
		h.overwrite(&patches[i], patches[i].is)
	}
}

// termOn is the term of an entry as a log at rest has it; 0 if it has none.
func (w *world) termOn(m *disk.Mem, i uint64) (term raft.Term) {
	if _, err := wal.Scan(m.Dir(), func(r wal.Record) {
		if r.OK && r.Kind == "entry" && r.Index == raft.Index(i) {
			term = r.Term
		}
	}); err != nil {
		w.fail("Simulator", "read a log at rest: %v", err)
	}
	return term
}

// patches draws places of a directory at rest and what changes there, most often one.
func (w *world) patches(m *disk.Mem) (all []patch) {
	dir, r := m.Dir(), &w.random
	names, err := dir.List()
	if err != nil {
		w.fail("Simulator", "list a disk at rest: %v", err)
	}
	var records []wal.Record
	if _, err := wal.Scan(dir, func(r wal.Record) { records = append(records, r) }); err != nil {
		w.fail("Simulator", "read a log at rest: %v", err)
	}
	others := slices.DeleteFunc(slices.Clone(names), wal.IsFile)
	for range pick(r, 1, 1, 1, 2) {
		var p disk.Place
		switch n := r.below(8); {
		case n == 0 || len(records) == 0:
			p.File = names[r.below(len(names))]
		case n < 3 && len(others) > 0: // a snapshot, as a rule
			p.File = others[r.below(len(others))]
		default:
			at := r.below(len(records))
			if n < 5 { // what may go without a word
				at = len(records) - 1
			}
			p.File = records[at].File
			p.Offset = records[at].Offset + int64(r.below(int(max(1, records[at].Length))))
		}
		if c, ok := w.changed(dir, names, p); ok {
			all = append(all, c)
		}
	}
	return all
}

// changed draws what becomes of a place, or of the sector around it. A place without an offset is
// anywhere in its file.
func (w *world) changed(dir disk.Dir, names []string, p disk.Place) (patch, bool) {
	r := &w.random
	size := sizeOf(dir, p.File)
	if size == 0 {
		return patch{}, false
	}
	if p.Offset == 0 {
		p.Offset = int64(r.below(int(size)))
	}
	at := p.Offset / sectorBytes * sectorBytes
	c := patch{Place: disk.Place{File: p.File, Offset: at, Length: min(sectorBytes, size-at)}}
	c.was = readAt(dir, c.Place)
	c.is = bytes.Clone(c.was)
	switch r.below(4) {
	case 0:
		c.is[p.Offset-at] ^= 1 << r.below(8)
		c.Place, c.was, c.is = disk.Place{File: p.File, Offset: p.Offset, Length: 1},
			c.was[p.Offset-at:][:1], c.is[p.Offset-at:][:1]
	case 1:
		clear(c.is)
	case 2:
		for i := range c.is {
			c.is[i] = byte(r.next())
		}
	case 3:
		from := disk.Place{File: names[r.below(len(names))], Length: c.Length}
		if n := sizeOf(dir, from.File) / sectorBytes; n > 0 {
			from.Offset = int64(r.below(int(n))) * sectorBytes
		}
		copy(c.is, readAt(dir, from))
	}
	return c, !bytes.Equal(c.was, c.is)
}

func sizeOf(dir disk.Dir, name string) int64 {
	f, err := dir.OpenRead(name)
	if err != nil {
		return 0
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0
	}
	return size
}

// readAt reads as much of a place as there is.
func readAt(dir disk.Dir, p disk.Place) []byte {
	b := make([]byte, p.Length)
	f, err := dir.OpenRead(p.File)
	if err != nil {
		return nil
	}
	defer f.Close()
	n, _ := f.ReadAt(b, p.Offset) // an error says that the file ends there
	return b[:n]
}

// overwrite puts other bytes into a place on the disk of a machine that is down.
func (h *host) overwrite(p *patch, with []byte) {
	f, err := h.mem.Dir().Open(p.File)
	if err == nil {
		_, err = f.WriteAt(with, p.Offset)
	}
	if err == nil {
		err = f.Datasync()
	}
	if err != nil {
		h.world.fail("Simulator", "n%d: change %v: %v", h.id, p, err)
	}
}

// owed is what the cluster owes its clients once a directory has lost something: the worst by all
// the configurations that any log has in force.
func (w *world) owed(h *host, l *disk.Loss) disk.Promise {
	owed := disk.Survives
	for _, f := range w.inForceAnywhere() {
		for _, voters := range [][]raft.NodeID{f.Voters, f.Next} {
			if len(voters) > 0 {
				owed = max(owed, w.owedBy(f, voters, h.record, *l))
			}
		}
	}
	return owed
}

// owedBy is that by the voters of one majority.
func (w *world) owedBy(f *configuration, voters []raft.NodeID, of *record,
	l disk.Loss) disk.Promise {
	atlas := disk.NewAtlas(len(voters))
	l.Voter = -1
	for v, id := range voters {
		r := w.check.directory(f, id)
		if r == of {
			l.Voter = v
		}
		for i := l.First; l.Silent && i <= l.Last; i++ {
			if r != nil && w.check.alike(&r.durable, &of.durable, raft.Index(i)) {
				atlas.Hold(v, i)
			}
		}
		if r == nil || !w.has(r) {
			atlas.Note(disk.Loss{Voter: v, Silent: l.Silent, First: l.First, Last: l.Last})
		} else if r.rot != nil {
			lost := r.rot.loss
			lost.Voter = v
			atlas.Note(lost)
		}
	}
	if l.Voter < 0 {
		if l.Silent {
			return disk.Unprotected // it may become a voter on the strength of what it had
		}
		return disk.Survives
	}
	return atlas.Judge(l)
}

// alike says whether two logs hold the same entry at i.
func (c *checker) alike(m, n *mirror, i raft.Index) bool {
	term, ok := n.term(i)
	if !ok && i <= n.base {
		term, ok = c.committed[i-1].term, true // n stands for it by its snapshot
	}
	return ok && m.holds(i, term)
}

// has says whether a directory is on some machine.
func (w *world) has(r *record) bool {
	return slices.ContainsFunc(w.hosts, func(h *host) bool { return h.record == r && !h.gone })
}

// refusesRot says whether a start may be refused for damage, in words that name the file.
func (h *host) refusesRot(err error) bool {
	w, r := h.world, h.record.rot
	var damage *disk.DamageError
	if r == nil || h.store != nil || !errors.As(err, &damage) || damage.File == "" {
		return false
	}
	w.reach(markRotRefused)
	r.refused = true
	if !r.foreseen {
		r.foreseen = true
		w.always(w.random.spread(3*second), evDisks, h.index, diskRepair, 0)
	}
	return true
}

// seeTo is what somebody does about a directory that is refused: the disk gets its bytes back from
// somewhere, or it is given up, and its node is to be replaced.
func (w *world) seeTo(h *host) {
	if h.record.rot == nil || h.up {
		return
	}
	h.record.rot.foreseen = false
	if w.plan.churn > 0 && h.disks.shelf == nil && w.random.below(2) == 0 {
		w.wipe(h)
		h.replaces = markReplacedWiped
		w.operators.ask(rsm.AdminRequest{Op: rsm.AdminReplace, Node: uint64(h.id)})
		return
	}
	h.repair()
}

// repair undoes the damage of a directory.
func (h *host) repair() {
	r := h.record.rot
	if r == nil {
		return
	}
	if r.refused {
		h.world.reach(markRotRepaired)
	}
	h.world.trace.line(h, "its disk is repaired")
	for i := range slices.Backward(r.patches) {
		p := &r.patches[i]
		if sizeOf(h.mem.Dir(), p.File) > 0 { // a start may have removed what was of no use
			h.overwrite(p, p.was)
		}
	}
	h.record.rot = nil
}

// leaveDamaged leaves directories damaged, and their nodes ill, as long as the others decide
// without them. The rest are repaired.
func (w *world) leaveDamaged() {
	inForce := w.inForceAnywhere()
	for _, h := range w.hosts {
		if h.record.rot == nil {
			continue
		}
		h.ill = w.founded()
		if !h.ill || !w.enough(inForce) {
			h.ill = false
			h.repair()
		}
	}
}

// gotOver is told that a node has started. What was damaged is of no consequence any more, but for
// what may be missing.
func (h *host) gotOver(found *storage.Restored) {
	w, r := h.world, h.record.rot
	if r == nil {
		return
	}
	h.record.rot = nil
	end := raft.Position{Index: raft.Index(r.loss.Last), Term: r.lastTerm}
	m := &h.record.durable
	switch {
	case r.loss.Silent && (m.last() < end.Index || end.Term > 0 && !m.holds(end.Index, end.Term)):
		w.reach(markRotNewest)
		h.record.short = end
		w.trace.line(h, "misses without a word what was written last")
	case strings.Contains(found.Torn, "passed over"):
		w.reach(markRotSnapshot)
	default:
		w.reach(markRotHarmless)
	}
}

// mayBeLeft says whether damage may have left a node with that log: what was not written last must
// all be there.
func (c *checker) mayBeLeft(h *host, found *raft.Restored) bool {
	r := h.record
	m, loss := &r.durable, &r.rot.loss
	hard := found.Hard == m.hard
	for i := range r.pending {
		hard = hard || found.Hard == r.pending[i].Hard
	}
	keeps := m.last()
	if loss.Silent && loss.First <= loss.Last {
		keeps = min(keeps, raft.Index(loss.First)-1)
	}
	if !hard || lastOf(found) < keeps {
		return false
	}
	for i := range found.Entries {
		e := &found.Entries[i]
		if term, ok := m.term(e.Index); ok && e.Index > m.base && e.Index <= keeps && term != e.Term {
			return false
		}
		digest, ok := c.chain.digest(e.Index, e.Term)
		if !ok || digest != digestBytes(uint64(e.Kind), e.Data) {
			return false
		}
	}
	return true
}

// noticed are the words in which the engines say that a leader counts what its follower has lost.
var noticed = []string{"the leader counts entries that this disk has lost", "tocommit("}

// misses ends a node that learns in this way that its log lacks what it had. It does so at
// each start, until somebody else leads, who asks it what it has.
func (h *host) misses() {
	p := recover()
	if p == nil {
		m, end := &h.record.durable, h.record.short
		now, _ := m.term(end.Index)
		other := h.world.check.isCommitted(raft.Position{Index: end.Index, Term: now})
		if h.core != nil && m.last() >= end.Index && (m.holds(end.Index, end.Term) || other) {
			h.record.short = raft.Position{}
		}
		return
	}
	said, _ := p.(string)
	if !slices.ContainsFunc(noticed, func(s string) bool { return strings.Contains(said, s) }) {
		panic(p)
	}
	w := h.world
	w.reach(markRotNoticed)
	w.trace.line(h, "stops:", said)
	h.crash(lifeKilled)
	w.always(w.random.between(100*ms, second), evDisks, h.index, diskAway, 0)
}

// handOver lets somebody else lead than who counts what a node has lost.
func (w *world) handOver(h *host) {
	l := w.leader()
	if l == nil || h.record.short.Index == 0 {
		return
	}
	for _, id := range w.check.inForce(&l.record.handed).Voters {
		if m := l.machineOf(id); m >= 0 && id != l.id && id != h.id && w.hosts[m].up {
			l.pile.transfers = append(l.pile.transfers, id)
			w.trace.line(l, "is asked to hand over to somebody who asks the others what they have")
			l.wake()
			return
		}
	}
}
