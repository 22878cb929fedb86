package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

const manyRequests = 60

// asked sends numbered requests over a web line. It gives how often each arrived whole, and what
// came back of each.
func asked(t *testing.T, f WebFaults) (arrived map[string]int, answers []string) {
	t.Helper()
	var mu sync.Mutex
	arrived = map[string]int{}
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		arrived[string(body)]++
		w.Header().Set("Name", r.Header.Get("Name"))
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%s %s", r.URL.EscapedPath(), body)
	}))
	defer target.Close()
	line, err := ListenWeb(target.Listener.Addr().String(), f)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for i := range manyRequests {
		r, err := http.NewRequest(http.MethodPost, "http://"+line.Address()+"/a%2Fb",
			strings.NewReader(fmt.Sprint("request ", i)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Name", "value")
		answer := ""
		if reply, err := transport.RoundTrip(r); err == nil {
			body, err := io.ReadAll(reply.Body)
			reply.Body.Close()
			if err == nil {
				answer = fmt.Sprint(reply.StatusCode, reply.Header.Get("Name"), string(body))
			}
		}
		answers = append(answers, answer)
	}
	line.Close()
	target.Close()
	mu.Lock()
	defer mu.Unlock()
	return arrived, answers
}

func TestWeb(t *testing.T) {
	for _, x := range []struct {
		name            string
		faults          WebFaults
		arrive, answers int // of each request
	}{
		{"nothing", WebFaults{}, 1, 1},
		{"lose", WebFaults{Lose: 1}, 0, 0},
		{"cut", WebFaults{Cut: 1}, 0, 0},
		{"repeat", WebFaults{Repeat: 1}, 2, 1},
		{"lose replies", WebFaults{LoseReply: 1}, 1, 0},
		{"cut replies", WebFaults{CutReply: 1}, 1, 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			arrived, answers := asked(t, x.faults)
			for i, answer := range answers {
				body, want := fmt.Sprint("request ", i), ""
				if x.answers > 0 {
					want = "202value/a%2Fb " + body
				}
				if arrived[body] != x.arrive || answer != want {
					t.Errorf("%s arrived %d times and was answered %q, want %d and %q", body, arrived[body],
						answer, x.arrive, want)
				}
			}
		})
	}
}

// TestWebShares: of some of each, most go through.
func TestWebShares(t *testing.T) {
	arrived, answers := asked(t, WebFaults{Lose: 0.1, Cut: 0.1, Repeat: 0.1, LoseReply: 0.1})
	through := 0
	for _, answer := range answers {
		if answer != "" {
			through++
		}
	}
	if through < manyRequests/4 || through == manyRequests || len(arrived) < through {
		t.Errorf("of %d requests %d arrived and %d were answered", manyRequests, len(arrived), through)
	}
}
