package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"drystone/internal/proc"
	"drystone/rsm"
)

// TestChangesAtOnce: changes asked for at the same time, each several times over and through
// different nodes, wait for one another; all are made, and each once.
func TestChangesAtOnce(t *testing.T) {
	m := newMoves(t, 5)
	defer m.x.halt()
	m.x.goesOn(20)
	leaving := m.others(m.leader())[:2]
	for _, n := range leaving {
		m.x.leaves(n.URL(), true)
		m.x.drop(n.URL())
	}
	var wait sync.WaitGroup
	for _, n := range leaving {
		m.nodes = m.others(n)
	}
	for i, n := range leaving {
		for j := range m.nodes {
			wait.Go(func() {
				eventuallyAdmin(t, "DELETE",
					m.nodes[(i+j)%3].URL()+fmt.Sprintf("/v1/members/%d", n.ID))
			})
		}
	}
	wait.Wait()
	m.settled()
	for _, n := range leaving {
		n.WaitStatus("to know that it was removed", wasRemoved)
		n.Kill()
	}
	m.finish()
}

// TestShrinkThatLosesTheQuorum: nobody is removed if those who stay could decide nothing, and
// nothing is changed without a majority. The members can be listed all the same.
func TestShrinkThatLosesTheQuorum(t *testing.T) {
	c := proc.Start(t, proc.Options{Nodes: 3})
	leader, others := c.WaitLeader(), c.Followers()
	url := leader.URL()
	removal := func(n *proc.Node) string { return url + fmt.Sprintf("/v1/members/%d", n.ID) }
	others[0].Kill()
	waitFor(t, "it is missed", func() bool {
		_, text := admin("POST", url+"/v1/leader/transfer", fmt.Sprintf(`{"to":%d}`, others[0].ID))
		return strings.Contains(text, "member_unreachable")
	})
	refusedWith(t, "unsafe_change", "DELETE", removal(others[1]), "")
	refusedWith(t, "unsafe_change", "DELETE", removal(leader), "")
	refusedWith(t, "unsafe_change", "POST", removal(others[1])+"/replace", "")

	others[1].Kill()
	leader.WaitStatus("to lead no more", func(s rsm.Status) bool { return s.Role != "leader" })
	for _, method := range []string{"DELETE", "GET"} {
		req, err := http.NewRequest(method, url+"/v1/members", nil)
		if method == "DELETE" {
			req, err = http.NewRequest(method, removal(others[0]), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Drystone-Timeout", "300ms")
		code, text, _ := send(req)
		if code != 503 || !strings.Contains(text, `"code":"no_leader"`) ||
			!strings.Contains(text, `"outcome":"not_applied"`) ||
			!strings.Contains(text, "1 of 3 voters answer") {
			t.Errorf("%s without a majority: %d %s", method, code, text)
		}
	}
	code, text, h := get(url + "/v1/members?consistency=stale")
	var list members
	if code != 200 || json.Unmarshal([]byte(text), &list) != nil || len(list.voters()) != 3 ||
		h.Get("Drystone-Stale-Ms") == "" || h.Get("Drystone-Index") == "0" {
		t.Errorf("what it has applied: %d %s, %v", code, text, h)
	}
	var out bytes.Buffer
	cmd := exec.Command(proc.Binary(t), "member", "list", "--timeout", "1s", "--endpoints", url)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), others[0].Peer) ||
		!strings.Contains(out.String(), "no leader answers; this is what "+url+" has applied") {
		t.Errorf("member list: %v\n%s", err, out.String())
	}

	// With one back the dead one may go.
	others[1].Start()
	eventuallyAdmin(t, "DELETE", removal(others[0]))
}

// TestAllKilledInAChange: all nodes are killed while a change is between its two steps. It is
// completed or lost when they come back, the same for all, and may be asked for again.
func TestAllKilledInAChange(t *testing.T) {
	m := newMoves(t, 4)
	defer m.x.halt()
	m.x.goesOn(20)
	leader := m.leader()
	about := m.others(leader)[2]
	for _, n := range m.nodes {
		m.x.leaves(n.URL(), true)
	}
	// Those who stay hear nothing, so that no majority of theirs takes the first step to be done.
	for _, n := range m.others(leader)[:2] {
		n.Pause()
	}
	var wait sync.WaitGroup
	wait.Go(func() { admin("DELETE", leader.URL()+fmt.Sprintf("/v1/members/%d", about.ID), "") })
	s := leader.WaitStatus("to be between two steps", func(s rsm.Status) bool { return s.Joint })
	leader.WaitStatus("to have it on disk", func(now rsm.Status) bool {
		return now.Durable >= s.LastIndex
	})
	for _, n := range m.nodes {
		n.Kill()
	}
	wait.Wait()
	for _, n := range m.nodes {
		n.Start()
	}
	m.nodes = m.others(about)
	eventuallyAdmin(t, "DELETE", m.nodes[0].URL()+fmt.Sprintf("/v1/members/%d", about.ID))
	about.WaitStatus("to know that it was removed", wasRemoved)
	m.x.drop(about.URL())
	about.Kill()
	m.settled()
	m.finish()
}

// TestRemovedNodeRestarts: it says what it is, as often as it is started, takes no request, and
// asks nobody for anything.
func TestRemovedNodeRestarts(t *testing.T) {
	c := proc.Start(t, proc.Options{Nodes: 3})
	gone := c.Followers()[0]
	var ask string
	for _, n := range c.Nodes {
		if n != gone {
			ask = n.URL()
		}
	}
	gone.Kill() // it has not heard of it when it starts again
	eventuallyAdmin(t, "DELETE", ask+fmt.Sprintf("/v1/members/%d", gone.ID))
	for range 3 {
		gone.Start()
		gone.WaitStatus("to know that it was removed", wasRemoved)
		code, text, _ := post(gone.URL()+"/v1/stacks/s/push", "", "x")
		if code != 503 || !strings.Contains(text, `"code":"quarantined"`) ||
			!strings.Contains(text, "was removed from cluster") {
			t.Errorf("push: %d %s", code, text)
		}
		refusedWith(t, "quarantined", "DELETE", gone.URL()+"/v1/members/1", "")
		if status := gone.Stop(); status != 0 {
			t.Errorf("it ended with status %d", status)
		}
	}
	if n := strings.Count(gone.Log(), "its data directory is of no more use"); n > 12 {
		t.Errorf("it says so %d times\n%s", n, gone.Log())
	}
}
