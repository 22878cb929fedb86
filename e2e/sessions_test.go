package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drystone/internal/proc"
	"drystone/rsm"
)

var (
	sessionsOpened = flag.Int("sessions.opened", 150, "sessions that TestSessions opens")
	sessionsMax    = flag.Int("sessions.max", 30, "--max-sessions of TestSessions")
)

const sessionTTL = time.Second

// TestSessions: far more sessions are opened than may be at a time, on nodes whose flags differ.
// Those that are used stay, those that are not expire and execute nothing more, on all nodes alike,
// and no node grows.
func TestSessions(t *testing.T) {
	c := proc.New(t, proc.Options{Flags: append([]string{
		// Opening has a key; those stored replies are not to be what grows.
		"--session-ttl", sessionTTL.String(), "--request-retention", "5s",
	}, small...)})
	for i, n := range c.Nodes {
		n.Start("--max-sessions", strconv.Itoa(*sessionsMax+i))
	}
	c.WaitReady()
	s := &sessions{t: t, urls: c.URLs()}
	s.openFirst()
	limit := atMost(t, c)
	mustWarn(t, c)

	var lived, openers sync.WaitGroup
	alive := *sessionsMax / 5
	for range alive {
		o := s.openFirst()
		lived.Go(func() { s.live(o) })
	}
	for range 8 {
		openers.Go(s.openMany)
	}
	before := s.halfway(c, limit)
	openers.Wait()
	after := memory(t, c)
	s.stop.Store(true)
	lived.Wait()
	waitEqual(t, s.urls)
	s.judge(alive)
	for i := range after {
		// What is free for the taking in a process differs by some MiB from moment to moment.
		if after[i] > before[i]*3/2+16<<20 {
			t.Errorf("node %d grew from %d to %d KiB", i+1, before[i]>>10, after[i]>>10)
		}
	}
	t.Logf("%d sessions opened, at most %d at a time; %d times there was no room, %d closed, %d "+
		"expired; %d kept alive for %d requests, %d of them used too late; resident KiB at half %d, at "+
		"the end %d", s.opened.Load(), limit, s.full.Load(), s.closed.Load(), s.expired.Load(),
		alive, s.used.Load(), s.starved.Load(), kib(before), kib(after))
}

// session is one that a client has opened.
type session struct {
	id    uint64
	seq   uint64    // last that was answered
	began time.Time // of the last request that was executed in it
	log   uint64    // log time at which that was executed, or later
	dead  bool      // it must be gone
}

// sessions opens them, uses them, and sees to what becomes of them.
type sessions struct {
	t    *testing.T
	urls []string
	stop atomic.Bool

	opened, full, closed, expired, used, starved atomic.Int64

	mu     sync.Mutex
	pushed map[string]bool // values that were acknowledged
}

