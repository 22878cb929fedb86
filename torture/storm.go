package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"drystone/torture/history"
)

const (
	atOnce           = 3 // faults that run at a time, at most
	gapMin, gapMax   = 150 * time.Millisecond, 900 * time.Millisecond
	lastMin, lastMax = 300 * time.Millisecond, 2500 * time.Millisecond
	respawnPause     = 300 * time.Millisecond // of a node that ended by itself
)

// strike begins a fault: what it does, in words, and what ends it. No words: not now.
type strike func(s *storm) (detail string, lift func())

// class is a kind of fault.
type class struct {
	name   string
	strike strike
	times  float64 // how much longer than others it lasts
}

// classes are all there are, in the order in which --faults lists them.
var classes = []class{
	{"kill", strikeKill, 0.6},
	{"pause", strikePause, 0.8},
	{"restart", strikeRestart, 0.5},
	{"loss", strikeLoss, 1},
	{"delay", strikeDelay, 1},
	{"duplicate", strikeDuplicate, 1},
	{"oneway", strikeOneway, 1},
	{"partition", strikePartition, 1},
	{"slow", strikeSlow, 1},
	{"cut", strikeCut, 0.4},
	{"diskfull", strikeDiskFull, 2.5},
}

// FaultNames are all classes of faults.
func FaultNames() (names []string) {
	for _, c := range classes {
		names = append(names, c.name)
	}
	return names
}

// storm lets faults loose on a cluster.
type storm struct {
	cluster *cluster
	watch   *watch
	random  *rand.Rand // of the storm's own goroutine
	out     *history.Writer
	now     func() int64

	mu      sync.Mutex
	running map[int]string // names of those under way
	next    int
	counts  map[string]int
	noticed int      // full disks that their nodes told of
	wrong   []string // what must not happen, whatever the faults
}

// run strikes until ctx ends, and returns when every fault has been lifted.
func (s *storm) run(ctx context.Context, names []string) {
	var lifts sync.WaitGroup
	defer lifts.Wait()
	for len(names) > 0 {
		rest(ctx, gapMin+time.Duration(s.random.Int64N(int64(gapMax-gapMin))))
		if ctx.Err() != nil {
			return
		}
		if len(s.underWay()) >= atOnce {
			continue
		}
		name := names[s.random.IntN(len(names))]
		c := classes[slices.IndexFunc(classes, func(c class) bool { return c.name == name })]
		lasts := lastMin + time.Duration(s.random.Int64N(int64(lastMax-lastMin)))
		lasts = time.Duration(float64(lasts) * c.times)
		from := s.now()
		detail, lift := c.strike(s)
		if detail == "" {
			continue
		}
		id := s.begun(name)
		lifts.Go(func() {
			rest(ctx, lasts)
			lift()
			s.over(id)
			s.out.Fault(history.Fault{Class: name, Detail: detail, FromNs: from, ToNs: s.now()})
		})
	}
	<-ctx.Done()
}

func (s *storm) begun(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	s.running[s.next] = name
	s.counts[name]++
	return s.next
}

func (s *storm) over(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, id)
}

// underWay are the names of the faults that run now, in order.
func (s *storm) underWay() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.running {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s *storm) counted() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]int{}
	for name, n := range s.counts {
		counts[name] = n
	}
	return counts
}

func (s *storm) noticeDiskFull() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noticed++
}

func (s *storm) accuse(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

// nurse starts nodes again that ended by themselves, which none may, until ctx ends.
func (s *storm) nurse(ctx context.Context) {
	for ctx.Err() == nil {
		rest(ctx, watchPause)
		for _, e := range s.cluster.takeEnded() {
			at := s.now() - time.Since(e.at).Nanoseconds()
			s.accuse("node %d ended by itself at %.3fs: %s", e.node.id, float64(at)/1e9, e.how)
			s.out.Fault(history.Fault{
				Class: "ended", Detail: fmt.Sprintf("node %d: %s", e.node.id, e.how), FromNs: max(0, at),
				ToNs: s.now(),
			})
			rest(ctx, respawnPause)
			if ctx.Err() == nil {
				s.start(e.node)
			}
		}
	}
}

func (s *storm) start(n *node) {
	if err := n.start(); err != nil {
		s.accuse("%v", err)
	}
}

// victims are the nodes that a fault of processes hits: mostly the leader, sometimes another, two,
// or all. None that another fault has in hand.
func (s *storm) victims() (who string, nodes []*node) {
	all := s.cluster.nodes
	leader, _, _ := s.watch.leading()
	switch n := s.random.IntN(100); {
	case n < 45 && leader > 0:
		who, nodes = "the leader, ", all[leader-1:leader]
	case n < 75:
		nodes = []*node{all[s.random.IntN(len(all))]}
	case n < 90 && len(all) > 1:
		for _, i := range s.random.Perm(len(all))[:2] {
			nodes = append(nodes, all[i])
		}
	default:
		who, nodes = "all, ", all
	}
	var claimed []*node
	for _, n := range nodes {
		if n.claim() {
			claimed = append(claimed, n)
		}
	}
	return who + nodeNames(claimed), claimed
}

func nodeNames(nodes []*node) string {
	var ids []string
	for _, n := range nodes {
		ids = append(ids, fmt.Sprint(n.id))
	}
	if len(ids) == 1 {
		return "node " + ids[0]
	}
	return "nodes " + strings.Join(ids, ", ")
}
