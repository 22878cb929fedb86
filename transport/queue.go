package transport

import (
	"drystone/raft"
	"drystone/wire"
)

// queue holds messages until the connection takes them. It is bounded in bytes together with what
// the writer holds. They are encoded only when they leave: Send is called by those who must not
// wait, and megabytes of entries take their time.
//
// What raft says without entries goes ahead of everything else. A heartbeat behind megabytes would
// come too late to keep an election from being held, and none of these depends on what was sent
// before it. Entries keep their order, among themselves and with all the rest.
type queue struct {
	urgent, rest lane
	writing      int // bytes that the writer holds
}

// lane is messages in the order they were sent.
type lane struct {
	waiting []queued
	bytes   int
}

type queued struct {
	message wire.Message
	bytes   int // of its frame, at most
}

func (q *queue) bytes() int { return q.urgent.bytes + q.rest.bytes + q.writing }

func (q *queue) len() int { return len(q.urgent.waiting) + len(q.rest.waiting) }

// urgent says whether a message goes ahead.
func urgent(m wire.Message) bool {
	if m.Raft == nil {
		return false
	}
	switch m.Raft.Body.(type) {
	case raft.AppendEntries, raft.InstallSnapshot:
		return false
	}
	return true
}

// push appends one message and says how many were dropped to stay within limit: of two messages of
// raft the later one says more, so the oldest go, those that are not urgent first. A message whose
// frame is above maxFrame goes at once.
func (q *queue) push(m wire.Message, limit, maxFrame int) (dropped int) {
	bytes := wire.FrameBound(m)
	if bytes > maxFrame {
		return 1
	}
	if urgent(m) {
		q.urgent.push(m, bytes)
	} else {
		q.rest.push(m, bytes)
	}
	for _, l := range []*lane{&q.rest, &q.urgent} {
		for q.bytes() > limit && len(l.waiting) > 0 {
			l.shift()
			dropped++
		}
	}
	return dropped
}

// take gives the writer what leaves next, of about so many bytes: one message at least, if any
// waits.
func (q *queue) take(dst []wire.Message, bytes int) []wire.Message {
	for _, l := range []*lane{&q.urgent, &q.rest} {
		for len(l.waiting) > 0 && q.writing < bytes {
			first := l.shift()
			q.writing += first.bytes
			dst = append(dst, first.message)
		}
	}
	return dst
}

// clear drops all that waits and says how many messages that was.
func (q *queue) clear() (dropped int) {
	dropped = q.len()
	*q = queue{writing: q.writing}
	return dropped
}

func (l *lane) push(m wire.Message, bytes int) {
	l.waiting = append(l.waiting, queued{m, bytes})
	l.bytes += bytes
}

// shift takes the first. Appending moves what waits into a new array once in a while, and what was
// taken is not kept from the collector until then.
func (l *lane) shift() queued {
	first := l.waiting[0]
	l.waiting[0] = queued{}
	l.waiting = l.waiting[1:]
	l.bytes -= first.bytes
	return first
}