// call asks a random node until it is answered otherwise than that it can't now.
func (s *sessions) call(method, path, body string, header ...string) (int, string) {
	status, text, _ := eventually(s.t, func() (int, string, http.Header) {
		r, err := http.NewRequest(method, s.urls[rand.IntN(len(s.urls))]+path, strings.NewReader(body))
		if err != nil {
			panic(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return send(r)
	})
	return status, text
}

// open opens one; nil when there is no room.
func (s *sessions) open() *session {
	o := &session{began: time.Now()}
	key := fmt.Sprintf("open-%d", rand.Uint64())
	status, body := s.call(http.MethodPost, "/v1/sessions", "", "Idempotency-Key", key)
	if status == http.StatusTooManyRequests && strings.Contains(body, `"too_many_sessions"`) {
		s.full.Add(1)
		return nil
	}
	var reply struct {
		Session uint64
		TTL     int64 `json:"ttl_ms"`
	}
	if err := json.Unmarshal([]byte(body), &reply); err != nil || status != http.StatusOK ||
		reply.Session == 0 || reply.TTL != sessionTTL.Milliseconds() {
		s.t.Errorf("opening a session: %d %s", status, body)
		return nil
	}
	o.id = reply.Session
	s.opened.Add(1)
	return o
}

// openFirst opens one while there is room.
func (s *sessions) openFirst() *session {
	o := s.open()
	if o == nil {
		s.t.Fatal("there is no room for the first sessions")
	}
	return o
}

func value(id, seq uint64) string { return fmt.Sprintf("s%d-%d", id, seq) }

// push executes the next number of a session: 200, or 410 when that is gone.
func (s *sessions) push(o *session) (status int) {
	began := time.Now()
	o.seq++
	v := value(o.id, o.seq)
	status, body := s.call(http.MethodPost, "/v1/stacks/sessions/push", v,
		"Drystone-Session", fmt.Sprint(o.id), "Drystone-Seq", fmt.Sprint(o.seq),
		"Drystone-Ack", fmt.Sprint(o.seq-1))
	switch {
	case status == http.StatusOK:
		o.began = began
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.pushed == nil {
			s.pushed = map[string]bool{}
		}
		s.pushed[v] = true
	case status == http.StatusGone && strings.Contains(body, `"session_expired"`):
	default:
		s.t.Errorf("%s: %d %s", v, status, body)
	}
	return status
}

// live uses a session all the time, by requests and by keeping it alive. Log time goes no faster
// than a clock: what was used and is used again within its time to live must be there.
func (s *sessions) live(o *session) {
	for i := 0; !s.stop.Load(); i++ {
		before, began := o.began, time.Now()
		var status int
		var body string
		if i%2 == 0 {
			status = s.push(o)
		} else {
			status, body = s.call(http.MethodPost, fmt.Sprintf("/v1/sessions/%d/keepalive", o.id), "")
			if status == http.StatusOK {
				o.began = began
			}
		}
		since := time.Since(before)
		switch {
		case status == http.StatusOK:
			s.used.Add(1)
		case status == http.StatusGone && since >= sessionTTL:
			s.starved.Add(1) // this machine did not let its client use it in time
			for o = nil; o == nil && !s.stop.Load(); <-time.After(sessionTTL / 20) {
				o = s.open()
			}
		default:
			s.t.Errorf("session %d was used %v ago, and is gone: %d %s", o.id, since, status, body)
			return
		}
		<-time.After(rand.N(sessionTTL / 2))
	}
}

// openMany opens sessions, and uses, closes or forgets each.
func (s *sessions) openMany() {
	var idle []*session
	for s.opened.Load() < int64(*sessionsOpened) && !s.t.Failed() {
		o := s.open()
		if o == nil {
			<-time.After(sessionTTL / 20)
		} else {
			s.leave(o)
			idle = append(idle, o)
		}
		// Those that are known to have expired are tried.
		for len(idle) > 0 && s.gone(idle[0]) {
			s.mustExecuteNothing(idle[0])
			idle = idle[1:]
		}
	}
	for _, o := range idle {
		limit := time.Now().Add(proc.Patience)
		for !s.gone(o) && time.Now().Before(limit) {
			s.call(http.MethodPost, "/v1/stacks/clock/push", "x") // time passes with entries
			<-time.After(sessionTTL / 10)
		}
		s.mustExecuteNothing(o)
	}
}

// leave uses a session for the last time: it is pushed in, closed, or forgotten as it is.
func (s *sessions) leave(o *session) {
	switch rand.IntN(3) {
	case 0:
		if s.push(o) != http.StatusOK {
			o.seq--
		}
	case 1:
		status, body := s.call(http.MethodDelete, fmt.Sprintf("/v1/sessions/%d", o.id), "")
		if status != http.StatusOK && status != http.StatusGone {
			s.t.Errorf("closing session %d: %d %s", o.id, status, body)
		}
		o.dead = true
		s.closed.Add(1)
	}
	o.log = s.logTime()
}

// gone says that a session must be: log time has gone far enough since it was used.
func (s *sessions) gone(o *session) bool {
	return o.dead || o.log > 0 && s.logTime() >= o.log+uint64(sessionTTL.Milliseconds())
}

// logTime is at least what any answer so far was given at.
func (s *sessions) logTime() (most uint64) {
	for _, url := range s.urls {
		var status rsm.Status
		if code, body, _ := get(url + "/v1/status"); code == http.StatusOK &&
			json.Unmarshal([]byte(body), &status) == nil {
			most = max(most, status.LogTimeMs)
		}
	}
	return most
}

// mustExecuteNothing tries a session that is gone: with a new number, and with those it used.
func (s *sessions) mustExecuteNothing(o *session) {
	for seq := uint64(1); seq <= o.seq+1; seq++ {
		try := &session{id: o.id, seq: seq - 1}
		if status := s.push(try); status != http.StatusGone {
			s.t.Errorf("session %d is gone, and number %d is answered %d", o.id, seq, status)
		}
	}
	if !o.dead {
		s.expired.Add(1)
	}
}

// halfway watches that there are never more sessions than the setting allows, until half of them
// were opened, and says how much memory the nodes use then.
func (s *sessions) halfway(c *proc.Cluster, limit uint64) []uint64 {
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for s.opened.Load() < int64(*sessionsOpened/2) && !s.t.Failed() {
		<-pace.C
		for _, n := range c.Nodes {
			if st, err := n.Status(s.t.Context()); err == nil && st.Sessions > limit {
				s.t.Errorf("node %d has %d sessions, at most %d are allowed", n.ID, st.Sessions, limit)
			}
		}
	}
	return memory(s.t, c)
}

// judge compares what was acknowledged with the stack.
func (s *sessions) judge(alive int) {
	count := map[string]int{}
	for _, v := range items(s.t, s.urls[0], "sessions") {
		count[v]++
	}
	for v := range s.pushed {
		if count[v] != 1 {
			s.t.Errorf("%s was acknowledged and is there %d times", v, count[v])
		}
	}
	for v, n := range count {
		if !s.pushed[v] || n != 1 {
			s.t.Errorf("%s is there %d times, acknowledged=%t", v, n, s.pushed[v])
		}
	}
	if s.opened.Load() < int64(*sessionsOpened) || s.full.Load() == 0 || s.expired.Load() == 0 {
		s.t.Errorf("%d opened, no room %d times, %d expired: too little happened", s.opened.Load(),
			s.full.Load(), s.expired.Load())
	}
	if s.used.Load() < int64(alive) {
		s.t.Errorf("%d sessions were used %d times", alive, s.used.Load())
	}
}

// atMost is how many sessions the cluster allows: what the first leader's flag said.
func atMost(t *testing.T, c *proc.Cluster) (limit uint64) {
	t.Helper()
	for _, n := range c.Nodes {
		n.WaitStatus("the cluster's settings", func(s rsm.Status) bool {
			at := uint64(s.Settings.MaxSessions)
			known := s.Op > 0 // until then it is its own flag
			if known && limit != 0 && at != limit {
				t.Errorf("node %d allows %d sessions, another node %d", n.ID, at, limit)
			}
			limit = at
			return known
		})
	}
	if least := uint64(*sessionsMax); limit < least || limit > least+2 {
		t.Errorf("%d sessions are allowed, which no flag says", limit)
	}
	return limit
}

// mustWarn waits until the nodes whose flags do not count have said so: all but one.
func mustWarn(t *testing.T, c *proc.Cluster) {
	t.Helper()
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	limit := time.Now().Add(proc.Patience)
	for {
		warned := 0
		for _, n := range c.Nodes {
			if strings.Contains(n.Log(), "differs from the cluster's setting") {
				warned++
			}
		}
		if warned == len(c.Nodes)-1 {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%d nodes warn that their flag differs, want %d", warned, len(c.Nodes)-1)
		}
		<-pace.C
	}
}

// memory is what each node keeps resident; nothing where that can't be asked for.
func memory(t *testing.T, c *proc.Cluster) []uint64 {
	t.Helper()
	all := make([]uint64, len(c.Nodes))
	if runtime.GOOS != "linux" {
		return all
	}
	for i, n := range c.Nodes {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", n.Pid()))
		if err != nil {
			t.Fatal(err)
		}
		pages, err := strconv.ParseUint(strings.Fields(string(text))[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = pages * uint64(os.Getpagesize())
	}
	return all
}

func kib(bytes []uint64) (all []uint64) {
	for _, n := range bytes {
		all = append(all, n>>10)
	}
	return all
}
