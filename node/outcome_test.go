package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"drystone/disk"
	"drystone/rsm"
)

// A loop that does not get to a request in time: what never reached the replica is taken back, and
// what did has the name that will settle it.
func TestOverdueRequests(t *testing.T) {
	n := alone(t, disk.NewMem(1))
	leads(t, n)
	// hold lets the loop stand still before the requests of the pile it takes.
	hold := func() (<-chan struct{}, chan<- struct{}) {
		held, release := make(chan struct{}), make(chan struct{})
		n.inbox.put(func(p *pile) {
			p.calls = append(p.calls, func() { close(held); <-release })
		})
		return held, release
	}
	type answer struct {
		result rsm.Result
		id     string
	}
	ask := func(command string) chan answer {
		answered := make(chan answer, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			r, id := n.Do(ctx, request(command))
			answered <- answer{r, id}
		}()
		return answered
	}
	inInbox := func() int {
		n.inbox.mu.Lock()
		defer n.inbox.mu.Unlock()
		return len(n.inbox.now.submits)
	}

	held, release := hold()
	<-held
	a := <-ask("early")
	if a.result.Outcome != rsm.NotApplied || a.result.Code != rsm.CodeExpired || a.id != "" {
		t.Errorf("never taken by the loop: got %+v, named %q", a.result, a.id)
	}
	answered := ask("late")
	eventually(t, "it is handed over", func() bool { return inInbox() == 1 })
	held2, release2 := hold()
	close(release)
	<-held2 // with the request in the same pile
	overdue := time.NewTimer(grace + 100*time.Millisecond)
	select {
	case a := <-answered:
		t.Errorf("in the loop's hands: got %+v, named %q", a.result, a.id)
	case <-overdue.C:
	}
	close(release2)
	if a := <-answered; a.id == "" {
		t.Errorf("taken by the loop: got %+v without a name", a.result)
	}
	do(t, n, "last")
	if got := tapeOf(t, n); strings.Contains(got, "early") {
		t.Errorf("what was not applied is there: %q", got)
	}
}

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
