package rsm

import (
	"cmp"
	"container/list"
	"slices"

	"drystone/cow"
)

// clientSession numbers the requests of one client (thesis §6.3). It belongs to the State with the
// same epoch, and is copied before a change when a snapshot shares it.
type clientSession struct {
	epoch   uint64
	id      uint64 // the op that opened it
	scope   string // whose it is
	usedAt  uint64 // log time of its last request, ms
	acked   uint64 // no number up to here is executed any more
	replies []*sessionReply
	bytes   uint64        // what replies count
	sum     uint64        // of replies' hashes
	place   *list.Element // in clientSessions.byUse
}

// sessionReply is the stored reply of one number, or its fence. It never changes: snapshots share
// it. A session's are ascending by number, and all above acked.
type sessionReply struct {
	seq    uint64
	print  fingerprint
	fenced bool
	index  uint64
	op     uint64
	reply  []byte
}

// clientSessions are bounded by Settings.MaxSessions.
type clientSessions struct {
	rows cow.Map[uint64, *clientSession] // by id
	// byUse holds the ids, least recently used first. Log time never falls, so whatever has expired
	// is in front. What was used in the same entry expires in one, too: their order is no matter.
	byUse   *list.List
	replies uint64 // of all rows
	bytes   uint64
	hash    uint64
}

func (r *sessionReply) bytes() uint64 { return uint64(len(r.reply)) + rowBytes }

func (r *sessionReply) hash() uint64 {
	h := HashBytes(Mix(mixB, r.seq), r.print[:])
	if r.fenced {
		h = Mix(h, mixD)
	}
	return HashBytes(Mix(Mix(h, r.index), r.op), r.reply)
}

func (r *sessionReply) fate() Fate {
	if r.fenced {
		return Fate{State: FateFenced}
	}
	return Fate{State: FateApplied, Result: Result{
		Outcome: Applied, Reply: r.reply, Index: r.index, Op: r.op, Replayed: true,
	}}
}

func (c *clientSession) hash() uint64 {
	h := HashString(Mix(mixC, c.id), c.scope)
	return Mix(Mix(Mix(h, c.usedAt), c.acked), c.sum)
}

// search returns the place of a number, and whether a reply is there.
func (c *clientSession) search(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(c.replies, seq, func(r *sessionReply, seq uint64) int {
		return cmp.Compare(r.seq, seq)
	})
}

// find returns what is stored under a number, or nil.
func (c *clientSession) find(seq uint64) *sessionReply {
	if i, found := c.search(seq); found {
		return c.replies[i]
	}
	return nil
}

// beyond says whether a number is above the window.
func (c *clientSession) beyond(seq uint64) bool {
	return seq > c.acked && seq-c.acked > SessionWindow
}

// add stores the reply of a number that has none.
func (c *clientSession) add(r *sessionReply) {
	at, found := c.search(r.seq)
	assert(!found && r.seq > c.acked && !c.beyond(r.seq), "a number is stored once, in the window")
	c.replies = slices.Insert(c.replies, at, r)
	c.bytes += r.bytes()
	c.sum += r.hash()
}

// ack frees the replies up to a number. A client can't know the reply of a number that none up to
// there was stored for: such an acknowledgement counts up to the highest that was.
func (c *clientSession) ack(upto uint64) {
	if n := len(c.replies); n > 0 {
		upto = min(upto, c.replies[n-1].seq)
	} else {
		return
	}
	freed := 0
	for freed < len(c.replies) && c.replies[freed].seq <= upto {
		c.bytes -= c.replies[freed].bytes()
		c.sum -= c.replies[freed].hash()
		freed++
	}
	c.replies = slices.Delete(c.replies, 0, freed)
	c.acked = max(c.acked, upto)
}

func newClientSessions() clientSessions { return clientSessions{byUse: list.New()} }

// find returns a live session, or nil: also when it is another scope's.
func (t *clientSessions) find(id uint64, scope string) *clientSession {
	row, found := t.rows.Get(id)
	if !found || row.scope != scope {
		return nil
	}
	return row
}

// insert adds a session, the one used last.
func (t *clientSessions) insert(row *clientSession) {
	row.place = t.byUse.PushBack(row.id)
	t.rows.Set(row.id, row)
	t.count(row)
}

// change changes a session, which is copied before when a snapshot shares it.
func (t *clientSessions) change(row *clientSession, epoch uint64, edit func(*clientSession)) {
	t.discount(row)
	if row.epoch != epoch {
		fork := *row
		fork.epoch, fork.replies = epoch, slices.Clone(row.replies)
		row = &fork
		t.rows.Set(row.id, row)
	}
	edit(row)
	t.count(row)
}

// remove ends a session, with its replies.
func (t *clientSessions) remove(row *clientSession) {
	t.discount(row)
	t.rows.Delete(row.id)
	t.byUse.Remove(row.place)
}

// expire ends all sessions that were not used for ttlMs. Each is gone for good: ids are never used
// again.
func (t *clientSessions) expire(logTime, ttlMs uint64) {
	for front := t.byUse.Front(); front != nil; front = t.byUse.Front() {
		row, _ := t.rows.Get(front.Value.(uint64))
		if logTime-row.usedAt < ttlMs {
			return
		}
		t.remove(row)
	}
}

func (t *clientSessions) count(row *clientSession) {
	t.replies += uint64(len(row.replies))
	t.bytes += row.bytes
	t.hash += row.hash()
}

func (t *clientSessions) discount(row *clientSession) {
	t.replies -= uint64(len(row.replies))
	t.bytes -= row.bytes
	t.hash -= row.hash()
}

// useSession renews a session and takes its acknowledgement; nil when it is gone.
func (s *State) useSession(id uint64, scope string, ack uint64) *clientSession {
	row := s.clients.find(id, scope)
	if row == nil {
		return nil
	}
	s.clients.change(row, s.epoch, func(own *clientSession) {
		own.usedAt = s.point.LogTime
		own.ack(ack)
		row = own
	})
	s.clients.byUse.MoveToBack(row.place)
	return row
}

// openSession executes an OpenSession.
func (s *State) openSession(scope string, command []byte) (reply []byte, code Code) {
	switch {
	case len(command) > 0:
		return nil, CodeBadCommand
	case uint64(s.clients.rows.Len()) >= s.settings.MaxSessions:
		return nil, CodeTooManySessions
	}
	s.point.Op++
	s.clients.insert(&clientSession{
		epoch: s.epoch, id: s.point.Op, scope: scope, usedAt: s.point.LogTime,
	})
	return s.sessionInfo(s.point.Op), ""
}

// keepSession executes a KeepSession, and closeSession a CloseSession.
func (s *State) keepSession(scope string, command []byte) (reply []byte, code Code) {
	id, err := decodeSession(command)
	if err != nil {
		return nil, CodeBadCommand
	}
	if s.useSession(id, scope, 0) == nil {
		return nil, CodeSessionExpired
	}
	s.point.Op++
	return s.sessionInfo(id), ""
}

func (s *State) closeSession(scope string, command []byte) (reply []byte, code Code) {
	id, err := decodeSession(command)
	if err != nil {
		return nil, CodeBadCommand
	}
	row := s.clients.find(id, scope)
	if row == nil {
		return nil, CodeSessionExpired
	}
	s.clients.remove(row)
	s.point.Op++
	return nil, ""
}

func (s *State) sessionInfo(id uint64) []byte {
	return EncodeSessionInfo(nil, SessionInfo{Session: id, TTLMs: s.settings.SessionTTLMs})
}
