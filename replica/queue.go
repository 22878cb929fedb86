package replica

import "drystone/rsm"

// never is the deadline of what waits for ever.
const never = ^uint64(0)

// requestOverheadBytes is what a waiting request or read costs beside its bytes, so that many
// empty ones are bounded too.
const requestOverheadBytes = 128

// idleCapacity is how many requests an empty queue keeps room for.
const idleCapacity = 1 << 14

// waiter is a caller. It sits at the position of its request: in the queue, then in the batch.
type waiter struct {
	ticket   Ticket
	serial   uint64
	deadline uint64 // monotonic ms; never for none
	gone     bool   // answered or cancelled: once sent, its request stays where it is
	internal bool   // the replica's own request: nobody is answered
	orphan   bool   // its caller was told that the outcome is unknown
}

// queue holds requests that were never sent, in order of arrival, in two slices side by side so
// that a batch is encoded from where they lie.
type queue struct {
	requests []rsm.Request
	waiters  []waiter
	head     int // those before it are taken
	gone     int // waiters marked gone behind head
}

func requestBytes(r *rsm.Request) int {
	return requestOverheadBytes + len(r.Command) + len(r.Identity.Key) + len(r.Identity.Scope)
}

func (q *queue) len() int { return len(q.requests) - q.head - q.gone }

func (q *queue) push(r rsm.Request, w waiter) {
	q.requests = append(q.requests, r)
	q.waiters = append(q.waiters, w)
}

// pushFront puts a request before all others. It costs as much as there are: once in a boot.
func (q *queue) pushFront(r rsm.Request, w waiter) {
	q.requests = append([]rsm.Request{r}, q.requests[q.head:]...)
	q.waiters = append([]waiter{w}, q.waiters[q.head:]...)
	q.head = 0
}

// drop marks the waiter at position i gone and releases its request's memory. It returns the
// bytes released; sweep removes the rest.
func (q *queue) drop(i int) int {
	assert(i >= q.head && !q.waiters[i].gone, "drop of a request that is not waiting")
	n := requestBytes(&q.requests[i])
	q.waiters[i].gone = true
	q.requests[i] = rsm.Request{}
	q.gone++
	return n
}

// sweep removes what drop marked.
func (q *queue) sweep() {
	if q.gone == 0 {
		return
	}
	kept := q.head
	for i := q.head; i < len(q.waiters); i++ {
		if !q.waiters[i].gone {
			q.requests[kept], q.waiters[kept] = q.requests[i], q.waiters[i]
			kept++
		}
	}
	clear(q.requests[kept:])
	q.requests, q.waiters, q.gone = q.requests[:kept], q.waiters[:kept], 0
}

// fit returns the requests at the front that make one batch: at least one, if there is any, and
// no more than limit bytes; and how many bytes they are. They stay in the queue until take.
func (q *queue) fit(limit int) ([]rsm.Request, []waiter, int) {
	q.sweep()
	count, size := 0, 0
	for i := q.head; i < len(q.requests); i++ {
		n := requestBytes(&q.requests[i])
		if count > 0 && size+n > limit {
			break
		}
		count, size = count+1, size+n
	}
	return q.requests[q.head : q.head+count], q.waiters[q.head : q.head+count], size
}

// take removes the count requests at the front, which fit returned.
func (q *queue) take(count int) {
	assert(q.gone == 0 && count <= q.len(), "take of more than there is")
	clear(q.requests[q.head : q.head+count])
	q.head += count
	if q.head == len(q.requests) {
		q.requests, q.waiters, q.head = q.requests[:0], q.waiters[:0], 0
		if cap(q.requests) > idleCapacity {
			q.requests, q.waiters = nil, nil
		}
		return
	}
	// Move the rest to the beginning once it is the smaller half: O(1) a request, over time.
	if q.head > len(q.requests)/2 {
		n := copy(q.requests, q.requests[q.head:])
		clear(q.requests[n:])
		copy(q.waiters, q.waiters[q.head:])
		q.requests, q.waiters, q.head = q.requests[:n], q.waiters[:n], 0
	}
}
