package replica

import (
	"bytes"

	"drystone/raft"
	"drystone/rsm"
	"drystone/store"
)

func (n *node) newState() *rsm.State {
	return rsm.New(store.New(), rsm.Options{Node: uint64(n.id), Boot: n.boot})
}

// exec starts the applier on its next job.
func (n *node) exec() {
	if n.busy || len(n.jobs) == 0 || n.jobs[0].restore != nil && !n.jobs[0].written {
		return
	}
	n.busy = true
	if n.w.o.execMax == 0 {
		n.runJob()
		return
	}
	n.later(n.w.between(n.w.o.execMin, n.w.o.execMax), n.runJob)
}

func (n *node) runJob() {
	j := n.jobs[0]
	n.jobs, n.busy = n.jobs[1:], false
	switch {
	case j.restore != nil:
		n.state = n.newState()
		n.check(n.state.Restore(bytes.NewReader(n.disk.arrived[j.restore.LastIncludedIndex].image)))
		n.w.restores++
		n.w.applied(n, nil)
		n.replica.Restored(n.w.now, n.state.Point(), func(number uint64) ([]rsm.Result, bool) {
			return n.state.Lookup(uint64(n.id), n.boot, number)
		})
	case j.query != nil:
		reply, err := store.DecodeReply(n.state.Answer(j.query.Kind, j.query.Query))
		n.check(err)
		n.w.readDone(n, j.query, reply)
	default:
		done := make([]rsm.EntryDone, 0, len(j.entries))
		for i := range j.entries {
			e := &j.entries[i]
			d, err := n.state.Apply(uint64(e.Index), uint64(e.Term), rsm.EntryKind(e.Kind), e.Data)
			n.check(err)
			n.w.applied(n, e)
			done = append(done, d)
		}
		n.replica.AppliedEntries(n.w.now, done)
		n.compact()
	}
	if now := n.replica.LogTime(n.w.now); now < n.state.Point().LogTime {
		n.w.failf("n%d reads log time %d, and its state is at %d", n.id, now,
			n.state.Point().LogTime)
	}
	n.exec()
}

// compact takes a snapshot now and then.
func (n *node) compact() {
	p := n.state.Point()
	every := n.w.o.snapshotEvery
	if every == 0 || p.Index < uint64(n.disk.meta.LastIncludedIndex)+every {
		return
	}
	var image bytes.Buffer
	if _, err := n.state.Snapshot().WriteTo(&image); err != nil {
		n.check(err)
	}
	n.disk.meta = raft.SnapshotMeta{
		LastIncludedIndex: raft.Index(p.Index), LastIncludedTerm: raft.Term(p.Term),
		Members: n.disk.meta.Members,
	}
	n.disk.image = image.Bytes()
	n.replica.Compact(n.disk.meta)
	// Entries behind the snapshot need not be kept on disk.
	for len(n.disk.entries) > 0 && n.disk.entries[0].Index <= n.disk.meta.LastIncludedIndex {
		n.disk.entries = n.disk.entries[1:]
	}
	n.disk.snapshots++
}
