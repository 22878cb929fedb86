package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patient waits for every answer: no request is allowed to hang, so none is given up.
var patient = &http.Client{
	Timeout:   20 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute},
}

// port is where a member takes requests.
type port struct {
	url     string
	leaving atomic.Bool // it is being removed: it may refuse, in words
	dead    atomic.Bool // it was killed: it may say nothing at all
}

// traffic is writers, with keys and without, and readers, through the ports of all members. Nobody
// may fail but through a port that is on its way out.
type traffic struct {
	t     *testing.T
	stack string

	mu      sync.Mutex
	ports   []*port
	fates   map[string]fate // of values
	answers map[string]int  // of ports on their way out, by code and outcome
	gap     time.Duration   // the longest without an acknowledgement
	last    time.Time

	sent, acked, reads atomic.Int64
	stop               atomic.Bool
	wait               sync.WaitGroup
}

// fate is what became of a value, as its writer was told.
type fate uint8

const (
	acknowledged fate = iota + 1
	notApplied
	unknown
)

// newTraffic starts three writers with keys, two without and two readers, through one member.
func newTraffic(t *testing.T, stack, url string) *traffic {
	x := &traffic{t: t, stack: stack, fates: map[string]fate{}, answers: map[string]int{}}
	x.add(url)
	for c := range 3 {
		x.each(func(i int) { x.write(fmt.Sprintf("k%d-%d", c, i), true) })
	}
	for c := range 2 {
		x.each(func(i int) { x.write(fmt.Sprintf("u%d-%d", c, i), false) })
		x.each(func(int) { x.read() })
	}
	return x
}

// halt stops everybody; before the processes end.
func (x *traffic) halt() {
	x.stop.Store(true)
	x.wait.Wait()
}

func (x *traffic) each(do func(i int)) {
	x.wait.Go(func() {
		pace := time.NewTicker(2 * time.Millisecond)
		defer pace.Stop()
		for i := 0; !x.stop.Load(); i++ {
			do(i)
			<-pace.C
		}
	})
}

// add lets requests go through a member too.
func (x *traffic) add(url string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ports = append(x.ports, &port{url: url})
}

// leaves says, before it is true, that a member is removed, or killed as well.
func (x *traffic) leaves(url string, killed bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.ports {
		if p.url == url {
			p.leaving.Store(true)
			p.dead.Store(p.dead.Load() || killed)
		}
	}
}

// drop lets no more requests go through a member.
func (x *traffic) drop(url string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, p := range x.ports {
		if p.url == url {
			x.ports = append(x.ports[:i:i], x.ports[i+1:]...)
			return
		}
	}
}

// pick is a port at random.
func (x *traffic) pick() *port {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.ports[rand.IntN(len(x.ports))]
}

// write pushes a value. Under a key it is repeated until one port acknowledges it, without one it
// never is.
func (x *traffic) write(value string, keyed bool) {
	told := notApplied // never sent
	for told != acknowledged && !x.stop.Load() {
		p := x.pick()
		req, err := http.NewRequest(http.MethodPost, p.url+"/v1/stacks/"+x.stack+"/push",
			strings.NewReader(value))
		if err != nil {
			panic(err)
		}
		if keyed {
			req.Header.Set("Idempotency-Key", x.stack+"-"+value)
		}
		x.sent.Add(1)
		code, body, _ := sendBy(patient, req)
		if code == http.StatusOK {
			told = acknowledged
		} else if this := x.refused(p, "push "+value, code, body); told != unknown {
			told = this
		}
		if !keyed {
			break
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fates[value] = told
	if told == acknowledged {
		x.acked.Add(1)
		now := time.Now()
		if !x.last.IsZero() {
			x.gap = max(x.gap, now.Sub(x.last))
		}
		x.last = now
	}
}

// read asks for the size, which is no less than what was acknowledged before.
func (x *traffic) read() {
	p := x.pick()
	least := x.acked.Load()
	req, err := http.NewRequest(http.MethodGet, p.url+"/v1/stacks/"+x.stack+"/size", nil)
	if err != nil {
		panic(err)
	}
	code, body, _ := sendBy(patient, req)
	var got struct{ Size int64 }
	switch {
	case code == http.StatusNotFound && least == 0:
	case code != http.StatusOK:
		x.refused(p, "size", code, body)
	case json.Unmarshal([]byte(body), &got) != nil || got.Size < least || got.Size > x.sent.Load():
		x.t.Errorf("read through %s: %s, with %d acknowledged before", p.url, body, least)
	}
	x.reads.Add(1)
}

// refused judges an answer that is none of success, and says what it tells of the request. Only a
// port on its way out may give one; in words, unless it was killed.
func (x *traffic) refused(p *port, what string, code int, body string) fate {
	if code == 0 {
		if !p.dead.Load() {
			x.t.Errorf("%s through %s: no answer: %s", what, p.url, body)
		}
		return unknown
	}
	var problem struct{ Code, Outcome, Detail, Next string }
	err := json.Unmarshal([]byte(body), &problem)
	inWords := err == nil && problem.Code != "" && len(problem.Detail) > 20 && problem.Next != ""
	if !p.leaving.Load() || !inWords {
		x.t.Errorf("%s through %s: %d %s", what, p.url, code, body)
		return unknown
	}
	if problem.Code == "no_leader" || strings.Contains(problem.Detail, "The deadline passed") {
		x.t.Errorf("%s through %s, which is removed, waited for its deadline: %d %s", what, p.url,
			code, body)
	}
	x.mu.Lock()
	x.answers[problem.Code+"/"+problem.Outcome]++
	x.mu.Unlock()
	switch problem.Outcome {
	case "not_applied":
		return notApplied
	case "unknown":
		return unknown
	}
	x.t.Errorf("%s through %s: %d %s: no such outcome of a refusal", what, p.url, code, body)
	return unknown
}

// goesOn waits until so many writes more are acknowledged, and reads answered.
func (x *traffic) goesOn(n int64) {
	x.t.Helper()
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	acked, reads := x.acked.Load()+n, x.reads.Load()+n/4
	deadline := time.Now().Add(30 * time.Second)
	for x.acked.Load() < acked || x.reads.Load() < reads {
		if time.Now().After(deadline) {
			x.t.Fatalf("the cluster stands still: %d of %d writes, %d of %d reads", x.acked.Load(),
				acked, x.reads.Load(), reads)
		}
		<-pace.C
	}
}

// end stops everybody and checks that each value is there as often as its writer was told.
func (x *traffic) end(url string) {
	x.t.Helper()
	x.halt()
	count := map[string]int{}
	for _, v := range items(x.t, url, x.stack) {
		count[v]++
	}
	told := map[fate]int{}
	for value, f := range x.fates {
		told[f]++
		n := count[value]
		delete(count, value)
		if f == acknowledged && n != 1 || f == notApplied && n != 0 || n > 1 {
			x.t.Errorf("%s is there %d times, and its writer was told %d", value, n, f)
		}
	}
	for value := range count {
		x.t.Errorf("%s is there, and nobody sent it", value)
	}
	x.t.Logf("values: %d acknowledged, %d not applied, %d unknown; reads: %d; longest gap between "+
		"acknowledged writes %v; nodes on their way out answered %v", told[acknowledged],
		told[notApplied], told[unknown], x.reads.Load(), x.gap.Round(time.Millisecond),
		x.answers)
}
