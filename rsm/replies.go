package rsm

import "drystone/cow"

// rowBytes is what a stored reply, or a fence, counts besides its name and its reply: the row, its
// places in the indexes, and the allocator's rounding. The same on every replica, because a full
// table refuses.
const rowBytes = 256

// evictionsPerEntry bounds the work that expiry adds to one entry: after an idle time a whole
// table may be due at once. Rows that are due and not yet evicted count as gone.
const evictionsPerEntry = 1024

// replyID is what a stored reply is found by.
type replyID interface {
	comparable
	bytes() uint64
	hash() uint64
}

// replyRow is a stored reply, or a fence in place of one. It never changes once it is stored:
// snapshots share it.
type replyRow[ID replyID] struct {
	id       ID
	print    fingerprint // of the command, where another one may come under the same id
	state    FateState   // FateApplied, FateRefused or FateFenced
	code     Code        // of a refusal
	storedAt uint64      // log time, ms
	index    uint64
	op       uint64
	reply    []byte
	order    uint64 // of storing
}

// replyTable holds replies for the retention.
type replyTable[ID replyID] struct {
	// byAge holds the rows in the order of storing. Log time never falls, so whatever has expired
	// comes first.
	byAge cow.Map[uint64, *replyRow[ID]]
	next  uint64 // order of the next row
	// byID finds the newest row of an id. It is never ranged over.
	byID   map[ID]*replyRow[ID]
	others int    // rows that are no replies: those version 1 of the snapshot could not hold
	bytes  uint64 // what the rows count
	hash   uint64 // sum over the rows
}

func newReplyTable[ID replyID]() replyTable[ID] {
	return replyTable[ID]{byID: make(map[ID]*replyRow[ID])}
}

func (r *replyRow[ID]) bytes() uint64 {
	return r.id.bytes() + uint64(len(r.reply)) + rowBytes
}

func (r *replyRow[ID]) hash() uint64 {
	h := HashBytes(r.id.hash(), r.print[:])
	h = Mix(Mix(Mix(h, r.storedAt), r.index), r.op)
	h = HashBytes(h, r.reply)
	if r.state != FateApplied {
		h = HashString(Mix(h, uint64(r.state)), string(r.code))
	}
	return h
}

// expired says whether the row has outlived the retention, which is never shortened by overflow.
func (r *replyRow[ID]) expired(logTime, retentionMs uint64) bool {
	return logTime >= r.storedAt && logTime-r.storedAt >= retentionMs
}

// fate is what a row says of its request.
func (r *replyRow[ID]) fate() Fate {
	f := Fate{State: r.state}
	switch r.state {
	case FateApplied:
		f.Result = Result{Outcome: Applied, Reply: r.reply, Index: r.index, Op: r.op, Replayed: true}
	case FateRefused:
		f.Result = Result{Outcome: NotApplied, Code: r.code, Index: r.index}
	}
	return f
}

// find returns the row of id unless there is none, or it has expired.
func (t *replyTable[ID]) find(id ID, logTime, retentionMs uint64) *replyRow[ID] {
	row := t.byID[id]
	if row == nil || row.expired(logTime, retentionMs) {
		return nil
	}
	return row
}

// store adds a row, in place of an expired one of the same id if there is one.
func (t *replyTable[ID]) store(row *replyRow[ID]) {
	row.order = t.next
	t.next++
	t.byAge.Set(row.order, row)
	t.byID[row.id] = row
	t.bytes += row.bytes()
	t.hash += row.hash()
	if row.state != FateApplied {
		t.others++
	}
}

// evict removes rows that have expired, oldest first.
func (t *replyTable[ID]) evict(logTime, retentionMs uint64) {
	for n := 0; n < evictionsPerEntry && t.evictOne(logTime, retentionMs); n++ {
	}
}

// evictOne removes the oldest row if it has expired.
func (t *replyTable[ID]) evictOne(logTime, retentionMs uint64) bool {
	_, row, found := t.byAge.Min()
	if !found || !row.expired(logTime, retentionMs) {
		return false
	}
	t.remove(row)
	return true
}

// shrink removes rows, oldest first, until all count at most so many bytes.
func (t *replyTable[ID]) shrink(bytes uint64) {
	for t.bytes > bytes {
		_, row, _ := t.byAge.Min()
		t.remove(row)
	}
}

func (t *replyTable[ID]) remove(row *replyRow[ID]) {
	t.byAge.Delete(row.order)
	// Its id may have been stored again since it expired.
	if t.byID[row.id] == row {
		delete(t.byID, row.id)
	}
	t.bytes -= row.bytes()
	t.hash -= row.hash()
	if row.state != FateApplied {
		t.others--
	}
}
