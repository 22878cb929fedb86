package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"drystone/rsm"
)

// What callers are told is true, whatever ends under them: applied is once, not applied is never,
// unknown is at most once.
func TestOutcomesAreTrue(t *testing.T) {
	c := newCluster(t, 3)
	c.start(1, 2, 3)
	c.leader()
	var mu sync.Mutex // over c.nodes
	pick := func(random *rand.Rand) *Node {
		mu.Lock()
		defer mu.Unlock()
		return c.nodes[1+random.Uint64N(3)]
	}
	told := make([]map[string]rsm.Outcome, 8)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range told {
		told[i] = map[string]rsm.Outcome{}
		clients.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			for k := 0; ; k++ {
				select {
				case <-stop:
					return
				default:
				}
				n := pick(random)
				if n == nil {
					continue
				}
				command := fmt.Sprintf("c%d-%d", i, k)
				timeout := time.Duration(1+random.Int64N(100)) * time.Millisecond
				ctx, cancel := context.WithTimeout(context.Background(), timeout)
				r, id := n.Do(ctx, request(command))
				cancel()
				told[i][command] = r.Outcome
				if r.Outcome == rsm.Unknown && id == "" {
					t.Errorf("%s is unknown, and has no name", command)
				}
			}
		})
	}
	for range 5 {
		leader := c.leader()
		mu.Lock()
		n := c.nodes[leader]
		delete(c.nodes, leader)
		mu.Unlock()
		n.Close(ended())
		c.leader()
		mu.Lock()
		c.start(leader)
		mu.Unlock()
	}
	close(stop)
	clients.Wait()
	do(t, c.nodes[c.leader()], "last")
	times := map[string]int{}
	for command := range strings.FieldsSeq(tapeOf(t, c.nodes[c.leader()])) {
		times[command]++
	}
	counts := map[rsm.Outcome]int{}
	for i := range told {
		for command, outcome := range told[i] {
			counts[outcome]++
			n := times[command]
			if n > 1 || outcome == rsm.Applied && n != 1 || outcome == rsm.NotApplied && n != 0 {
				t.Errorf("%s was answered %d, and is there %d times", command, outcome, n)
			}
		}
	}
	if counts[rsm.Applied] == 0 {
		t.Error("nothing was applied")
	}
	t.Logf("applied %d, not applied %d, unknown %d", counts[rsm.Applied], counts[rsm.NotApplied],
		counts[rsm.Unknown])
}
