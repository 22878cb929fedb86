package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"drystone/internal/proc"
)

// seedCall is one of the six calls of old: POST with a plain body, an answer in one line.
func seedCall(t *testing.T, url, call, body string, wantCode int, want string) http.Header {
	t.Helper()
	code, got, h := post(url+call, "", body)
	if code != wantCode || (want != "*" && got != want) {
		t.Errorf("%s %s: %d %q, want %d %q", call, body, code, got, wantCode, want)
	}
	return h
}

// TestSeedCalls are the six calls on every node of five, each seeing what the others did.
func TestSeedCalls(t *testing.T) {
	c := proc.Start(t, proc.Options{Nodes: 5})
	urls := c.URLs()
	at := func(i int) string { return urls[i%len(urls)] }
	seedCall(t, at(0), "/sId", "1", 404, "*")
	seedCall(t, at(1), "/sPush", "1,10", 404, "*")
	seedCall(t, at(2), "/sCreate", "1", 200, "1\n")
	seedCall(t, at(3), "/sId", "1", 200, "1\n")
	seedCall(t, at(4), "/sSize", "1", 200, "0\n")
	if h := seedCall(t, at(0), "/sPop", "1", 204, ""); h.Get("Drystone-Empty") != "true" {
		t.Errorf("pop of an empty stack: Drystone-Empty is %q", h.Get("Drystone-Empty"))
	}
	if h := seedCall(t, at(0), "/sTop", "1", 204, ""); h.Get("Drystone-Empty") != "true" {
		t.Errorf("top of an empty stack: Drystone-Empty is %q", h.Get("Drystone-Empty"))
	}
	seedCall(t, at(1), "/sPush", "1,10", 200, "1\n")
	seedCall(t, at(2), "/sPush", "1,20", 200, "2\n")
	seedCall(t, at(3), "/sTop", "1", 200, "20\n")
	// B7: creating a stack that stands never erases it.
	seedCall(t, at(4), "/sCreate", "1", 200, "1\n")
	seedCall(t, at(0), "/sSize", "1", 200, "2\n")
	// B4: the value reaches the client.
	h := seedCall(t, at(1), "/sPop", "1", 200, "20\n")
	if h.Get("Deprecation") == "" || !strings.Contains(h.Get("Link"), "/v1/stacks/1") {
		t.Errorf("Deprecation %q, Link %q", h.Get("Deprecation"), h.Get("Link"))
	}
	// The same stacks as the new routes.
	if code, body, _ := get(at(2) + "/v1/stacks/1"); code != 200 || !strings.Contains(body, `"size":1`) {
		t.Errorf("GET /v1/stacks/1: %d %s", code, body)
	}
	// B5: bodies that crashed the original.
	for _, bad := range []string{"", "1", ",", "1,", ",10"} {
		seedCall(t, at(3), "/sPush", bad, 400, "*")
	}
	for _, url := range urls {
		if s, ok := statusOf(url); !ok || s.LeaderID == 0 {
			t.Errorf("%s does not serve any more", url)
		}
	}
	if code, _, h := get(at(4) + "/sPop"); code != 405 || h.Get("Allow") == "" {
		t.Errorf("GET /sPop: %d, Allow %q", code, h.Get("Allow"))
	}
}

// TestManyPushes is B2 and B5: no lost update from one client or from eight, and no limit at the
// 101st item.
func TestManyPushes(t *testing.T) {
	c := proc.Start(t, proc.Options{Nodes: 5})
	one := &load{stack: "one", urls: c.URLs()[:1], each: 1000, clients: 1}
	one.start(t)
	one.wait.Wait()
	one.verify(t, c.URLs()[1])
	got := items(t, c.URLs()[2], "one")
	for i, v := range got {
		if want := fmt.Sprintf("c0-%d", len(got)-1-i); v != want {
			t.Fatalf("item %d from the top is %s, want %s: the order of one client was lost", i, v, want)
		}
	}
	eight := &load{stack: "eight", urls: c.URLs(), each: 250, clients: 8}
	eight.start(t)
	eight.wait.Wait()
	eight.verify(t, c.URLs()[3])
	waitEqual(t, c.URLs())
}

