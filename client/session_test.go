package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

func openSession(t *testing.T, c *Client) *Session {
	t.Helper()
	s, err := c.OpenSession(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.Close(ctx)
	})
	return s
}

func pushIn(ctx context.Context, c *Client, s *Session, seq uint64, value string) (Pushed, error) {
	o := PushOptions{WriteOptions: WriteOptions{Session: s, Seq: seq}}
	return c.Push(ctx, "a", [][]byte{[]byte(value)}, o)
}

func numbered(n int) (out []string) {
	for i := range n {
		out = append(out, strconv.Itoa(i))
	}
	return out
}

// Each write of a session takes effect once and in order, whatever is lost on the way, and each
// request says which replies have arrived.
func TestSessionKeepsOrder(t *testing.T) {
	server := newCluster()
	var mu sync.Mutex
	var acks []uint64
	l := newLine(t, server, func(n int, r *http.Request) loss {
		if ack := r.Header.Get("Drystone-Ack"); ack != "" {
			number, _ := strconv.ParseUint(ack, 10, 64)
			mu.Lock()
			defer mu.Unlock()
			acks = append(acks, number)
		}
		return loss(n % int(silence)) // nothing, request, answer, halfAnswer
	})
	c := newClient(t, soon, l.URL)
	s := openSession(t, c)
	const pushes = 12
	for i, value := range numbered(pushes) {
		p, err := pushIn(context.Background(), c, s, 0, value)
		if err != nil || p.Size != uint64(i+1) {
			t.Fatalf("push %d: %+v, %v", i, p, err)
		}
	}
	if got := server.values(); !slices.Equal(got, numbered(pushes)) {
		t.Errorf("executed %q", got)
	}
	if !slices.IsSorted(acks) || len(acks) < 2 || acks[len(acks)-1] == 0 {
		t.Errorf("acknowledged %v", acks)
	}
	kept := server.sessions[s.ID()]
	if len(kept.replies) > 1 || kept.acked != pushes-1 {
		t.Errorf("the server keeps %d replies, acknowledged up to %d", len(kept.replies), kept.acked)
	}
	if err := s.Close(context.Background()); err != nil || len(server.sessions) != 0 {
		t.Errorf("%v; %d sessions are open", err, len(server.sessions))
	}
	if err := s.Close(context.Background()); err != nil {
		t.Errorf("closed again: %v", err)
	}
	if _, err := pushIn(context.Background(), c, s, 0, "late"); !errors.Is(err, ErrSessionExpired) ||
		!errors.Is(err, ErrNotApplied) {
		t.Errorf("after its end: %v", err)
	}
}

// Goroutines share a session; every write takes effect once.
func TestSessionIsShared(t *testing.T) {
	server := newCluster()
	l := newLine(t, server, func(n int, _ *http.Request) loss {
		return [...]loss{nothing, answer, nothing, request, nothing, halfAnswer, nothing}[n%7]
	})
	c := newClient(t, soon, l.URL)
	s := openSession(t, c)
	const callers, each = 12, 10
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for j := range each {
				value := strconv.Itoa(i*each + j)
				if _, err := pushIn(context.Background(), c, s, 0, value); err != nil {
					t.Errorf("%s: %v", value, err)
				}
			}
		})
	}
	all.Wait()
	got := server.values()
	for i := range callers { // what one goroutine does is in order
		last := -1
		for at, value := range got {
			if n, _ := strconv.Atoi(value); n/each == i {
				if n <= last {
					t.Errorf("%d was executed after %d, at %d", n, last, at)
				}
				last = n
			}
		}
	}
	want := numbered(callers * each)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d pushes were executed, %d asked for", len(got), len(want))
	}
	if a := s.ack(); a != callers*each {
		t.Errorf("acknowledged up to %d of %d", a, callers*each)
	}
}

// A full window holds the next write back until one is done, and gives up one whose outcome nobody
// has asked for.
func TestWindow(t *testing.T) {
	w := newWindow()
	for want := uint64(1); want <= windowSize; want++ {
		if seq, _ := w.take(); seq != want {
			t.Fatalf("took %d, want %d", seq, want)
		}
	}
	w.release(2, true)
	seq, full := w.take()
	if seq != 0 || w.ack() != 0 {
		t.Fatalf("took %d beyond the window; acknowledged up to %d", seq, w.ack())
	}
	w.release(1, true)
	select {
	case <-full:
	default:
		t.Error("whoever waits is not told")
	}
	if seq, _ := w.take(); seq != windowSize+1 || w.ack() != 2 {
		t.Errorf("took %d; acknowledged up to %d", seq, w.ack())
	}
	w.take()
	_, full = w.take()
	w.release(4, false)
	select {
	case <-full:
		t.Error("4 ends, and 3 is still under way: there is no room")
	default:
	}
	w.release(3, false)
	select {
	case <-full:
	default:
		t.Error("whoever waits is not told that 3 may be given up")
	}
	if !w.retake(3) || w.retake(3) || w.retake(2) || w.retake(windowSize+3) || w.retake(0) {
		t.Error("only what is unsettled can be taken again, and once")
	}
	if seq, _ := w.take(); seq != 0 {
		t.Errorf("took %d while 3 is under way again", seq)
	}
	w.release(3, false)
	if seq, _ := w.take(); seq != windowSize+3 || w.ack() != 3 {
		t.Errorf("took %d; acknowledged up to %d", seq, w.ack())
	}
	if w.retake(3) || !w.retake(4) {
		t.Error("3 was given up, and 4 was not")
	}
}

