package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"drystone/internal/proc"
	"drystone/rsm"
	"drystone/torture/proxy"
)

var (
	onceOps   = flag.Int("once.ops", 16, "pushes and pops of each client of TestOnce")
	onceKills = flag.Int("once.kills", 2, "SIGKILLs of the leader in TestOnce")
	onceLate  = flag.Duration("once.late", 300*time.Millisecond,
		"TestOnce repeats each request so late, at most")
)

// answer is what a client was told under a key.
type answer struct {
	status      int
	contentType string
	body        string
}

// keyed is one operation under a key, and its answer once there is one.
type keyed struct {
	key, call, value string // value: of a push
	first            answer
	again            time.Time // when it is repeated
}

// onceClient does one operation after the other, and repeats each after it was answered.
type onceClient struct {
	t       *testing.T
	urls    []string
	http    *http.Client
	tries   int
	settled []*keyed
	late    []*keyed // not repeated yet
}

// TestOnce: 30 % of the requests and of the answers between clients and nodes are lost, cut or
// repeated, and 30 % of the messages between nodes, while the leader is killed again and again and
// logs are short. Each push is there once, each popped value was given to one key, and every answer
// to a key is the first one, to the byte.
func TestOnce(t *testing.T) {
	c := startLined(t, proc.Options{Flags: small})
	var urls []string
	for _, n := range c.Nodes {
		web, err := proxy.ListenWeb(n.HTTP, proxy.WebFaults{
			Lose: 0.1, Cut: 0.1, Repeat: 0.1, LoseReply: 0.15, CutReply: 0.15,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(web.Close)
		urls = append(urls, "http://"+web.Address())
	}
	const clients = 8
	post(c.Nodes[0].URL()+"/v1/stacks/once/push", "first", "first")
	lift := c.imposeAll(proxy.Faults{Loss: 0.14, Duplicate: 0.14, Break: 0.02})
	var wait sync.WaitGroup
	gate := newGate(*onceKills, clients**onceOps)
	all := make([]*onceClient, clients)
	for i := range all {
		o := &onceClient{t: t, urls: urls, http: newWeb(t)}
		all[i] = o
		wait.Go(func() { o.run(i, gate) })
	}
	for gate.next() {
		leader := c.WaitLeader()
		leader.Kill()
		c.start(leader)
		leader.WaitServing()
		gate.killed()
	}
	wait.Wait()
	lift()
	c.WaitReady()
	waitEqual(t, c.URLs())
	judgeOnce(t, all, items(t, c.URLs()[rand.IntN(3)], "once"))
	for _, n := range c.Nodes {
		n.WaitStatus("its log", func(s rsm.Status) bool {
			t.Logf("node %d: %d entries, the last snapshot at %d", n.ID, s.Applied, s.SnapshotIndex)
			return true
		})
	}
}

func newWeb(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Timeout: 3 * time.Second, Transport: transport}
}

func (o *onceClient) run(client int, gate *gate) {
	for i := range *onceOps {
		gate.pass()
		k := &keyed{key: fmt.Sprintf("%d-%d", client, i), call: "pop"}
		if i%2 == 0 {
			k.call, k.value = "push", "v"+k.key
		}
		a, ok := o.settle(k)
		if !ok {
			gate.open()
			return
		}
		k.first, k.again = a, time.Now().Add(rand.N(*onceLate+1))
		o.settled, o.late = append(o.settled, k), append(o.late, k)
		o.repeatDue(false)
	}
	o.repeatDue(true)
}

// repeatDue repeats what is due, or, waiting for it, all.
func (o *onceClient) repeatDue(all bool) {
	var rest []*keyed
	for _, k := range o.late {
		left := time.Until(k.again)
		if left > 0 && !all {
			rest = append(rest, k)
			continue
		}
		<-time.After(left)
		if a, ok := o.settle(k); ok && a != k.first {
			o.t.Errorf("%s under the key %s was answered %+v, and later %+v", k.call, k.key, k.first, a)
		}
	}
	o.late = rest
}

// settle repeats an operation through random nodes until it is answered.
func (o *onceClient) settle(k *keyed) (answer, bool) {
	limit := time.Now().Add(time.Minute)
	for {
		o.tries++
		a, err := o.attempt(k)
		switch {
		case err == nil && a.status == http.StatusOK:
			return a, true
		case err == nil && a.status < 500 && a.status != http.StatusTooManyRequests:
			o.t.Errorf("%s under the key %s: %d %s", k.call, k.key, a.status, a.body)
			return a, false
		case time.Now().After(limit):
			o.t.Errorf("%s under the key %s: no answer within a minute: %+v, %v", k.call, k.key, a, err)
			return a, false
		}
		<-time.After(rand.N(20 * time.Millisecond))
	}
}

func (o *onceClient) attempt(k *keyed) (a answer, err error) {
	url := o.urls[rand.IntN(len(o.urls))] + "/v1/stacks/once/" + k.call
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(k.value))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Idempotency-Key", k.key)
	r.Header.Set("Drystone-Timeout", "2s")
	reply, err := o.http.Do(r)
	if err != nil {
		return a, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	return answer{reply.StatusCode, reply.Header.Get("Content-Type"), string(body)}, err
}

// judgeOnce compares what clients were told with what is left.
func judgeOnce(t *testing.T, all []*onceClient, left []string) {
	t.Helper()
	pushed, out := map[string]bool{"first": true}, map[string]string{} // out: value to where it went
	came := func(value, where string) {
		if before, twice := out[value]; twice {
			t.Errorf("%s came to %s and to %s", value, before, where)
		}
		out[value] = where
	}
	ops, tries, popped := 0, 0, 0
	for _, o := range all {
		tries += o.tries
		for _, k := range o.settled {
			ops++
			if k.call == "push" {
				pushed[k.value] = true
				continue
			}
			var reply struct{ Values []string }
			if err := json.Unmarshal([]byte(k.first.body), &reply); err != nil {
				t.Errorf("pop %s: %v: %s", k.key, err, k.first.body)
			}
			for _, v := range reply.Values {
				popped++
				came(v, "the key "+k.key)
			}
		}
	}
	for _, v := range left {
		came(v, "the stack")
	}
	for v := range pushed {
		if out[v] == "" {
			t.Errorf("%s was pushed and is nowhere", v)
		}
	}
	for v, where := range out {
		if !pushed[v] {
			t.Errorf("%s came to %s and was never pushed", v, where)
		}
	}
	if want := len(all) * *onceOps; ops != want {
		t.Errorf("%d of %d operations were answered", ops, want)
	}
	t.Logf("%d operations, each at least twice, %d requests; %d values popped, %d left", ops, tries,
		popped, len(left))
}
