package rsm

import (
	"crypto/sha256"

	"drystone/cow"
)

// keyRowBytes is what a stored reply counts besides its scope, its key and its reply: the row,
// its place in the queue and in the index, and the allocator's rounding. The same on every
// replica, because a full table refuses.
const keyRowBytes = 256

// evictionsPerEntry bounds the work that expiry adds to one entry: after an idle time a whole
// table may be due at once. Rows that are due and not yet evicted count as gone.
const evictionsPerEntry = 1024

// keyID is a key as one caller knows it.
type keyID struct{ scope, key string }

// fingerprint tells whether two commands under one key are the same.
type fingerprint [16]byte

// keyRow is a stored reply. It never changes: snapshots share it.
type keyRow struct {
	id       keyID
	print    fingerprint
	storedAt uint64 // log time, ms
	index    uint64
	op       uint64
	reply    []byte
}

// keyTable holds the replies of requests that came with a key, for the retention.
type keyTable struct {
	// byAge holds the rows in the order of storing, oldest at the bottom. Log time never falls,
	// so whatever has expired is at the bottom.
	byAge cow.Deque[*keyRow]
	// byID finds the newest row of a key. It is never ranged over.
	byID  map[keyID]*keyRow
	bytes uint64
	hash  uint64 // sum over the rows of byAge
}

func newKeyTable() keyTable { return keyTable{byID: make(map[keyID]*keyRow)} }

func fingerprintOf(kind RequestKind, command []byte) fingerprint {
	h := sha256.New()
	h.Write([]byte{byte(kind)})
	h.Write(command)
	var sum [sha256.Size]byte
	return fingerprint(h.Sum(sum[:0])[:16])
}

func (r *keyRow) bytes() uint64 {
	return uint64(len(r.id.scope)+len(r.id.key)+len(r.reply)) + keyRowBytes
}

func (r *keyRow) hash() uint64 {
	h := HashString(HashString(mixB, r.id.scope), r.id.key)
	h = HashBytes(h, r.print[:])
	h = Mix(Mix(Mix(h, r.storedAt), r.index), r.op)
	return HashBytes(h, r.reply)
}

// expired says whether the row has outlived the retention, which is never shortened by overflow.
func (r *keyRow) expired(logTime, retentionMs uint64) bool {
	return logTime >= r.storedAt && logTime-r.storedAt >= retentionMs
}

// find returns the row of id unless there is none, or it has expired.
func (t *keyTable) find(id keyID, logTime, retentionMs uint64) *keyRow {
	row := t.byID[id]
	if row == nil || row.expired(logTime, retentionMs) {
		return nil
	}
	return row
}

// room says whether one more row for id may be stored. The reply is not known before it is
// executed, so the table may pass its bound by one reply; then nothing more is stored.
func (t *keyTable) room(id keyID, logTime uint64, s *Settings) bool {
	need := uint64(len(id.scope)+len(id.key)) + keyRowBytes
	// Rows that are due must never take the room of new ones.
	for t.bytes+need > s.MaxRequestsBytes && t.evictOne(logTime, s.RequestRetentionMs) {
	}
	return t.bytes+need <= s.MaxRequestsBytes
}

// store adds a row, in place of an expired one of the same key if there is one.
func (t *keyTable) store(row *keyRow) {
	t.byAge.PushTop(row)
	t.byID[row.id] = row
	t.bytes += row.bytes()
	t.hash += row.hash()
}

// evict removes rows that have expired, oldest first.
func (t *keyTable) evict(logTime, retentionMs uint64) {
	for n := 0; n < evictionsPerEntry && t.evictOne(logTime, retentionMs); n++ {
	}
}

// evictOne removes the oldest row if it has expired.
func (t *keyTable) evictOne(logTime, retentionMs uint64) bool {
	if t.byAge.Len() == 0 || !t.byAge.At(0).expired(logTime, retentionMs) {
		return false
	}
	row := t.byAge.PopBottom()
	// Its key may have been stored again since it expired.
	if t.byID[row.id] == row {
		delete(t.byID, row.id)
	}
	t.bytes -= row.bytes()
	t.hash -= row.hash()
	return true
}

// result is what a repeat of the row's request is answered.
func (r *keyRow) result(serial uint64) Result {
	return Result{Outcome: Applied, Reply: r.reply, Index: r.index, Op: r.op,
		Replayed: true, Serial: serial}
}
