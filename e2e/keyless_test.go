package e2e

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drystone/internal/proc"
)

var (
	keylessPushes = flag.Int("keyless.pushes", 640, "pushes of TestKeyless")
	keylessKills  = flag.Int("keyless.kills", 8, "SIGKILLs of the leader in TestKeyless")
)

// lateness is how much later than its deadline an answer may arrive on this machine: nothing is
// said of who else is busy on it.
func lateness() time.Duration {
	if *quiet {
		return 250 * time.Millisecond
	}
	return 5 * time.Second
}

// blind is one value that was pushed without a key, and what is known of it.
type blind struct {
	value      string
	connection string // which carried it last
	outcome    string // applied, unknown; silent: its node was killed and nothing came back
	id         string // of the request, if an answer gave it
	settled    string // what a question or a fence said
	fenced     bool   // it was a fence
}

// blindClient pushes one value after the other over one connection, as long as that lasts.
type blindClient struct {
	t      *testing.T
	urls   []string
	http   *http.Client
	node   int
	dialed map[int]int // node to how many connections there were; one at a time
	pushed []*blind
	late   time.Duration
	asking sync.WaitGroup
}

// TestKeyless: clients push without a key while the leader is killed again and again, and never
// repeat what may have been applied. Nothing is there twice; each answer comes by its deadline;
// what one connection carried is in the order in which it was sent; and what a client was not told
// is found out by a question or a fence, in agreement with the stack.
func TestKeyless(t *testing.T) {
	c := proc.Start(t, proc.Options{Nodes: 5})
	const clients = 8
	gate := newGate(*keylessKills, *keylessPushes)
	all := make([]*blindClient, clients)
	var wait sync.WaitGroup
	for i := range all {
		transport := &http.Transport{MaxConnsPerHost: 1}
		t.Cleanup(transport.CloseIdleConnections)
		b := &blindClient{
			t: t, urls: c.URLs(), node: i % len(c.Nodes), dialed: map[int]int{},
			http: &http.Client{Transport: transport, Timeout: time.Minute},
		}
		all[i] = b
		wait.Go(func() { b.run(i, *keylessPushes/clients, gate) })
	}
	for gate.next() {
		leader := c.WaitLeader()
		leader.Kill()
		gate.killed()
		leader.Start()
		leader.WaitReady()
	}
	wait.Wait()
	for _, b := range all {
		b.asking.Wait()
	}
	c.WaitReady()
	waitEqual(t, c.URLs())
	judgeBlind(t, all, c.URLs())
}

func (b *blindClient) run(client, pushes int, gate *gate) {
	for i := range pushes {
		gate.pass()
		v := &blind{value: fmt.Sprintf("c%d-%d", client, i)}
		if !b.push(client, v) {
			gate.open()
			return
		}
		b.pushed = append(b.pushed, v)
		if v.outcome == "unknown" {
			v.fenced = rand.IntN(2) == 0
			b.asking.Go(func() { v.settle(b.t, b.urls) })
		}
	}
}

// push sends a value until it is not refused any more.
func (b *blindClient) push(client int, v *blind) bool {
	limit := time.Now().Add(time.Minute)
	for time.Now().Before(limit) {
		status, code, outcome, err := b.attempt(client, v)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
		case err != nil:
			v.outcome = "silent"
			b.node = rand.IntN(len(b.urls))
			return true
		case status == http.StatusOK:
			v.outcome = "applied"
			return true
		case outcome == "unknown":
			if status != http.StatusConflict || code != "outcome_unknown" || v.id == "" {
				b.t.Errorf("%s: %d %s of the request %q", v.value, status, code, v.id)
			}
			v.outcome = outcome
			return true
		case outcome != "not_applied" || status != http.StatusServiceUnavailable:
			b.t.Errorf("%s: %d %s %s", v.value, status, code, outcome)
			return false
		}
		b.node = rand.IntN(len(b.urls))
		<-time.After(rand.N(20 * time.Millisecond))
	}
	b.t.Errorf("%s: refused for a minute", v.value)
	return false
}

