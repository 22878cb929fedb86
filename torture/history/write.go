package history

import (
	"bufio"
	"encoding/json"
	"io"
	"sync"
)

// Writer writes a history, line by line. It is safe for use by many goroutines. The first error
// is kept, and told by End.
type Writer struct {
	mu  sync.Mutex
	out *bufio.Writer
	end End
	err error
}

// NewWriter begins a history.
func NewWriter(out io.Writer, h Header) *Writer {
	w := &Writer{out: bufio.NewWriter(out)}
	h.Type, h.Format = "header", Version
	w.line(h)
	w.flush()
	return w
}

// Op adds an operation.
func (w *Writer) Op(op Op) {
	op.Type = "op"
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end.Ops++
	w.line(op)
}

// Fault adds what went wrong, and flushes.
func (w *Writer) Fault(f Fault) {
	f.Type = "fault"
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end.Faults++
	w.line(f)
	w.flush()
}

// End adds the last line and flushes. Nothing may follow.
func (w *Writer) End(atNs int64, interrupted bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end.Type, w.end.AtNs, w.end.Interrupted = "end", atNs, interrupted
	w.line(w.end)
	w.flush()
	return w.err
}

// line and flush are called with mu held.
func (w *Writer) line(v any) {
	e := json.NewEncoder(w.out)
	e.SetEscapeHTML(false)
	w.keep(e.Encode(v))
}

func (w *Writer) flush() { w.keep(w.out.Flush()) }

func (w *Writer) keep(err error) {
	if w.err == nil {
		w.err = err
	}
}
