package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drystone/internal/proc"
	"drystone/rsm"
	"drystone/torture/history"
)

var partedRounds = flag.Int("parted.rounds", 2, "partitions of TestParted")

// probe is what one request on the wrong side of a partition was told.
type probe struct {
	value   string // of a push; "" for a read
	status  int
	code    string
	outcome string
	late    time.Duration // after its deadline
}

// TestParted: two nodes of five are cut off, with the leader and without it. They answer every
// write and every linearizable read by its deadline, and never with success; nothing they refused
// is applied later. The other three go on. Then there is one history.
func TestParted(t *testing.T) {
	c := startLined(t, proc.Options{Nodes: 5})
	b := newBook(t, c.Cluster)
	const pause = 10 * time.Millisecond
	// These go everywhere, and see both sides.
	b.reader(0, from1(5), pause)
	b.writer(t, 1, from1(5), pause)
	if status, body, _ := post(c.Node(1).URL()+"/v1/stacks/probed/push", "", "first"); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	var probes []probe
	for round := range *partedRounds {
		minority := c.Followers()[:2]
		if round%2 == 0 {
			minority[1] = c.WaitLeader()
		}
		heal := c.part(minority...)
		var mu sync.Mutex
		var wait sync.WaitGroup
		for _, n := range minority {
			for i := range 6 {
				wait.Go(func() {
					p := probeOnce(t, n.URL(), fmt.Sprintf("p%d-%d-%d", round, n.ID, i), i)
					mu.Lock()
					defer mu.Unlock()
					probes = append(probes, p)
				})
			}
		}
		goOn(t, b, c, minority, round)
		wait.Wait()
		heal()
		c.WaitReady()
		// What was under way is through once the old side has followed the new one.
		waitApplied(t, c.URLs())
	}
	b.stop.Store(true)
	b.wait.Wait()
	waitEqual(t, c.URLs())
	judgeProbes(t, probes, items(t, c.URLs()[0], "probed"))
	r := b.judge(t)
	t.Logf("%d partitions, %d probes; %d requests of others, %d stacks, %d open", *partedRounds,
		len(probes), r.Ops, r.Stacks, r.Open)
}

// waitApplied waits until all nodes have applied what any of them has now, under load.
func waitApplied(t *testing.T, urls []string) {
	t.Helper()
	most := uint64(0)
	for _, url := range urls {
		if s, ok := statusOf(url); ok {
			most = max(most, s.LastIndex)
		}
	}
	for _, url := range urls {
		eventually(t, func() (int, string, http.Header) {
			return get(fmt.Sprintf("%s/v1/status?applied=%d", url, most))
		})
	}
}

// goOn pushes and reads on the side of the majority: each is answered well, once somebody leads.
func goOn(t *testing.T, b *book, c *lined, minority []*proc.Node, round int) {
	t.Helper()
	var majority []int
	for _, n := range c.Nodes {
		if !slices.Contains(minority, n) {
			majority = append(majority, int(n.ID))
			n.WaitStatus("a leader on its side", func(s rsm.Status) bool {
				return s.LeaderID != 0 && !slices.ContainsFunc(minority, func(m *proc.Node) bool {
					return m.ID == s.LeaderID
				})
			})
		}
	}
	for i := range 30 {
		op := history.Op{Client: 2, Op: history.Push, Args: history.Args{
			Stack: b.name(), Values: []string{fmt.Sprintf("m%d-%d", round, i)},
		}}
		if i%2 == 1 {
			op = history.Op{Client: 2, Op: history.Items, Args: op.Args}
			op.Args.Values = nil
		} else {
			op.Key = "k" + op.Args.Values[0]
		}
		if got := b.do(op, majority[i%3], 10*time.Second); got.Outcome != history.Applied {
			t.Errorf("round %d: %s through node %d of the majority: %s %s", round, op.Op, got.Node,
				got.Outcome, got.Code)
		}
	}
}

// probeOnce pushes with a key or without one, or reads.
func probeOnce(t *testing.T, url, value string, i int) probe {
	const deadline = 700 * time.Millisecond
	p, method, path := probe{value: value}, http.MethodPost, "/v1/stacks/probed/push"
	if i%3 == 2 {
		p.value, method, path = "", http.MethodGet, "/v1/stacks/probed/items"
	}
	r, err := http.NewRequest(method, url+path, strings.NewReader(p.value))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Drystone-Timeout", deadline.String())
	if i%3 == 0 {
		r.Header.Set("Idempotency-Key", value)
	}
	began := time.Now()
	status, body, _ := sendBy(patient, r)
	p.status, p.late = status, time.Since(began)-deadline
	var problem struct{ Code, Outcome string }
	if err := json.Unmarshal([]byte(body), &problem); err != nil {
		t.Errorf("%s %s: %d %s", method, path, status, body)
	}
	p.code, p.outcome = problem.Code, problem.Outcome
	unknown := http.StatusConflict
	if i%3 == 0 {
		unknown = http.StatusGatewayTimeout
	}
	switch {
	case status == http.StatusServiceUnavailable && p.outcome == "not_applied":
	case p.value != "" && status == unknown && p.code == "outcome_unknown" && p.outcome == "unknown":
	default:
		t.Errorf("%s %s on the side of the minority: %d %s", method, path, status, body)
	}
	if p.late > lateness() {
		t.Errorf("%s %s was answered %v after its deadline", method, path, p.late)
	}
	return p
}

// judgeProbes: what was refused is not there, and what is unknown is there once at most.
func judgeProbes(t *testing.T, probes []probe, stack []string) {
	t.Helper()
	count, answers := map[string]int{}, map[string]int{}
	for _, v := range stack {
		count[v]++
	}
	for _, p := range probes {
		answers[fmt.Sprintf("%d %s read=%t", p.status, p.code, p.value == "")]++
		if p.outcome == "not_applied" && p.value != "" && count[p.value] > 0 {
			t.Errorf("%s was refused (%d %s) and is there", p.value, p.status, p.code)
		}
		if count[p.value] > 1 {
			t.Errorf("%s is there %d times", p.value, count[p.value])
		}
	}
	if count["first"] != 1 {
		t.Errorf("what was pushed before is there %d times", count["first"])
	}
	t.Logf("%v; %d of the unknown were applied", answers, len(stack)-1)
}
