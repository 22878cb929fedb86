package transport

import (
	"slices"

	"drystone/wire"
)

// keepBytes is how large a buffer may be to be kept for the next burst: fresh memory is dear,
// but one burst must not be paid for for ever.
const keepBytes = 4 << 20

// queue holds encoded frames in the order they were sent, bounded in bytes together with what
// the writer holds. When there is no room the oldest go: of two messages of raft the later one
// says more.
type queue struct {
	frames  []byte
	head    int // frames[head:] waits
	count   int // of frames waiting
	writing int // bytes that the writer holds
}

func (q *queue) bytes() int { return len(q.frames) - q.head + q.writing }

// push appends one message and says how many frames were dropped, oldest first, to stay within
// limit; the message itself is the last to go, and goes at once when its body is above maxBody.
func (q *queue) push(m wire.Message, limit, maxBody int) (dropped int) {
	start := len(q.frames)
	q.frames = wire.AppendFrame(q.frames, m)
	if len(q.frames)-start-wire.HeaderBytes > maxBody {
		q.frames = q.frames[:start]
		return 1
	}
	q.count++
	for q.bytes() > limit && q.head < len(q.frames) {
		q.head += wire.FrameBytes(q.frames[q.head:])
		q.count--
		dropped++
	}
	assert(q.head <= len(q.frames) && q.count >= 0, "frames that do not add up")
	if q.head > len(q.frames)/2 {
		q.frames = slices.Delete(q.frames, 0, q.head)
		q.head = 0
	}
	return dropped
}

// take gives all that waits to the writer, for the buffer of the last time.
func (q *queue) take(spare []byte) (frames []byte, count int) {
	if cap(spare) > keepBytes {
		spare = nil
	}
	frames, count = q.frames[q.head:], q.count
	*q = queue{frames: spare[:0], writing: len(frames)}
	return frames, count
}

// clear drops all that waits and says how many frames that was.
func (q *queue) clear() (dropped int) {
	dropped = q.count
	if cap(q.frames) > keepBytes {
		q.frames = nil
	}
	*q = queue{frames: q.frames[:0], writing: q.writing}
	return dropped
}
