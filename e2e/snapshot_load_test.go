package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drystone/internal/proc"
	"drystone/rsm"
)

var (
	snapshotMB    = flag.Int("snapshot.mb", 20, "state that TestSnapshotUnderLoad ships, in MB")
	snapshotKills = flag.Int("snapshot.kills", 2, "SIGKILLs of the sender in TestSnapshotUnderLoad")
)

// snapshotEntries is after how many entries the nodes of TestSnapshotUnderLoad take a snapshot.
const snapshotEntries = 50

// TestSnapshotUnderLoad: a follower that was away for ten snapshots' worth of entries comes back by
// a snapshot while writes go on: no election, no memory beyond what docs/limits.md says, and it
// ends equal. Then the same with the sender killed at random moments.
func TestSnapshotUnderLoad(t *testing.T) {
	state := *snapshotMB << 20
	f := &far{t: t, state: state, each: max(state/5000, 1<<10), c: proc.Start(t, proc.Options{
		Flags: []string{
			"--snapshot-entries", fmt.Sprint(snapshotEntries), "--snapshot-bytes", "64KiB",
			"--trailing-bytes", "64KiB", "--election", electionTimeout(),
		},
	})}
	f.away = f.c.Followers()[0]
	f.away.Kill()
	left := now(t, f.c.WaitLeader())
	fill(t, f.c.WaitLeader().URL(), "state", state, f.each)
	f.outdate(left)
	f.shipUnderLoad(left)
	f.killSenders()
}

// far is a cluster with a large state, and a follower that needs all of it.
type far struct {
	t     *testing.T
	c     *proc.Cluster
	away  *proc.Node
	state int // bytes
	each  int // of a value
}

// others are the nodes that stay.
func (f *far) others() (nodes []*proc.Node, urls []string) {
	for _, n := range f.c.Nodes {
		if n != f.away {
			nodes, urls = append(nodes, n), append(urls, n.URL())
		}
	}
	return nodes, urls
}

// outdate writes until whoever may ship has a snapshot of the whole state, has forgotten what was
// behind what the node away has, and has taken as many entries as ten snapshots are apart.
func (f *far) outdate(left rsm.Status) {
	f.t.Helper()
	leader := f.c.WaitLeader()
	value := strings.Repeat("c", 256<<10)
	var wait sync.WaitGroup
	var done atomic.Bool
	for c := range 4 {
		wait.Go(func() {
			stack := fmt.Sprintf("%s/v1/stacks/churn-%d/", leader.URL(), c)
			for i := 0; !done.Load(); i++ {
				call, body := "push", value
				if i%2 == 1 {
					call, body = "pop", ""
				}
				status, text, _ := eventually(f.t, func() (int, string, http.Header) {
					return post(stack+call, "", body)
				})
				if status != http.StatusOK {
					f.t.Errorf("%s: %d %s", call, status, text)
					return
				}
			}
		})
	}
	nodes, _ := f.others()
	f.until("snapshots that leave the node away behind", func() bool {
		for _, n := range nodes {
			s := now(f.t, n)
			if newestSnapshot(n) < int64(f.state) || s.FirstIndex <= left.LastIndex+1 ||
				s.LastIndex < left.LastIndex+10*snapshotEntries {
				return false
			}
		}
		return true
	})
	done.Store(true)
	wait.Wait()
}

// newestSnapshot is the size of the largest snapshot on a node's disk.
func newestSnapshot(n *proc.Node) (bytes int64) {
	names, _ := filepath.Glob(filepath.Join(n.Dir, "snap-*-????????????????"))
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			bytes = max(bytes, info.Size())
		}
	}
	return bytes
}

// received is how much of a snapshot has arrived.
func received(n *proc.Node) (bytes int64) {
	names, _ := filepath.Glob(filepath.Join(n.Dir, "snap-*.part"))
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			bytes = max(bytes, info.Size())
		}
	}
	return bytes
}

// restores counts the snapshots that a node has restored.
func restores(n *proc.Node) int { return strings.Count(n.Log(), "restored a snapshot") }

func (f *far) until(what string, done func() bool) {
	f.t.Helper()
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	limit := time.Now().Add(5 * time.Minute)
	for !done() {
		if time.Now().After(limit) {
			f.t.Fatalf("waited 5 minutes in vain for %s\n%s", what, f.away.Log())
		}
		<-pace.C
	}
}

// back waits until the node away has all that was committed by now.
func (f *far) back() {
	f.t.Helper()
	at := now(f.t, f.c.WaitLeader()).Commit
	f.until("the node that was away", func() bool {
		s, ok := statusOf(f.away.URL())
		return ok && s.Applied >= at
	})
}