// A write that waits for room ends with its context, without having been sent.
func TestFullSession(t *testing.T) {
	server := newCluster()
	c := newClient(t, soon, newLine(t, server, never).URL)
	s := openSession(t, c)
	for range windowSize {
		s.window.take()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := pushIn(ctx, c, s, 0, "1")
	if !errors.Is(err, ErrNotApplied) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := pushIn(context.Background(), c, s, 0, "2")
		done <- err
	}()
	s.window.release(1, true)
	if err := <-done; err != nil || !slices.Equal(server.values(), []string{"2"}) {
		t.Errorf("%v; executed %q", err, server.values())
	}
}

// A write whose answer never came is repeated by its number, or settled by its name.
func TestUnknownInSession(t *testing.T) {
	server := newCluster()
	l := newLine(t, server, never)
	c := newClient(t, soon, l.URL)
	s := openSession(t, c)
	lost := func(value string) *Error {
		t.Helper()
		l.set(always(silence))
		defer l.set(never)
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		_, err := pushIn(ctx, c, s, 0, value)
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, ErrUnknown) || !e.RetrySafe || e.Session != s.ID() ||
			e.RequestID != fmt.Sprintf("%s/%d", s.ID(), e.Seq) || e.Next == "" {
			t.Fatalf("%+v", e)
		}
		return e
	}
	first, second, third := lost("1"), lost("2"), lost("3")
	if _, err := pushIn(context.Background(), c, s, 0, "4"); err != nil {
		t.Fatal(err)
	}
	p, err := pushIn(context.Background(), c, s, first.Seq, "1")
	if err != nil || !p.Replayed || p.Size != 1 {
		t.Errorf("repeated: %+v, %v", p, err)
	}
	if _, err := pushIn(context.Background(), c, s, first.Seq, "1"); !errors.Is(err, ErrNotApplied) {
		t.Errorf("repeated after its answer: %v", err)
	}
	fate, err := c.Settle(context.Background(), second.RequestID)
	if err != nil || fate.Outcome != OutcomeApplied || fields(t, fate.Result)["size"] != 2.0 {
		t.Errorf("settled: %+v, %v", fate, err)
	}
	server.do(func() { delete(server.sessions, s.ID()) })
	_, err = pushIn(context.Background(), c, s, third.Seq, "3")
	if !errors.Is(err, ErrSessionExpired) || !errors.Is(err, ErrUnknown) {
		t.Errorf("a repeat in a session that is gone: %v", err)
	}
	if got := server.values(); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
		t.Errorf("executed %q", got)
	}
}

// The first attempt finds the session gone: nothing was done. A later one cannot tell.
func TestSessionGone(t *testing.T) {
	for name, c := range map[string]struct {
		first loss
		is    error
	}{"at once": {nothing, ErrNotApplied}, "after doubt": {request, ErrUnknown}} {
		t.Run(name, func(t *testing.T) {
			server := newCluster()
			l := newLine(t, server, never)
			client := newClient(t, soon, l.URL)
			s := openSession(t, client)
			server.do(func() { clear(server.sessions) })
			l.set(func(n int, _ *http.Request) loss {
				if n == 2 {
					return c.first
				}
				return nothing
			})
			_, err := pushIn(context.Background(), client, s, 0, "1")
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrSessionExpired) || !errors.Is(err, c.is) ||
				e.Next == "" || e.RetrySafe != (c.is == ErrNotApplied) {
				t.Errorf("%+v", e)
			}
			before := l.requests()
			if _, err := pushIn(context.Background(), client, s, 0, "2"); !errors.Is(err, ErrNotApplied) {
				t.Errorf("the next one: %v", err)
			}
			if l.requests() != before {
				t.Error("a session that is known to be gone is asked for again")
			}
			if err := s.Close(context.Background()); err != nil {
				t.Errorf("its close: %v", err)
			}
		})
	}
}

// A session that is not used is kept alive, and no longer once it is closed or gone.
func TestKeepAlive(t *testing.T) {
	server := newCluster()
	server.ttlMs = 30
	asked := make(chan bool, 1000)
	l := newLine(t, server, func(_ int, r *http.Request) loss {
		if r.URL.Path != "/v1/sessions" {
			asked <- true
		}
		return nothing
	})
	c := newClient(t, soon, l.URL)
	first, second := openSession(t, c), openSession(t, c)
	for range 4 {
		select {
		case <-asked:
		case <-time.After(soon):
			t.Fatal("no session is kept alive")
		}
	}
	if err := first.Close(context.Background()); err != nil {
		t.Error(err)
	}
	server.do(func() { clear(server.sessions) })
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for gone := false; !gone; <-again.C { // the next keepalive learns it
		second.mu.Lock()
		gone = second.gone
		second.mu.Unlock()
	}
	if first.alive != nil || second.alive != nil {
		t.Error("a session that is closed or gone is kept alive")
	}
}

// Options that contradict each other are refused before anything is sent.
func TestWriteOptions(t *testing.T) {
	l := newLine(t, newCluster(), never)
	c := newClient(t, soon, l.URL)
	s := openSession(t, c)
	before := l.requests()
	for _, o := range []WriteOptions{
		{Key: "k", Session: s}, {NoKey: true, Session: s}, {Key: "k", NoKey: true}, {Seq: 1},
		{Session: s, Seq: 1},
	} {
		_, err := c.Pop(context.Background(), "a", PopOptions{WriteOptions: o})
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, ErrNotApplied) || e.Detail == "" || e.Next == "" {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if l.requests() != before {
		t.Error("they were sent")
	}
}
