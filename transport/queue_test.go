package transport

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"drystone/raft"
	"drystone/rsm"
	"drystone/wire"
)

// The queue against two lists of messages: the same survive, the urgent ones go first, each kind in
// its order, and all within the limit.
func TestQueueKeepsTheLatest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 2000).Draw(t, "limit")
		maxFrame := rapid.IntRange(100, 500).Draw(t, "max frame")
		var q queue
		var urgent, rest []wire.Message
		writing, dropped, gone := 0, 0, 0
		weigh := func(all []wire.Message) (total int) {
			for _, m := range all {
				total += wire.FrameBound(m)
			}
			return total
		}
		push := func(m wire.Message, to *[]wire.Message) {
			dropped += q.push(m, limit, maxFrame)
			if wire.FrameBound(m) > maxFrame {
				gone++
				return
			}
			*to = append(*to, m)
			for _, list := range []*[]wire.Message{&rest, &urgent} {
				for weigh(rest)+weigh(urgent)+writing > limit && len(*list) > 0 {
					*list = (*list)[1:]
					gone++
				}
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			default:
				push(wire.Message{Peer: rsm.Forward{
					ElapsedMs: rapid.Uint64().Draw(t, "elapsed"),
					Batch:     make([]byte, rapid.IntRange(1, 500).Draw(t, "size")),
				}}, &rest)
			case 5, 6:
				push(beat(1, 2, rapid.Uint64().Draw(t, "read")), &urgent)
			case 7:
				bytes := rapid.IntRange(1, 1000).Draw(t, "burst")
				for _, m := range q.take(nil, bytes) {
					if writing >= bytes {
						t.Fatalf("a burst of %d bytes goes on after %d", bytes, writing)
					}
					from := &urgent
					if len(urgent) == 0 {
						from = &rest
					}
					if diff := cmp.Diff((*from)[0], m); diff != "" {
						t.Fatalf("out of turn (-want +got):\n%s", diff)
					}
					writing += wire.FrameBound(m)
					*from = (*from)[1:]
				}
				if writing < bytes && len(urgent)+len(rest) > 0 {
					t.Fatalf("%d of %d bytes taken, and %d messages wait", writing, bytes,
						len(urgent)+len(rest))
				}
			case 8:
				q.writing, writing = 0, 0
			case 9:
				if n := q.clear(); n != len(urgent)+len(rest) {
					t.Fatalf("%d messages cleared of %d", n, len(urgent)+len(rest))
				}
				urgent, rest = nil, nil
			}
			if dropped != gone {
				t.Fatalf("%d dropped, want %d", dropped, gone)
			}
			if q.len() != len(urgent)+len(rest) ||
				q.bytes() != weigh(urgent)+weigh(rest)+writing {
				t.Fatalf("%d messages of %d bytes wait", q.len(), q.bytes())
			}
		}
	})
}

// What depends on the entries before it keeps its place; what does not goes ahead.
func TestWhatIsUrgent(t *testing.T) {
	for _, body := range []raft.Body{
		raft.Heartbeat{}, raft.HeartbeatReply{}, raft.AppendReply{}, raft.RequestVote{},
		raft.VoteReply{}, raft.TimeoutNow{}, raft.SnapshotReply{},
	} {
		if !urgent(wire.Message{Raft: &raft.Message{Body: body}}) {
			t.Errorf("%T waits its turn", body)
		}
	}
	for _, m := range []wire.Message{
		{Raft: &raft.Message{Body: raft.AppendEntries{}}},
		{Raft: &raft.Message{Body: raft.InstallSnapshot{}}},
		{Peer: rsm.Forward{}}, {Peer: rsm.Refusal{}}, {Peer: rsm.ReadAsk{}},
	} {
		if urgent(m) {
			t.Errorf("%v goes ahead of what was sent before it", m)
		}
	}
}

// A queue that stays short holds little, however much has gone through it.
func TestQueueLetsGo(t *testing.T) {
	var q queue
	small := wire.Message{Peer: rsm.Forward{Batch: make([]byte, 100)}}
	for range 10_000 {
		q.push(small, 1000, 1000)
	}
	if n := cap(q.rest.waiting); n > 100 {
		t.Errorf("room for %d messages is held for %d", n, q.len())
	}
	q.clear()
	if q.rest.waiting != nil || q.bytes() != 0 {
		t.Errorf("%d bytes are held after a break", q.bytes())
	}
}

func TestLogQuota(t *testing.T) {
	var q logQuota
	now := time.Unix(0, 0)
	k := logKey{"refuses", 1}
	if !q.allow(k, now) || q.allow(k, now.Add(logPause-1)) || !q.allow(k, now.Add(logPause)) {
		t.Error("one line a pause is what passes")
	}
	if !q.allow(logKey{"refuses", 2}, now) || !q.allow(logKey{"accept", 1}, now) {
		t.Error("lines of another kind wait for each other")
	}
	for i := range 10 * maxLogKeys {
		q.allow(logKey{"made up", raft.NodeID(i)}, now)
		if len(q.last) > maxLogKeys {
			t.Fatalf("%d keys kept", len(q.last))
		}
	}
}