func (f *far) shipUnderLoad(left rsm.Status) {
	t := f.t
	nodes, urls := f.others()
	leader := f.c.WaitLeader()
	w := startWriters("paced", 5*time.Millisecond, append(urls, urls...)...)
	w.await(t, 1000)
	before, at := w.lap(), now(t, leader)
	peaks := map[*proc.Node]int{}
	for _, n := range nodes {
		peaks[n] = peakRSS(n)
		resetPeakRSS(n)
	}
	began := time.Now()
	f.away.Start()
	f.back()
	took := time.Since(began)
	meanwhile, after := w.lap(), now(t, f.c.WaitLeader())
	w.end()

	size := newestSnapshot(f.away)
	t.Logf("shipped %d MB in %v, start and restore included, after %d entries = %d snapshots' worth",
		size>>20, took.Round(time.Millisecond), at.LastIndex-left.LastIndex,
		(at.LastIndex-left.LastIndex)/snapshotEntries)
	t.Logf("term %d before, %d after", at.Term, after.Term)
	t.Logf("writes before: %v", before)
	t.Logf("meanwhile:     %v", meanwhile)
	t.Logf("ratios: p50 %.1f, p99 %.1f, p99.9 %.1f", ratio(meanwhile.at(500), before.at(500)),
		ratio(meanwhile.at(990), before.at(990)), ratio(meanwhile.at(999), before.at(999)))
	if after.Term != at.Term {
		t.Errorf("an election fell into it: term %d, then %d", at.Term, after.Term)
	}
	if before.bad+meanwhile.bad > 0 {
		t.Errorf("%d writes failed", before.bad+meanwhile.bad)
	}
	if size < int64(f.state) {
		t.Errorf("a snapshot of %d bytes was received, the state is of %d", size, f.state)
	}
	for _, n := range nodes {
		f.within(n, fmt.Sprintf("%d MB before, meanwhile", peaks[n]), int(size))
	}
	f.within(f.away, "of the receiver", int(size)) // it had no state to speak of
	waitEqual(t, f.c.URLs())
}

// within checks a node's memory against the bound of docs/limits.md: for one state, and a log that
// may weigh as much before the next snapshot.
func (f *far) within(n *proc.Node, what string, state int) {
	f.t.Helper()
	peak, bound := peakRSS(n), 2*11*2*(state>>20)/10+96
	f.t.Logf("node %d: peak RSS %s %d MB, bound %d MB", n.ID, what, peak, bound)
	if peak > bound {
		f.t.Errorf("node %d holds %d MB, more than docs/limits.md says: %d MB", n.ID, peak, bound)
	}
}

// killSenders kills the leader at random moments of its shipping, again and again.
func (f *far) killSenders() {
	t := f.t
	began := time.Now()
	l := &load{stack: "killed", urls: f.c.URLs(), each: 1 << 30, clients: 4}
	l.gate = func(done int) bool { return time.Duration(done)*20*time.Millisecond < time.Since(began) }
	l.start(t)
	rounds, from := 0, []string{}
	for kills := 0; kills < *snapshotKills; rounds++ {
		f.away.Kill()
		f.outdate(now(t, f.c.WaitLeader()))
		size, restored := newestSnapshot(f.c.WaitLeader()), restores(f.away)
		f.away.Start()
		for kills < *snapshotKills {
			// A moment of what is left, in bytes.
			have := min(received(f.away), size-1)
			at := have + rand.Int64N(size-have)
			f.until("part of a snapshot", func() bool {
				arrived := received(f.away)
				return arrived > at || arrived < have || restores(f.away) > restored
			})
			arrived := received(f.away)
			if restores(f.away) > restored {
				break // all of it is there
			}
			sender := f.c.WaitLeader()
			sender.Kill()
			kills++
			from = append(from, fmt.Sprintf("%d%%", 100*arrived/size))
			sender.Start()
		}
		f.back()
	}
	l.stop.Store(true)
	l.wait.Wait()
	waitEqual(t, f.c.URLs())
	for _, url := range f.c.URLs() {
		l.verify(t, url)
	}
	t.Logf("%d kills of the sender in %d rounds, with %s there, in %v; %d writes acknowledged",
		*snapshotKills, rounds, strings.Join(from, " "), time.Since(began).Round(time.Millisecond),
		l.acks.Load())
}

// peakRSS is the most memory that a node had resident since resetPeakRSS, in MB; 0: not known here.
func peakRSS(n *proc.Node) (mb int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.Pid()))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &mb); err == nil {
			return mb >> 10
		}
	}
	return 0
}

func resetPeakRSS(n *proc.Node) {
	// Where it can't be reset, the peak is that of the whole life: the bound holds for that too.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", n.Pid()), []byte("5"), 0)
}
