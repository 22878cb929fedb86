package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"drystone/internal/proc"
	"drystone/rsm"
)

// newMoves is three members under load, which keep so little log that a joiner needs a snapshot.
func newMoves(t *testing.T, nodes int) *moves {
	t.Helper()
	c := proc.Start(t, proc.Options{Nodes: nodes, Flags: []string{
		"--snapshot-entries", "100", "--snapshot-bytes", "4KiB", "--trailing-bytes", "4KiB",
		"--segment-bytes", "1MiB",
	}})
	m := &moves{t: t, c: c, nodes: c.Nodes[:nodes:nodes]}
	m.x = newTraffic(t, "moves", c.Node(1).URL())
	for _, n := range c.Nodes[1:] {
		m.x.add(n.URL())
	}
	return m
}

// finish ends the load, and checks what is there and that all agree.
func (m *moves) finish() {
	m.t.Helper()
	var urls []string
	for _, n := range m.nodes {
		urls = append(urls, n.URL())
	}
	m.x.end(urls[0])
	waitEqual(m.t, urls)
}

// waitFor looks until it is so.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
		<-pace.C
	}
}

func waitLetIn(t *testing.T, n *proc.Node) {
	t.Helper()
	waitFor(t, "it is let in", func() bool {
		return strings.Contains(n.Log(), "let into the cluster")
	})
}

// TestJoinerKilled: a joiner is killed when it was let in, when it has received a snapshot, when it
// has restored it, and while it becomes a voter. The others go on, and so does it when it is back.
func TestJoinerKilled(t *testing.T) {
	m := newMoves(t, 3)
	defer m.x.halt()
	m.x.goesOn(100)
	for _, moment := range []string{
		"let into the cluster", "received a snapshot", "restored a snapshot", "a change to voter",
	} {
		n := m.c.Join(m.nodes[0].Peer)
		waitFor(t, moment, func() bool {
			if moment != "a change to voter" {
				return strings.Contains(n.Log(), moment)
			}
			list, ok := membersOf(m.nodes[0].URL())
			return ok && (list.Joint || len(list.voters()) > 3)
		})
		n.Kill()
		m.x.goesOn(40)
		n.Start()
		n.WaitReady()
		m.x.add(n.URL())
		m.nodes = append(m.nodes, n)
		m.settled()
		m.remove(n, false)
	}
	m.finish()
}

// TestLeaderKilledInAChange: the leader is killed right after it took a change. Whoever asked hears
// in words what is known, the change is made once or not at all, and may be asked for again.
func TestLeaderKilledInAChange(t *testing.T) {
	m := newMoves(t, 3)
	defer m.x.halt()
	m.x.goesOn(40)
	for i, change := range []string{"add", "remove", "replace", "remove", "replace"} {
		leader := m.leader()
		others := m.others(leader)
		ask, about := others[0], others[1]
		var wait sync.WaitGroup
		again := func() {}
		switch change {
		case "add":
			n := m.c.Join(ask.Peer)
			waitLetIn(t, n)
			m.nodes = append(m.nodes, n)
		default:
			method, path := "DELETE", fmt.Sprintf("/v1/members/%d", about.ID)
			if change == "replace" {
				method, path = "POST", path+"/replace"
			}
			m.x.leaves(about.URL(), false)
			wait.Go(func() { inWords(t, method, ask.URL()+path) })
			again = func() { eventuallyAdmin(t, method, ask.URL()+path) }
			pause := time.NewTimer(time.Duration(i) * 2 * time.Millisecond)
			<-pause.C
		}
		m.x.leaves(leader.URL(), true)
		m.x.drop(leader.URL())
		leader.Kill()
		wait.Wait()
		m.x.goesOn(20)
		leader.Start()
		leader.WaitReady()
		m.x.add(leader.URL())
		again()
		if change != "add" {
			about.WaitStatus("to know that it was removed", wasRemoved)
			m.x.leaves(about.URL(), true)
			m.x.drop(about.URL())
			about.Kill()
			m.nodes = m.others(about)
		}
		if change == "replace" {
			about.Wipe()
			about.Start("--join", "--cluster", fmt.Sprintf("%d=%s", about.ID, about.Peer)+
				fmt.Sprintf(",%d=%s", ask.ID, ask.Peer))
			about.WaitReady()
			m.x.add(about.URL())
			m.nodes = append(m.nodes, about)
			sortNodes(m.nodes)
		}
		m.settled()
		if change == "remove" {
			m.grow()
		}
	}
	m.finish()
}

// inWords asks for a change, and makes sure of an answer that a user can act on.
func inWords(t *testing.T, method, url string) {
	code, text := admin(method, url, "")
	if code == http.StatusOK {
		return
	}
	told := strings.Contains(text, `"outcome":"not_applied"`) ||
		strings.Contains(text, `"outcome":"unknown"`)
	if code < 400 || !told || !strings.Contains(text, `"next":"`) ||
		strings.Contains(text, `"detail":""`) {
		t.Errorf("%s %s: %d %s", method, url, code, text)
	}
	t.Logf("%s: %d %s", method, code, text)
}

// TestJoinerPaused: a joiner that stands still counts for nothing. Writes go on, it is not
// promoted, not even on request, and can be sent away again.
func TestJoinerPaused(t *testing.T) {
	m := newMoves(t, 3)
	defer m.x.halt()
	m.x.goesOn(40)
	n := m.c.Join(m.nodes[0].Peer)
	waitLetIn(t, n)
	n.Pause()
	m.x.goesOn(200)
	url := m.nodes[1].URL()
	list, ok := membersOf(url)
	if !ok || len(list.voters()) != 3 || len(list.Members) != 4 {
		t.Errorf("with a joiner that is paused, the members are %+v", list)
	}
	refusedWith(t, "learner_behind", "POST", url+"/v1/members/4/promote", "")
	refusedWith(t, "not_a_voter", "POST", url+"/v1/leader/transfer", `{"to":4}`)
	mustAdmin(t, "DELETE", url+"/v1/members/4", "")
	m.settled()
	n.Resume()
	n.WaitStatus("to hear that it was removed", func(s rsm.Status) bool {
		return strings.Contains(s.Reason, "was removed")
	})
	// One that is a voter when it stops is missed by nobody either.
	m.grow()
	last := m.nodes[3]
	m.x.leaves(last.URL(), true)
	m.x.drop(last.URL())
	last.Pause()
	m.x.goesOn(200)
	mustAdmin(t, "DELETE", url+"/v1/members/5", "")
	last.Resume()
	last.WaitStatus("to hear that it was removed", wasRemoved)
	m.nodes = m.others(last)
	m.settled()
	m.finish()
}
