package e2e

import (
	"flag"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"drystone/internal/proc"
	"drystone/rsm"
)

// The long runs, on the binary that users have; strace is needed for them (apt-get install strace):
//
//	go test ./e2e -run LeaderDiskHangs -disk.strace -disk.held 60s -v
//	go test ./e2e -run SlowDisks -disk.strace -disk.slow 20s -v
var (
	diskStrace = flag.Bool("disk.strace", false, "disks hang by strace, in the unaltered binary")
	diskHeld   = flag.Duration("disk.held", 8*time.Second,
		"for how long TestLeaderDiskHangs holds the leader's fdatasync, at least")
	diskSlow = flag.Duration("disk.slow", 10*time.Second, "for how long TestSlowDisks writes")
)

// TestLeaderDiskHangs: the leader's fdatasync does not return, under writes through the others.
// Another leader serves within three times the disk and election timeouts; the old one says what
// is wrong, answers in time and nothing it cannot know, and follows when its disk is back.
func TestLeaderDiskHangs(t *testing.T) {
	const diskTimeout, election = 2 * time.Second, 500 * time.Millisecond
	c := proc.Start(t, proc.Options{Binary: hangable(t), Flags: []string{
		"--disk-timeout", diskTimeout.String(), "--election", election.String(),
	}})
	old, others := c.WaitLeader(), c.Followers()
	l := &load{
		stack: "hang", urls: []string{others[0].URL(), others[1].URL()}, each: 1 << 30, clients: 4,
	}
	l.start(t)
	waitAcks(l, 100, nil)
	before := old.WaitStatus("its term", func(rsm.Status) bool { return true })

	began := time.Now()
	release := hold(t, old)
	next := others[0].WaitStatus("another leader", func(s rsm.Status) bool {
		return s.Term > before.Term && s.LeaderID != 0 && s.LeaderID != old.ID
	})
	pushed, body, _ := eventually(t, func() (int, string, http.Header) {
		return post(others[0].URL()+"/v1/stacks/hang/push", "k-first", "first")
	})
	took := time.Since(began)
	if pushed != http.StatusOK {
		t.Fatalf("push: %d %s", pushed, body)
	}
	if limit := 3 * (diskTimeout + election); took > limit {
		t.Errorf("the first write under another leader after %v, more than %v", took, limit)
	}

	old.WaitStatus("a disk that hangs", func(s rsm.Status) bool {
		return s.Health == rsm.HealthDiskStalled && s.Role != "leader"
	})
	var all []asked
	for time.Since(began) < *diskHeld {
		all = append(all, askHanging(t, old, len(all)))
	}
	heldFor := time.Since(began)
	release()

	old.WaitStatus("to follow", func(s rsm.Status) bool {
		return s.Health == rsm.HealthOK && s.Role == "follower" && s.Term >= next.Term
	})
	acks := l.acks.Load()
	l.setURLs(c.URLs()...)
	waitAcks(l, acks+100, nil)
	l.stop.Store(true)
	l.wait.Wait()
	l.acked = append(l.acked, []string{"first"})
	waitEqual(t, c.URLs())
	for _, n := range c.Nodes {
		l.verify(t, n.URL())
	}
	checkTruth(t, old.URL(), all)
	t.Logf("fdatasync of the leader held for %v: another leader served after %v, of %v allowed; "+
		"%d acknowledged", heldFor.Round(time.Millisecond), took.Round(time.Millisecond),
		3*(diskTimeout+election), l.acks.Load())
}

// asked is a push through a node whose disk hangs, and what the node said became of it.
type asked struct{ stack, outcome string }

// askHanging asks a node whose disk hangs for what it cannot do: it says so, in time.
func askHanging(t *testing.T, n *proc.Node, i int) asked {
	t.Helper()
	ask := func(method, path string) (int, string) {
		req, err := http.NewRequest(method, n.URL()+path, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Drystone-Timeout", "300ms")
		code, body, _ := send(req) // which gives up after 3 s
		return code, body
	}
	if code, body := ask(http.MethodGet, "/v1/stacks/hang/items?limit=1"); code < 500 {
		t.Errorf("a read: %d %s", code, body)
	}
	stack := fmt.Sprintf("held-%d", i)
	code, body := ask(http.MethodPost, "/v1/stacks/"+stack+"/push")
	for _, outcome := range []string{"unknown", "not_applied"} {
		if strings.Contains(body, `"outcome":"`+outcome+`"`) {
			return asked{stack, outcome}
		}
	}
	t.Errorf("a push: %d %s", code, body)
	return asked{stack, "none"}
}

// checkTruth checks that what a node said of pushes is what became of them.
func checkTruth(t *testing.T, url string, all []asked) {
	t.Helper()
	said := map[string]int{}
	for _, a := range all {
		said[a.outcome]++
		switch n := len(items(t, url, a.stack)); {
		case n > 1, n == 1 && a.outcome == "not_applied":
			t.Errorf("a push of which the outcome was %s took effect %d times", a.outcome, n)
		}
	}
	t.Logf("pushes through the node whose disk hung: %v", said)
}

// TestSlowDisks: every fdatasync takes 300 ms longer, as long as an election timeout of the
// default flags. Nobody stands, and writes go on.
func TestSlowDisks(t *testing.T) {
	binary := hangable(t)
	for _, all := range []bool{true, false} {
		name := "leader"
		if all {
			name = "all"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := proc.Start(t, proc.Options{Binary: binary})
			leader := c.WaitLeader()
			before := leader.WaitStatus("its term", func(rsm.Status) bool { return true })
			for _, n := range c.Nodes {
				if all || n == leader {
					slow(t, n, 300*time.Millisecond)
				}
			}
			l := &load{stack: "slow", urls: c.URLs(), each: 1 << 30, clients: 4}
			l.start(t)
			<-time.After(*diskSlow)
			l.stop.Store(true)
			l.wait.Wait()
			for _, n := range c.Nodes {
				s := n.WaitStatus("its term", func(rsm.Status) bool { return true })
				if s.Term != before.Term || s.LeaderID != leader.ID {
					t.Errorf("node %d led in term %d; node %d says that node %d leads in term %d",
						leader.ID, before.Term, n.ID, s.LeaderID, s.Term)
				}
			}
			if l.acks.Load() == 0 {
				t.Error("nothing was acknowledged")
			}
			waitEqual(t, c.URLs())
			l.verify(t, leader.URL())
			t.Logf("300 ms an fdatasync on %s, for %v: term %d all along, %d acknowledged", name,
				*diskSlow, before.Term, l.acks.Load())
		})
	}
}
