package rsm

import (
	"cmp"
	"slices"

	"drystone/cow"
)

// A node session (thesis §6.3) carries the requests of one boot of one node: its batches are
// numbered from 1, applied strictly in order and each at most once, so that the node may send one
// again to whoever leads.

// nodeSession is one boot's. It belongs to the State with the same epoch, and is copied before a
// change when a snapshot shares it.
type nodeSession struct {
	epoch      uint64
	node, boot uint64
	number     uint64 // of the last batch applied
	acked      uint64 // the node knows the results of batches up to here
	// retired: a newer boot of the node has been seen, at log time retiredAt. The session is
	// kept for the retention after that.
	retired   bool
	retiredAt uint64
	results   cow.Deque[batchResults] // of batches acked+1 to number, from the bottom
	sum       uint64                  // of results[].hash
}

// batchResults are the results of one batch. They never change: snapshots and hosts share them.
type batchResults struct {
	results []Result
	hash    uint64
}

// nodeSessions are few: one for each node, and those of boots within the retention.
type nodeSessions struct {
	rows []*nodeSession // ascending by (node, boot)
	hash uint64         // sum over rows
}

func (n *nodeSession) hash() uint64 {
	h := Mix(Mix(Mix(Mix(mixD, n.node), n.boot), n.number), n.acked)
	if n.retired {
		h = Mix(h, n.retiredAt+1)
	}
	return Mix(h, n.sum)
}

func compareSessions(a, b *nodeSession) int {
	return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.boot, b.boot))
}

// search returns the place of a session, and whether it is there.
func (t *nodeSessions) search(node, boot uint64) (int, bool) {
	return slices.BinarySearchFunc(t.rows, nodeSession{node: node, boot: boot},
		func(row *nodeSession, want nodeSession) int { return compareSessions(row, &want) })
}

// find returns a session, or nil.
func (t *nodeSessions) find(node, boot uint64) *nodeSession {
	if i, found := t.search(node, boot); found {
		return t.rows[i]
	}
	return nil
}

// admit says how a batch meets its session. Nothing changes.
func (t *nodeSessions) admit(node, boot, number uint64) BatchStatus {
	i, found := t.search(node, boot)
	var last uint64
	if found {
		last = t.rows[i].number
	} else if i < len(t.rows) && t.rows[i].node == node {
		// A newer boot is known: this one's session is gone, or never came to be.
		return BatchForgotten
	}
	switch {
	case number <= last:
		return BatchRepeated
	case number > last+1:
		return BatchGap
	}
	return BatchApplied
}

// change returns a session to be changed, made if it is new, with its row out of the hash until
// changed. A session that a snapshot shares is copied.
func (t *nodeSessions) change(node, boot, epoch, logTime uint64) *nodeSession {
	i, found := t.search(node, boot)
	if !found {
		t.rows = slices.Insert(t.rows, i, &nodeSession{epoch: epoch, node: node, boot: boot})
		if i > 0 && t.rows[i-1].node == node {
			t.retire(i-1, epoch, logTime)
		}
		return t.rows[i]
	}
	t.hash -= t.rows[i].hash()
	return t.owned(i, epoch)
}

// changed takes a session's row back into the hash.
func (t *nodeSessions) changed(row *nodeSession) { t.hash += row.hash() }

func (t *nodeSessions) owned(i int, epoch uint64) *nodeSession {
	row := t.rows[i]
	if row.epoch != epoch {
		fork := *row
		fork.epoch, fork.results = epoch, row.results.Fork()
		row, t.rows[i] = &fork, &fork
	}
	return row
}

// retire starts the last while of a session whose node has booted again.
func (t *nodeSessions) retire(i int, epoch, logTime uint64) {
	assert(!t.rows[i].retired, "a session retires once")
	t.hash -= t.rows[i].hash()
	row := t.owned(i, epoch)
	row.retired, row.retiredAt = true, logTime
	t.changed(row)
}

// evict drops retired sessions after the retention. A node's newest session always stays: it is
// what tells that an older boot's is gone.
func (t *nodeSessions) evict(logTime, retentionMs uint64) {
	due := func(row *nodeSession) bool {
		return row.retired && logTime >= row.retiredAt && logTime-row.retiredAt >= retentionMs
	}
	// Looked first: DeleteFunc would write over rows all the same.
	if !slices.ContainsFunc(t.rows, due) {
		return
	}
	t.rows = slices.DeleteFunc(t.rows, func(row *nodeSession) bool {
		if !due(row) {
			return false
		}
		t.hash -= row.hash()
		return true
	})
}

// add stores the results of the session's next batch and drops those that ack covers.
func (n *nodeSession) add(results []Result, ack uint64) {
	n.number++
	batch := batchResults{results: results, hash: hashResults(n.number, results)}
	n.results.PushTop(batch)
	n.sum += batch.hash
	// A node cannot know the results of this very batch yet.
	for ack = min(ack, n.number-1); n.acked < ack; n.acked++ {
		n.sum -= n.results.PopBottom().hash
	}
}

// find returns the result of a request that is still kept, or nil.
func (n *nodeSession) find(serial uint64) *Result {
	for batch := range n.results.All() {
		if result := findResult(batch.results, serial); result != nil {
			return result
		}
	}
	return nil
}

// findResult returns the result of a serial, or nil. A batch's serials ascend.
func findResult(results []Result, serial uint64) *Result {
	at, found := slices.BinarySearchFunc(results, serial, func(r Result, serial uint64) int {
		return cmp.Compare(r.Serial, serial)
	})
	if !found {
		return nil
	}
	return &results[at]
}

// serial is the highest that has come out. Serials ascend, no batch is empty, and the newest one's
// results are always here. Only the settings, first of all, have none.
func (n *nodeSession) serial() uint64 {
	for i := n.results.Len() - 1; i >= 0; i-- {
		results := n.results.At(i).results
		if last := len(results) - 1; last >= 0 && results[last].Serial != 0 {
			return results[last].Serial
		}
	}
	return 0
}

// lookup returns the results of a batch that is still kept.
func (n *nodeSession) lookup(number uint64) ([]Result, bool) {
	if number <= n.acked || number > n.number {
		return nil, false
	}
	return n.results.At(int(number - n.acked - 1)).results, true
}

func hashResults(number uint64, results []Result) uint64 {
	h := Mix(mixA, number)
	for i := range results {
		r := &results[i]
		flags := uint64(r.Outcome) << 1
		if r.Replayed {
			flags |= 1
		}
		h = Mix(Mix(Mix(Mix(h, flags), r.Index), r.Op), r.Serial)
		h = HashBytes(HashString(h, string(r.Code)), r.Reply)
	}
	return h
}