// TestRepeatedRequest is B1: a repeat under one key runs once, on any node, also across a kill of
// the leader, with the same body.
func TestRepeatedRequest(t *testing.T) {
	c := proc.Start(t, proc.Options{Nodes: 3})
	url := func(i int) string { return c.URLs()[i%3] + "/v1/stacks/s/push" }
	code, first, h := post(url(0), "k1", "a")
	if code != 200 || h.Get("Idempotency-Replayed") != "" {
		t.Fatalf("first push: %d %s, replayed %q", code, first, h.Get("Idempotency-Replayed"))
	}
	c.WaitLeader().Kill()
	for i, n := range c.Nodes {
		if !n.Running() {
			continue
		}
		code, again, h := eventually(t, func() (int, string, http.Header) {
			return post(url(i), "k1", "a")
		})
		if code != 200 || again != first || h.Get("Idempotency-Replayed") != "true" {
			t.Errorf("repeat: %d %s, replayed %q; first was %s", code, again,
				h.Get("Idempotency-Replayed"), first)
		}
		if code, body, _ := post(url(i), "k1", "b"); code != 422 {
			t.Errorf("another command under the key: %d %s", code, body)
		}
		if got := items(t, n.URL(), "s"); len(got) != 1 {
			t.Errorf("the stack holds %q", got)
		}
	}
}

// TestNoQuorum is B3 and B8: a node without a majority acknowledges nothing, hangs on nothing and
// reads nothing stale; and what it refused as not applied never shows.
func TestNoQuorum(t *testing.T) {
	c := proc.Start(t, proc.Options{Nodes: 3})
	leader := c.WaitLeader()
	if code, body, _ := post(leader.URL()+"/v1/stacks/s/push", "", "before"); code != 200 {
		t.Fatalf("push: %d %s", code, body)
	}
	for _, n := range c.Followers() {
		n.Kill()
	}
	outcomes := map[string]string{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			value := fmt.Sprintf("during-%d", i)
			url := leader.URL() + "/v1/stacks/s/push"
			req, _ := http.NewRequest(http.MethodPost, url, strings.NewReader(value))
			req.Header.Set("Drystone-Timeout", "1s")
			began := time.Now()
			code, body, _ := send(req)
			if code == 200 || code == 0 {
				t.Errorf("push without a majority: %d %s", code, body)
			}
			if took := time.Since(began); took > 2500*time.Millisecond {
				t.Errorf("an answer due in 1 s took %v", took)
			}
			mu.Lock()
			defer mu.Unlock()
			outcomes[value] = body
		})
	}
	wait.Wait()
	read, _ := http.NewRequest("GET", leader.URL()+"/v1/stacks/s/top", nil)
	read.Header.Set("Drystone-Timeout", "1s")
	if code, body, _ := send(read); code != 503 {
		t.Errorf("linearizable read without a majority: %d %s", code, body)
	}
	if code, body, _ := get(leader.URL() + "/v1/stacks/s/top?consistency=stale"); code != 200 {
		t.Errorf("stale read on request: %d %s", code, body)
	}
	for _, n := range c.Nodes {
		if !n.Running() {
			n.Start()
		}
	}
	c.WaitReady()
	there := map[string]bool{}
	for _, v := range items(t, leader.URL(), "s") {
		there[v] = true
	}
	if !there["before"] {
		t.Error("an acknowledged push is gone")
	}
	for value, body := range outcomes {
		if there[value] && strings.Contains(body, `"not_applied"`) {
			t.Errorf("%s was reported not applied and is there: %s", value, body)
		}
	}
}

// TestEmpty is B6: empty is an answer, and no entry is written to say so twice.
func TestEmpty(t *testing.T) {
	c := proc.Start(t, proc.Options{Nodes: 1})
	url := c.URLs()[0]
	seedCall(t, url, "/sCreate", "e", 200, "e\n")
	code, body, _ := post(url+"/v1/stacks/e/pop", "", "")
	if code != 200 || !strings.Contains(body, `"values":[],"empty":true,"size":0`) {
		t.Errorf("pop of an empty stack: %d %s", code, body)
	}
	code, body, _ = get(url + "/v1/stacks/e/size")
	if code != 200 || !strings.Contains(body, `"size":0`) {
		t.Errorf("size of an empty stack: %d %s", code, body)
	}
	_, _, first := get(url + "/v1/stacks/e/top")
	code, _, again := get(url + "/v1/stacks/e/top")
	if a, b := first.Get("Drystone-Index"), again.Get("Drystone-Index"); code != 200 || a != b {
		t.Errorf("a read wrote to the log: %d, from %s to %s", code, a, b)
	}
}

