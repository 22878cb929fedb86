package rsm

import "cmp"

// nodeRequest is a request as its node calls it.
type nodeRequest struct{ node, boot, serial uint64 }

func (id nodeRequest) bytes() uint64 { return 0 }

func (id nodeRequest) hash() uint64 { return Mix(Mix(Mix(mixA, id.node), id.boot), id.serial) }

func compareNodeRequests(a, b nodeRequest) int {
	return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.boot, b.boot),
		cmp.Compare(a.serial, b.serial))
}

// keptRow is the kept result of a request whose caller was told that its outcome is unknown. It
// answers whoever asks later, and is promised to nobody: it gives way to what must be stored.
type keptRow = replyRow[nodeRequest]

// keep keeps results of a session's batches whose callers were left without them.
func (s *State) keep(session *nodeSession, serials []uint64) {
	for _, serial := range serials {
		result := session.find(serial)
		if result == nil {
			continue
		}
		fate := fateOf(result)
		s.kept.store(&keptRow{
			id:    nodeRequest{session.node, session.boot, serial},
			state: fate.State, code: result.Code, storedAt: s.point.LogTime,
			index: result.Index, op: result.Op,
			// A copy: what replies share memory with goes when their node acknowledges it.
			reply: clone(result.Reply),
		})
	}
}

// fateOf is what a result says of its request.
func fateOf(r *Result) Fate {
	switch {
	case r.Outcome == Applied:
		return Fate{State: FateApplied, Result: *r}
	case r.Code == CodeFenced:
		return Fate{State: FateFenced}
	}
	return Fate{State: FateRefused, Result: *r}
}
