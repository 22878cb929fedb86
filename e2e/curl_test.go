package e2e

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"drystone/internal/proc"
)

var curlKills = flag.Int("curl.kills", 3, "SIGKILLs of the leader that the curl of TestCurl meets")

// TestCurl: one push by curl, which repeats it by itself under its key. At each of its attempts the
// leader is killed, a moment before or after the request has got there, and the answer is lost. One
// item is on the stack.
func TestCurl(t *testing.T) {
	c := proc.Start(t, proc.Options{Nodes: 3})
	urls := c.URLs()
	attempts, killed := make(chan struct{}), make(chan struct{})
	var seen atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to, err := url.Parse(urls[rand.IntN(len(urls))])
		if err != nil {
			panic(err)
		}
		pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
		if int(seen.Add(1)) > *curlKills {
			pass.ServeHTTP(w, r)
			return
		}
		attempts <- struct{}{}
		pass.ErrorHandler = func(http.ResponseWriter, *http.Request, error) {} // the node was killed
		pass.ServeHTTP(httptest.NewRecorder(), r)
		<-killed
		panic(http.ErrAbortHandler) // the connection breaks
	}))
	defer front.Close()

	type end struct {
		answer string
		err    error
	}
	ended := make(chan end, 1)
	go func() {
		answer, err := pushRepeating(t, front.URL+"/v1/stacks/s/push")
		ended <- end{answer, err}
	}()
	for range *curlKills {
		leader := c.WaitLeader()
		select {
		case <-attempts:
		case e := <-ended:
			t.Fatalf("it ended after %d attempts: %q, %v", seen.Load(), e.answer, e.err)
		}
		<-time.After(rand.N(15 * time.Millisecond))
		leader.Kill()
		leader.Start()
		leader.WaitServing()
		killed <- struct{}{}
	}
	e := <-ended
	if e.err != nil || !strings.Contains(e.answer, `"size":1`) {
		t.Errorf("after %d attempts it says %q, %v", seen.Load(), e.answer, e.err)
	}
	c.WaitReady()
	waitEqual(t, urls)
	if left := items(t, urls[0], "s"); len(left) != 1 || left[0] != "v" {
		t.Errorf("the stack holds %q, want one item", left)
	}
	t.Logf("%d kills, %d attempts: %s", *curlKills, seen.Load(), strings.TrimSpace(e.answer))
}

// pushRepeating pushes v under a key, and repeats that as long as it gets no good answer.
func pushRepeating(t *testing.T, url string) (answer string, err error) {
	if path, err := exec.LookPath("curl"); err == nil {
		cmd := exec.CommandContext(t.Context(), path, "--silent", "--show-error", "--retry", "20",
			"--retry-all-errors", "--retry-delay", "1", "-H", `Idempotency-Key: "k1"`, "-d", "v", url)
		var words bytes.Buffer
		cmd.Stderr = &words
		out, err := cmd.Output()
		if err != nil {
			t.Logf("curl: %s", words.String())
		}
		return string(out), err
	}
	for range 21 {
		r, err := http.NewRequest(http.MethodPost, url, strings.NewReader("v"))
		if err != nil {
			return "", err
		}
		r.Header.Set("Idempotency-Key", `"k1"`)
		status, body, _ := send(r)
		if status == http.StatusOK {
			return body, nil
		}
		<-time.After(time.Second)
	}
	return "", http.ErrServerClosed
}
