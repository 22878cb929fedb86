package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"drystone/internal/proc"
	"drystone/rsm"
)

// members is what the tests read of GET /v1/members.
type members struct {
	Members []rsm.MemberStatus `json:"members"`
	Leader  uint64             `json:"leader_id"`
	Joint   bool               `json:"joint"`
	Invited []uint64           `json:"invited"`
	Removed []uint64           `json:"removed"`
}

func membersOf(url string) (m members, ok bool) {
	code, body, _ := get(url + "/v1/members")
	return m, code == http.StatusOK && json.Unmarshal([]byte(body), &m) == nil
}

func (m members) voters() (ids []uint64) {
	for _, x := range m.Members {
		if x.Voter {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

// waitVoters waits until a node knows of exactly these voters, and of nobody else.
func waitVoters(t *testing.T, url string, want ...uint64) {
	t.Helper()
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	deadline := time.Now().Add(30 * time.Second)
	for {
		m, ok := membersOf(url)
		if ok && !m.Joint && slices.Equal(m.voters(), want) && len(m.Members) == len(want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the voters are not %v: %+v", want, m)
		}
		<-pace.C
	}
}

// admin asks for a change until it is made: the code of the answer, and the answer.
func admin(method, url, body string) (int, string) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	code, text, _ := sendBy(patient, req)
	return code, text
}

func mustAdmin(t *testing.T, method, url, body string) {
	t.Helper()
	if code, text := admin(method, url, body); code != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, url, code, text)
	}
}

// refusedWith asks for a change that must be refused, in words, with nothing done.
func refusedWith(t *testing.T, want, method, url, body string) {
	t.Helper()
	code, text := admin(method, url, body)
	if code < 400 || !strings.Contains(text, `"code":"`+want+`"`) ||
		!strings.Contains(text, `"outcome":"not_applied"`) {
		t.Errorf("%s %s %s: %d %s, want %s", method, url, body, code, text, want)
	}
}

func wasRemoved(s rsm.Status) bool {
	return s.Health == rsm.HealthQuarantined && strings.Contains(s.Reason, "removed")
}

// eventuallyAdmin repeats a change that an election may be in the way of.
func eventuallyAdmin(t *testing.T, method, url string) {
	t.Helper()
	code, text, _ := eventually(t, func() (int, string, http.Header) {
		code, text := admin(method, url, "")
		return code, text, nil
	})
	if code != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, url, code, text)
	}
}

// TestWhoMayNotJoin: what would harm the cluster is refused in words, and the cluster goes on.
func TestWhoMayNotJoin(t *testing.T) {
	c := proc.Start(t, proc.Options{Nodes: 3})
	url := c.URLs()[0]
	serves := func(when string) {
		t.Helper()
		if code, body, _ := post(c.URLs()[1]+"/v1/stacks/s/push", "", "x"); code != 200 {
			t.Errorf("%s: push: %d %s", when, code, body)
		}
	}
	refusedWith(t, "member_unreachable", "POST", url+"/v1/members", `{"id":9,"peer":"127.0.0.1:1"}`)
	refusedWith(t, "member_exists", "POST", url+"/v1/members", `{"id":2,"peer":"127.0.0.1:1"}`)
	refusedWith(t, "no_such_member", "DELETE", url+"/v1/members/9", "")
	refusedWith(t, "not_a_voter", "POST", url+"/v1/leader/transfer", `{"to":9}`)

	// Its address leads nowhere, so it could never be told anything.
	lost := c.Add("--join", "--cluster", c.Node(1).Peer, "--advertise-peer", "127.0.0.1:1")
	lost.Start()
	lost.WaitStatus("to be refused", func(s rsm.Status) bool {
		return strings.Contains(s.Reason, "gets no connection to node 4")
	})
	serves("an unreachable joiner")
	lost.Kill()

	// A member of another cluster.
	other := proc.Start(t, proc.Options{Nodes: 1})
	stranger := other.Node(1)
	stranger.Kill()
	stranger.Start("--join", "--cluster", fmt.Sprintf("1=%s,2=%s", stranger.Peer, c.Node(2).Peer))
	stranger.WaitReady()
	if log := c.Node(2).Log() + stranger.Log(); strings.Contains(log, "let into the cluster") {
		t.Error("a member of another cluster was let in")
	}

	// A number that was used.
	mustAdmin(t, "DELETE", url+"/v1/members/3", "")
	c.Node(3).WaitStatus("to know that it was removed", wasRemoved)
	c.Node(3).Kill()
	c.Node(3).Wipe()
	c.Node(3).Start("--join")
	c.Node(3).WaitStatus("to be refused", func(s rsm.Status) bool {
		return strings.Contains(s.Reason, "never used again")
	})
	refusedWith(t, "number_used", "POST", url+"/v1/members", `{"id":3}`)
	refusedWith(t, "number_used", "POST", url+"/v1/members/3/replace", "")
	serves("a number used before")

	m, ok := membersOf(url)
	if !ok || !slices.Equal(m.voters(), []uint64{1, 2}) || !slices.Equal(m.Removed, []uint64{3}) {
		t.Errorf("the members are %+v", m)
	}
}

// TestReplacedUnderItsOldLine: a node whose directory is lost is started as ever. It is refused
// until somebody says that the old directory is gone for good; then it comes back by itself.
func TestReplacedUnderItsOldLine(t *testing.T) {
	c := proc.Start(t, proc.Options{Nodes: 3})
	l := &load{stack: "s", urls: c.URLs()[:1], each: 1 << 30, clients: 2}
	l.start(t)
	lost := c.Node(3)
	lost.Kill()
	lost.Wipe()
	lost.Start()
	lost.WaitStatus("to be refused", func(s rsm.Status) bool {
		return strings.Contains(s.Reason, "drystone member replace 3")
	})
	eventuallyAdmin(t, "POST", c.URLs()[1]+"/v1/members/3/replace")
	lost.WaitReady()
	waitVoters(t, lost.URL(), 1, 2, 3)
	// It counts: with another one away, the two decide.
	c.Node(2).Kill()
	if code, body, _ := eventually(t, func() (int, string, http.Header) {
		return post(lost.URL()+"/v1/stacks/s/push", "last", "last")
	}); code != http.StatusOK {
		t.Errorf("push: %d %s", code, body)
	}
	c.Node(2).Start()
	c.WaitReady()
	l.stop.Store(true)
	l.wait.Wait()
	waitEqual(t, c.URLs())
}
