package torture

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"drystone/rsm"
)

const (
	watchPause    = 200 * time.Millisecond
	watchPatience = 500 * time.Millisecond
)

// view is what a node says of itself; nothing unless ok.
type view struct {
	rsm.Status
	ok bool
}

// watch asks all nodes how they are, past all faults of the network.
type watch struct {
	cluster *cluster
	http    *http.Client

	mu       sync.Mutex
	leader   int             // node number; 0: none known
	term     uint64          // the highest seen
	led      map[uint64]bool // terms in which somebody said to lead
	diskFull map[int]bool    // nodes that said so since they were asked to be forgotten
}

func newWatch(c *cluster) *watch {
	return &watch{
		cluster: c, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}},
		led: map[uint64]bool{}, diskFull: map[int]bool{},
	}
}

// run looks again and again until ctx ends.
func (w *watch) run(ctx context.Context) {
	again := time.NewTicker(watchPause)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			w.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// look asks all nodes once.
func (w *watch) look(ctx context.Context) []view {
	views := make([]view, len(w.cluster.nodes))
	var all sync.WaitGroup
	for i, n := range w.cluster.nodes {
		all.Go(func() { views[i] = w.ask(ctx, n) })
	}
	all.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leader = 0
	leads := uint64(0)
	for i, v := range views {
		if !v.ok {
			continue
		}
		w.term = max(w.term, v.Term)
		if v.Role == "leader" && v.Term > leads {
			w.leader, leads = i+1, v.Term
		}
		if v.Role == "leader" {
			w.led[v.Term] = true
		}
		if v.Health == rsm.HealthDiskFull {
			w.diskFull[i+1] = true
		}
	}
	return views
}

func (w *watch) ask(ctx context.Context, n *node) (v view) {
	ctx, cancel := context.WithTimeout(ctx, watchPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.http+"/v1/status", nil)
	if err != nil {
		return v
	}
	reply, err := w.http.Do(r)
	if err != nil {
		return v
	}
	defer reply.Body.Close()
	v.ok = reply.StatusCode == http.StatusOK && json.NewDecoder(reply.Body).Decode(&v.Status) == nil
	return v
}

// leading is who leads as far as is known, the highest term, and how many terms had a leader.
func (w *watch) leading() (leader int, term uint64, led int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.leader, w.term, len(w.led)
}

// sawDiskFull says whether a node has said that its disk is full, and forgets it.
func (w *watch) sawDiskFull(id int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	saw := w.diskFull[id]
	delete(w.diskFull, id)
	return saw
}
