package node

import (
	"sync"
	"sync/atomic"

	"drystone/replica"
	"drystone/rsm"
)

// waiters are the callers inside Do and Query, by ticket. A ticket is a slot and the count of
// its uses, so that a late answer to an earlier caller finds nobody.
type waiters struct {
	mu    sync.Mutex
	slots []*waiter
	free  []uint32
	open  int // without an answer
}

type waiter struct {
	ticket   replica.Ticket
	answered bool
	answer   chan answer   // holds one
	serial   atomic.Uint64 // of the request, once the replica has it
}

// answer is a request's result or a read's.
type answer struct {
	result rsm.Result
	read   rsm.ReadResult
}

func (w *waiters) add() *waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open++
	if n := len(w.free); n > 0 {
		slot := w.free[n-1]
		w.free = w.free[:n-1]
		return w.slots[slot]
	}
	slot := replica.Ticket(len(w.slots))
	x := &waiter{ticket: 1<<32 | slot, answer: make(chan answer, 1)}
	w.slots = append(w.slots, x)
	return x
}

// remove ends a wait. The next user of the slot has another ticket.
func (w *waiters) remove(x *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !x.answered {
		w.open--
	}
	select {
	case <-x.answer: // came too late
	default:
	}
	x.serial.Store(0)
	w.free = append(w.free, uint32(x.ticket))
	x.ticket, x.answered = x.ticket+1<<32, false
}

// none says whether everybody has an answer.
func (w *waiters) none() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open == 0
}

// wake gives answers to those who still wait for them.
func (w *waiters) wake(n int, at func(int) (replica.Ticket, answer)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range n {
		ticket, a := at(i)
		slot := uint32(ticket)
		if int(slot) >= len(w.slots) {
			continue
		}
		if x := w.slots[slot]; x.ticket == ticket && !x.answered {
			w.open--
			x.answered = true
			x.answer <- a
		}
	}
}
