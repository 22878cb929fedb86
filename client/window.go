package client

import "sync"

// windowSize is how many writes of a session may be without a final answer, as the server has it.
const windowSize = 1024

// What a place of a window is in.
type placeState uint8

const (
	settled   placeState = iota // its outcome is known, or nobody asks for it any more
	running                     // a call is under way
	unsettled                   // a call has ended without knowing; it may be repeated
)

// window is the writes of a session that are not done with: those after the acknowledged ones, in
// the order in which they got their numbers.
type window struct {
	mu     sync.Mutex
	acked  uint64                 // every write up to here is done with
	last   uint64                 // the last number given
	places [windowSize]placeState // of number n: n modulo windowSize
	moved  chan struct{}          // closed when acked grows
}

func newWindow() *window { return &window{moved: make(chan struct{})} }

// ack is up to where the server may forget.
func (w *window) ack() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acked
}

// take gives out the next number. When the window is full it gives none, but a channel that is
// closed when there may be room; a write at its beginning whose outcome nobody has settled by then
// is given up.
func (w *window) take() (seq uint64, full <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last-w.acked == windowSize && *w.place(w.acked + 1) == unsettled {
		*w.place(w.acked + 1) = settled
		w.advance()
	}
	if w.last-w.acked == windowSize {
		return 0, w.moved
	}
	w.last++
	*w.place(w.last) = running
	return w.last, nil
}

// retake takes a number again whose outcome is unknown. False: it is not such a one.
func (w *window) retake(seq uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if seq <= w.acked || seq > w.last || *w.place(seq) != unsettled {
		return false
	}
	*w.place(seq) = running
	return true
}

// release ends a call.
func (w *window) release(seq uint64, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !known {
		*w.place(seq) = unsettled
		if w.last-w.acked == windowSize && seq == w.acked+1 {
			w.wake() // whoever waits for room takes its place
		}
		return
	}
	*w.place(seq) = settled
	w.advance()
}

// advance moves the acknowledgement over all that is done with.
func (w *window) advance() {
	before := w.acked
	for w.acked < w.last && *w.place(w.acked + 1) == settled {
		w.acked++
	}
	if w.acked > before {
		w.wake()
	}
}

func (w *window) wake() {
	close(w.moved)
	w.moved = make(chan struct{})
}

func (w *window) place(seq uint64) *placeState { return &w.places[seq%windowSize] }
