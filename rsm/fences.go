package rsm

import (
	"slices"
)

// maxFences bounds the fences of requests without a key, so that they need no eviction.
const maxFences = 4096

// nodeFence says that a request of a node must not be applied when it comes out.
type nodeFence struct {
	nodeRequest
	storedAt uint64 // log time, ms
}

func (f *nodeFence) hash() uint64 { return Mix(f.nodeRequest.hash(), f.storedAt) }

// nodeFences are few, and searched before each request only when there are any.
type nodeFences struct {
	rows []nodeFence // ascending; replaced by a change, so that snapshots share it
	hash uint64      // sum over rows
}

func (t *nodeFences) search(id nodeRequest) (int, bool) {
	return slices.BinarySearchFunc(t.rows, id, func(row nodeFence, id nodeRequest) int {
		return compareNodeRequests(row.nodeRequest, id)
	})
}

// has says whether a request is fenced. A fence holds for as long as it is here.
func (t *nodeFences) has(id nodeRequest) bool {
	if len(t.rows) == 0 {
		return false
	}
	_, found := t.search(id)
	return found
}

// add adds a fence, and drops those for which over says so. It is false when there are too many.
func (t *nodeFences) add(id nodeRequest, logTime uint64, over func(nodeFence) bool) bool {
	rows := slices.DeleteFunc(slices.Clone(t.rows), over)
	if len(rows) >= maxFences {
		return false
	}
	*t = nodeFences{rows: rows}
	at, found := t.search(id)
	assert(!found, "a request is fenced once")
	t.rows = slices.Insert(rows, at, nodeFence{id, logTime})
	for i := range t.rows {
		t.hash += t.rows[i].hash()
	}
	return true
}

// fenceOver says that a fence need not be kept: the retention has passed since it was stored, and
// its request can't come out any more, or is of a boot that was never heard of.
func (s *State) fenceOver(f nodeFence) bool {
	if s.point.LogTime-f.storedAt < s.settings.RequestRetentionMs {
		return false
	}
	session := s.nodes.find(f.node, f.boot)
	return session == nil || f.serial <= session.serial()
}
