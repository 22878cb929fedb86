package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// web is an HTTP client that gives up on a paused node soon enough to try another.
var web = &http.Client{
	Timeout:   3 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute},
}

// post sends one raw body and gives status, body and headers; status 0 when nothing came back.
func post(url, key, body string) (int, string, http.Header) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	return send(req)
}

func get(url string) (int, string, http.Header) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		panic(err)
	}
	return send(req)
}

func send(req *http.Request) (int, string, http.Header) { return sendBy(web, req) }

func sendBy(client *http.Client, req *http.Request) (int, string, http.Header) {
	reply, err := client.Do(req)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		return 0, err.Error(), nil
	}
	return reply.StatusCode, string(body), reply.Header
}

// load is clients that push unique values onto one stack, each under a key of its own, repeating
// through random nodes until one acknowledges.
type load struct {
	stack   string
	urls    []string // of nodes that take requests; see setURLs
	mu      sync.Mutex
	each    int // pushes of one client
	clients int
	gate    func(done int) bool // whether a client that has done so many may go on

	acked [][]string // by client, in order
	acks  atomic.Int64
	tries atomic.Int64
	stop  atomic.Bool
	wait  sync.WaitGroup
}

// setURLs says through which nodes to go from now on.
func (l *load) setURLs(urls ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.urls = urls
}

func (l *load) url() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.urls[rand.IntN(len(l.urls))]
}

func (l *load) start(t *testing.T) {
	l.acked = make([][]string, l.clients)
	for c := range l.clients {
		l.wait.Go(func() { l.client(t, c) })
	}
}

func (l *load) client(t *testing.T, c int) {
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for i := 0; i < l.each && !l.stop.Load(); i++ {
		for l.gate != nil && !l.gate(i) && !l.stop.Load() {
			<-pace.C
		}
		value := fmt.Sprintf("c%d-%d", c, i)
		deadline := time.Now().Add(time.Minute)
		for !l.stop.Load() {
			l.tries.Add(1)
			status, body, _ := post(l.url()+"/v1/stacks/"+l.stack+"/push",
				"k-"+l.stack+"-"+value, value)
			if status == http.StatusOK {
				l.acked[c] = append(l.acked[c], value)
				l.acks.Add(1)
				break
			}
			if status != 0 && status < 500 && status != http.StatusTooManyRequests {
				t.Errorf("push %s: status %d: %s", value, status, body)
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("push %s: no acknowledgement within a minute; last: %d %s", value, status, body)
				return
			}
			<-pace.C
		}
	}
}

// verify reads the stack and checks that every acknowledged value is there once, and that
// nothing is there that was not sent.
func (l *load) verify(t *testing.T, url string) {
	t.Helper()
	count := map[string]int{}
	for _, v := range items(t, url, l.stack) {
		count[v]++
	}
	acked := 0
	for _, values := range l.acked {
		for _, v := range values {
			acked++
			if count[v] != 1 {
				t.Errorf("%s was acknowledged and is there %d times", v, count[v])
			}
		}
	}
	for v, n := range count {
		if n != 1 {
			t.Errorf("%s is there %d times", v, n)
		}
	}
	if !l.stop.Load() && acked != l.clients*l.each {
		t.Errorf("%d of %d pushes were acknowledged", acked, l.clients*l.each)
	}
	if len(count) > l.clients*l.each || len(count) < acked {
		t.Errorf("the stack holds %d values, %d were acknowledged", len(count), acked)
	}
}

// items lists a whole stack from the top.
func items(t *testing.T, url, stack string) (all []string) {
	t.Helper()
	for {
		var page struct {
			Values []string
			Size   int
		}
		status, body, _ := eventually(t, func() (int, string, http.Header) {
			return get(fmt.Sprintf("%s/v1/stacks/%s/items?offset=%d&limit=1000", url, stack, len(all)))
		})
		if status == http.StatusNotFound {
			return nil
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatalf("items: %v: %s", err, body)
		}
		all = append(all, page.Values...)
		if len(all) >= page.Size || len(page.Values) == 0 {
			return all
		}
	}
}

// eventually repeats a call until it gives anything but no answer or a 5xx.
func eventually(t *testing.T, call func() (int, string, http.Header)) (int, string, http.Header) {
	t.Helper()
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	deadline := time.Now().Add(30 * time.Second)
	for {
		status, body, h := call()
		if status != 0 && status < 500 {
			return status, body, h
		}
		if time.Now().After(deadline) {
			t.Fatalf("no answer for 30 s; last: %d %s", status, body)
		}
		<-pace.C
	}
}

// status is what the tests read of GET /v1/status.
type status struct {
	NodeID    uint64 `json:"node_id"`
	Role      string `json:"role"`
	LeaderID  uint64 `json:"leader_id"`
	Term      uint64 `json:"term"`
	Applied   uint64 `json:"applied"`
	Commit    uint64 `json:"commit"`
	StateHash string `json:"state_hash"`
	Health    string `json:"health"`
	Reason    string `json:"reason"`
	LastIndex uint64 `json:"last_index"`
}

func statusOf(url string) (s status, ok bool) {
	code, body, _ := get(url + "/v1/status")
	return s, code == http.StatusOK && json.Unmarshal([]byte(body), &s) == nil
}

// waitEqual waits until all nodes have applied the same index, and compares their hashes.
func waitEqual(t *testing.T, urls []string) {
	t.Helper()
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	deadline := time.Now().Add(30 * time.Second)
	for {
		all := make([]status, 0, len(urls))
		equal := true
		for _, url := range urls {
			s, ok := statusOf(url)
			equal = equal && ok && s.LeaderID != 0
			all = append(all, s)
		}
		for _, s := range all {
			equal = equal && s.Applied == all[0].Applied && s.LastIndex == all[0].LastIndex
		}
		if equal {
			for _, s := range all {
				if s.StateHash != all[0].StateHash {
					t.Errorf("state_hash at %d: node %d has %s, node %d has %s", s.Applied,
						all[0].NodeID, all[0].StateHash, s.NodeID, s.StateHash)
				}
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the nodes did not come together within 30 s: %+v", all)
		}
		<-pace.C
	}
}