// TestSeedCommandLines is S0.1, S0.2, S0.3 and S0.5, with B9's half that a directory keeps its
// membership: the single node of the original README, then the Procfile's five, in one working
// directory. Word by word but for the ports: other tests use ports at the same time.
func TestSeedCommandLines(t *testing.T) {
	work := t.TempDir()
	ports := freeSeedPorts(t)
	line := ports.in(strings.Fields("serve --id 1 --cluster http://127.0.0.1:12379 --port 12380"))
	url := ports.in([]string{"http://127.0.0.1:12380"})[0]
	one := start(t, work, line...)
	waitServes(t, url)
	seedCall(t, url, "/sCreate", "1", 200, "1\n")
	seedCall(t, url, "/sPush", "1,10", 200, "1\n")
	one.Process.Kill()
	one.Wait()
	if _, err := os.Stat(filepath.Join(work, "drystone-1")); err != nil {
		t.Errorf("the data directory: %v", err)
	}
	// Restarted, it replays what it had acknowledged.
	one = start(t, work, line...)
	waitServes(t, url)
	seedCall(t, url, "/sTop", "1", 200, "10\n")
	one.Process.Kill()
	one.Wait()

	var urls []string
	running := map[string]*exec.Cmd{}
	lines := procfile(t)
	for i := range lines {
		lines[i] = ports.in(lines[i])
		running[lines[i][0]] = start(t, work, lines[i][1:]...)
		urls = append(urls, ports.in([]string{fmt.Sprintf("http://127.0.0.1:%d", 12380+10000*i)})[0])
	}
	for _, url := range urls {
		waitServes(t, url)
	}
	seedCall(t, urls[0], "/sCreate", "1", 200, "1\n")
	seedCall(t, urls[1], "/sPush", "1,10", 200, "1\n")
	// Kill one, go on, restart it: it has what it missed.
	first := lines[0]
	running[first[0]].Process.Kill()
	running[first[0]].Wait()
	code, body, _ := eventually(t, func() (int, string, http.Header) {
		return post(urls[2]+"/sPush", "k", "1,20")
	})
	if code != 200 || body != "2\n" {
		t.Errorf("push with a node down: %d %q", code, body)
	}
	start(t, work, first[1:]...)
	waitServes(t, urls[0])
	seedCall(t, urls[0], "/sPop", "1", 200, "20\n")
	waitEqual(t, urls)
}

// seedPorts stand for the ports that the original README and Procfile name.
type seedPorts struct{ replace *strings.Replacer }

func freeSeedPorts(t *testing.T) seedPorts {
	var pairs []string
	for i, port := range proc.FreePorts(t, 10) {
		pairs = append(pairs, strconv.Itoa(12379+10000*(i/2)+i%2), strconv.Itoa(port))
	}
	return seedPorts{strings.NewReplacer(pairs...)}
}

func (p seedPorts) in(words []string) (out []string) {
	for _, w := range words {
		out = append(out, p.replace.Replace(w))
	}
	return out
}

// procfile gives the lines of the repository's Procfile: name and arguments of drystone.
func procfile(t *testing.T) (lines [][]string) {
	t.Helper()
	text, err := os.ReadFile("../Procfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, command, _ := strings.Cut(line, ":")
		at := strings.Index(command, "serve ")
		if at < 0 {
			t.Fatalf("a line of the Procfile without serve: %s", line)
		}
		lines = append(lines, append([]string{name}, strings.Fields(command[at:])...))
	}
	if len(lines) != 5 {
		t.Fatalf("the Procfile has %d processes, want 5", len(lines))
	}
	for i, words := range lines {
		line := strings.Join(words, " ")
		peer := fmt.Sprintf("http://127.0.0.1:%d", 12379+10000*i)
		port := fmt.Sprintf("--id %d ", i+1)
		if !strings.Contains(line, peer) || !strings.Contains(line, port) ||
			!strings.HasSuffix(line, fmt.Sprintf("--port %d", 12380+10000*i)) {
			t.Errorf("the Procfile's process %d has other ports than the original: %s", i+1, line)
		}
	}
	return lines
}

// start runs drystone in a working directory, until the test ends.
func start(t *testing.T, work string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(proc.Binary(t), args...)
	cmd.Dir = work
	log, err := os.CreateTemp(work, "log")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("%v:\n%s", args, text)
		}
	})
	return cmd
}

func waitServes(t *testing.T, url string) {
	t.Helper()
	eventually(t, func() (int, string, http.Header) {
		code, body, h := get(url + "/readyz")
		if code != 200 {
			return 0, body, h
		}
		return code, body, h
	})
}