// attempt sends a value once, with a deadline that an election may or may not take longer than.
func (b *blindClient) attempt(client int, v *blind) (status int, code, outcome string, err error) {
	r, err := http.NewRequest(http.MethodPost, b.urls[b.node]+"/v1/stacks/keyless/push",
		strings.NewReader(v.value))
	if err != nil {
		panic(err)
	}
	deadline := 20*time.Millisecond + rand.N(time.Duration(1+rand.IntN(4))*300*time.Millisecond)
	r.Header.Set("Drystone-Timeout", fmt.Sprintf("%dms", deadline.Milliseconds()))
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if !info.Reused {
				b.dialed[b.node]++
			}
		},
	}))
	began := time.Now()
	reply, err := b.http.Do(r)
	if err != nil {
		return 0, "", "", err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if late := time.Since(began) - deadline; late > b.late {
		b.late = late
	}
	if err != nil {
		return 0, "", "", err
	}
	v.connection = fmt.Sprintf("%d to node %d", b.dialed[b.node], b.node+1)
	v.id = reply.Header.Get("Drystone-Request-Id")
	var problem struct{ Code, Outcome string }
	if err := json.Unmarshal(body, &problem); err != nil {
		b.t.Errorf("%s: %v: %s", v.value, err, body)
	}
	return reply.StatusCode, problem.Code, problem.Outcome, nil
}

// settle asks what became of a request, or fences it, until that is answered.
func (v *blind) settle(t *testing.T, urls []string) {
	method, path := http.MethodGet, "/v1/requests/"+url.PathEscape(v.id)
	if v.fenced {
		method, path = http.MethodPost, path+"/fence"
	}
	status, body, _ := eventually(t, func() (int, string, http.Header) {
		status, body := admin(method, urls[rand.IntN(len(urls))]+path, "")
		if status == http.StatusConflict {
			status = 0 // its own outcome is unknown: a fence is repeated
		}
		return status, body, nil
	})
	var fate struct{ Outcome string }
	if err := json.Unmarshal([]byte(body), &fate); err != nil || status != http.StatusOK {
		t.Errorf("%s %s: %d %s", method, path, status, body)
	}
	v.settled = fate.Outcome
}

// judgeBlind compares what clients know with the stack.
func judgeBlind(t *testing.T, all []*blindClient, urls []string) {
	t.Helper()
	at := map[string]int{} // value to its place from the bottom
	stack := items(t, urls[rand.IntN(len(urls))], "keyless")
	slices.Reverse(stack)
	for i, v := range stack {
		if before, twice := at[v]; twice {
			t.Errorf("%s is there twice, at %d and %d", v, before, i)
		}
		at[v] = i
	}
	counts, sent := map[string]int{}, map[string]bool{}
	late := time.Duration(0)
	for _, b := range all {
		late = max(late, b.late)
		last := map[string]string{} // connection to the value last seen of it
		for _, v := range b.pushed {
			sent[v.value] = true
			place, there := at[v.value]
			counts[v.outcome]++
			if v.outcome == "applied" && !there {
				t.Errorf("%s was acknowledged and is not there", v.value)
			}
			if v.outcome == "unknown" {
				v.judge(t, there, urls, counts)
			}
			if v.outcome == "silent" || !there {
				continue
			}
			if before := last[v.connection]; before != "" && at[before] > place {
				t.Errorf("connection %s sent %s before %s, and they lie the other way around",
					v.connection, before, v.value)
			}
			last[v.connection] = v.value
		}
	}
	for v := range at {
		if !sent[v] {
			t.Errorf("%s is there and was never sent", v)
		}
	}
	if total := len(sent); total != *keylessPushes/len(all)*len(all) {
		t.Errorf("%d of %d values were sent", total, *keylessPushes)
	}
	if late > lateness() {
		t.Errorf("an answer came %v after its deadline", late)
	}
	t.Logf("%d values, of which the stack holds %d; %v; the latest answer came %v after its deadline",
		len(sent), len(stack), counts, late.Round(time.Millisecond))
}

// judge is about a request whose client was told that nobody knows. Its deadline has passed by now.
func (v *blind) judge(t *testing.T, there bool, urls []string, counts map[string]int) {
	t.Helper()
	first, fenced := v.settled, v.fenced
	if !fenced && (first == "absent" || first == "pending") {
		v.settle(t, urls)
	}
	counts[fmt.Sprintf("settled by fence=%t as %s", fenced, v.settled)]++
	switch v.settled {
	case "applied":
		if !there {
			t.Errorf("%s (%s) was settled as applied and is not there", v.value, v.id)
		}
	case "fenced", "absent":
		if there {
			t.Errorf("%s (%s) was settled as %s (%s at first) and is there", v.value, v.id, v.settled,
				first)
		}
	default:
		t.Errorf("%s (%s) was not settled: %s", v.value, v.id, v.settled)
	}
	if fenced {
		return
	}
	// A fence agrees with what a question said.
	v.fenced = true
	v.settle(t, urls)
	if was := v.settled; there != (was == "applied") {
		t.Errorf("%s (%s): there=%t, and a fence says %s", v.value, v.id, there, was)
	}
}
