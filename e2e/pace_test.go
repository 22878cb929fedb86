package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// writers push small values at a pace, whatever the answers take, and measure those.
type writers struct {
	urls  []string // one writer each
	every time.Duration
	stack string

	stop chan struct{}
	wait sync.WaitGroup
	mu   sync.Mutex
	took []time.Duration // since the last call of since
	bad  int
}

// start begins to write, through the nodes named, one writer each.
func startWriters(stack string, every time.Duration, urls ...string) *writers {
	w := &writers{urls: urls, every: every, stack: stack, stop: make(chan struct{})}
	for i, url := range urls {
		w.wait.Go(func() { w.write(i, url) })
	}
	return w
}

func (w *writers) write(writer int, url string) {
	pace := time.NewTicker(w.every)
	defer pace.Stop()
	for i := 0; ; i++ {
		select {
		case <-w.stop:
			return
		case <-pace.C:
		}
		value := fmt.Sprintf("w%d-%d", writer, i)
		began := time.Now()
		status, _, _ := post(url+"/v1/stacks/"+w.stack+"/push", "k-"+w.stack+"-"+value, value)
		took := time.Since(began)
		w.mu.Lock()
		w.took = append(w.took, took)
		if status != http.StatusOK {
			w.bad++
		}
		w.mu.Unlock()
	}
}

// await waits for so many more writes.
func (w *writers) await(t *testing.T, n int) {
	t.Helper()
	pace := time.NewTicker(w.every)
	defer pace.Stop()
	limit := time.Now().Add(time.Minute)
	for done := w.done(); w.done() < done+n; <-pace.C {
		if time.Now().After(limit) {
			t.Fatalf("%d of %d writes within a minute", w.done()-done, n)
		}
	}
}

func (w *writers) done() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.took)
}

// lap gives the latencies since the last lap.
func (w *writers) lap() latencies {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := latencies{sorted: w.took, bad: w.bad}
	slices.Sort(l.sorted)
	w.took, w.bad = nil, 0
	return l
}

func (w *writers) end() {
	close(w.stop)
	w.wait.Wait()
}

// latencies are of one phase.
type latencies struct {
	sorted []time.Duration
	bad    int // answers that were no acknowledgement
}

func (l latencies) at(permille int) time.Duration {
	if len(l.sorted) == 0 {
		return 0
	}
	return l.sorted[min(len(l.sorted)-1, len(l.sorted)*permille/1000)]
}

func (l latencies) String() string {
	return fmt.Sprintf("p50 %v, p99 %v, p99.9 %v, most %v of %d writes, %d failed",
		l.at(500).Round(10*time.Microsecond), l.at(990).Round(10*time.Microsecond),
		l.at(999).Round(10*time.Microsecond), l.at(1000).Round(10*time.Microsecond),
		len(l.sorted), l.bad)
}

// ratio is how many times as long something took as before.
func ratio(now, before time.Duration) float64 { return float64(now) / float64(max(before, 1)) }

// fill pushes so many bytes in values of a size, by some clients at a time.
func fill(t *testing.T, url, stack string, bytes, each int) {
	t.Helper()
	const clients = 8
	var wait sync.WaitGroup
	value := strings.Repeat("v", each-16)
	for c := range clients {
		wait.Go(func() {
			for i := c; i < (bytes+each-1)/each; i += clients {
				key := fmt.Sprintf("%s-%08d", stack, i)
				status, body, _ := eventually(t, func() (int, string, http.Header) {
					return post(fmt.Sprintf("%s/v1/stacks/%s-%d/push", url, stack, c), key, key+value)
				})
				if status != http.StatusOK {
					t.Errorf("push %s: %d %s", key, status, body)
					return
				}
			}
		})
	}
	wait.Wait()
}
