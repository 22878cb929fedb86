package transport

import (
	"bufio"
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"drystone/raft"
	"drystone/rsm"
	"drystone/wire"
)

// The queue against a list of messages: the same survive, in the same order, within the limit.
func TestQueueKeepsTheLatest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 2000).Draw(t, "limit")
		maxBody := rapid.IntRange(0, 400).Draw(t, "max body")
		var q queue
		var spare []byte
		var model []wire.Message
		writing, dropped, gone := 0, 0, 0
		size := func(m wire.Message) int { return len(wire.AppendFrame(nil, m)) }
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			default:
				m := wire.Message{Peer: rsm.Forward{
					ElapsedMs: rapid.Uint64().Draw(t, "elapsed"),
					Batch:     make([]byte, rapid.IntRange(1, 500).Draw(t, "size")),
				}}
				dropped += q.push(m, limit, maxBody)
				if size(m)-wire.HeaderBytes > maxBody {
					gone++
					break
				}
				model = append(model, m)
				total := writing
				for _, m := range model {
					total += size(m)
				}
				for total > limit && len(model) > 0 {
					total -= size(model[0])
					model = model[1:]
					gone++
				}
			case 7:
				frames, count := q.take(spare)
				r := bufio.NewReader(bytes.NewReader(frames))
				for _, want := range model {
					body, err := wire.ReadFrame(r, 1<<20, nil)
					if err != nil || !bytes.Equal(body, wire.EncodeMessage(nil, want)) {
						t.Fatalf("a frame is not the message that was queued: %v", err)
					}
				}
				if count != len(model) || r.Buffered() != 0 {
					t.Fatalf("%d messages taken of %d", count, len(model))
				}
				spare, model, writing = frames, nil, len(frames)
			case 8:
				q.writing, writing = 0, 0
			case 9:
				if n := q.clear(); n != len(model) {
					t.Fatalf("%d messages cleared of %d", n, len(model))
				}
				model = nil
			}
			if dropped != gone {
				t.Fatalf("%d dropped, want %d", dropped, gone)
			}
			if q.count != len(model) {
				t.Fatalf("%d messages wait, want %d", q.count, len(model))
			}
		}
	})
}

func TestQueueLetsLargeBuffersGo(t *testing.T) {
	var q queue
	if q.take(make([]byte, 0, keepBytes+1)); cap(q.frames) != 0 {
		t.Errorf("%d bytes kept", cap(q.frames))
	}
	if q.take(make([]byte, 0, keepBytes)); cap(q.frames) != keepBytes {
		t.Errorf("%d bytes kept, want %d", cap(q.frames), keepBytes)
	}
	q = queue{}
	small := wire.Message{Peer: rsm.Forward{Batch: make([]byte, 100)}}
	for range 10_000 {
		q.push(small, 1000, 1000)
	}
	if cap(q.frames) > 10*1000 {
		t.Errorf("%d bytes held for 1000", cap(q.frames))
	}
	q.frames = make([]byte, keepBytes+1)
	if q.clear(); cap(q.frames) != 0 {
		t.Errorf("%d bytes kept after a break", cap(q.frames))
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
