package node_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// syncWriter is a log that tests read.
type syncWriter struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *syncWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *syncWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (w *syncWriter) logger() *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// has says whether a node has logged something.
func (w *syncWriter) has(what string, node int) bool {
	for line := range strings.Lines(w.String()) {
		if strings.Contains(line, what) && strings.Contains(line, fmt.Sprintf("node=%d", node)) {
			return true
		}
	}
	return false
}
