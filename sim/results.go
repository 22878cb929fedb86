package sim

import (
	"bytes"

	"drystone/rsm"
)

// verdict is what the truth says of a request of the log.
type verdict struct {
	code rsm.Code   // "": it took effect, now or before
	x    *execution // that
}

// numbered names a batch.
type numbered struct {
	session
	number uint64
}

// ruled is what became of a batch, at the entry in which it was its session's next.
type ruled struct {
	index    uint64
	verdicts []verdict
}

// results compares what a replica says of its own batches in an entry with the truth, whether
// anybody waits for it or not.
func (t *truth) results(h *host, d *rsm.EntryDone) {
	w := t.world
	before := uint64(0) // the one taken last: an entry may hold a batch twice
	for i := range d.Batches {
		b := &d.Batches[i]
		id := numbered{session{uint64(h.id), h.identity.Boot}, b.Number}
		r := t.ruled[id]
		taken := r.index == d.Index && b.Number > before
		if taken != (b.Status == rsm.BatchApplied) {
			w.fail(rightAnswer, "n%d takes its batch %d at entry %d for status %d; by the log it was the "+
				"next one at entry %d", h.id, b.Number, d.Index, b.Status, r.index)
		}
		if !taken {
			continue
		}
		before = b.Number
		if len(b.Results) != len(r.verdicts) {
			w.fail(rightAnswer, "n%d has %d results of its batch %d, which holds %d requests", h.id,
				len(b.Results), b.Number, len(r.verdicts))
		}
		for k := range b.Results {
			if got := &b.Results[k]; !r.verdicts[k].is(got) {
				w.fail(rightAnswer, "n%d has the result %+v of request %d of its batch %d at entry %d; the "+
					"log says code %q, execution %+v", h.id, *got, k, b.Number, d.Index, r.verdicts[k].code,
					r.verdicts[k].x)
			}
		}
	}
}

// is says whether a result is the verdict.
func (v *verdict) is(r *rsm.Result) bool {
	if v.x == nil {
		return r.Outcome == rsm.NotApplied && r.Code == v.code && r.Reply == nil
	}
	return r.Outcome == rsm.Applied && r.Index == v.x.index && r.Op == v.x.op &&
		bytes.Equal(r.Reply, v.x.reply)
}
