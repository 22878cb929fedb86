package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// Session is a numbered sequence of writes, each of which takes effect once at most, as with a
// key. The cluster keeps less for it than for keys: with each write the client says up to where it
// knows the replies. Give it as WriteOptions.Session to the methods that write.
//
// Many goroutines may share a session. Their writes get their numbers in the order in which they
// begin, and are under way together; one that begins after another has returned also takes effect
// after it. At most 1,024 are without an answer at a time: the next one waits.
//
// A write whose outcome is unknown can be repeated with its number, WriteOptions.Seq, until 1,024
// others have followed it.
//
// The session is kept alive until it is closed.
type Session struct {
	client *Client
	id     string
	ttl    time.Duration
	window *window

	mu     sync.Mutex
	used   time.Time   // when the server last answered in it
	alive  *time.Timer // keeps it alive; nil once it is closed or gone
	gone   bool        // the server does not know it any more
	closed bool
	ctx    context.Context // of keepalives
	cancel context.CancelFunc
	calls  sync.WaitGroup // keepalives under way
}

// OpenSession opens a session. Close it when it is no longer used.
func (c *Client) OpenSession(ctx context.Context) (*Session, error) {
	var out struct {
		Session sessionID `json:"session"`
		TTLMs   uint64    `json:"ttl_ms"`
	}
	k := call{method: http.MethodPost, path: "/v1/sessions"}
	meta, err := c.write(ctx, k, WriteOptions{}, &out)
	if err != nil {
		return nil, err
	}
	if out.Session == "" || out.TTLMs == 0 {
		e := strange(meta.Endpoint, meta.status, meta.Endpoint+" answers something that is no session.")
		return nil, (&attempts{}).verdict(call{write: true, id: meta.RequestID}, e)
	}
	s := &Session{
		client: c, id: string(out.Session), ttl: time.Duration(out.TTLMs) * time.Millisecond,
		window: newWindow(), used: time.Now(),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alive = time.AfterFunc(s.idleTime(), s.keepAlive)
	return s, nil
}

// sessionID is sent back as it came: a number, or text.
type sessionID string

// UnmarshalJSON takes a number or a string.
func (id *sessionID) UnmarshalJSON(data []byte) error {
	if n, err := strconv.ParseUint(string(data), 10, 64); err == nil {
		*id = sessionID(strconv.FormatUint(n, 10))
		return nil
	}
	return json.Unmarshal(data, (*string)(id))
}

// ID is the server's name for the session.
func (s *Session) ID() string { return s.id }

// Close ends the session. Writes that are under way are best waited for before: afterwards their
// outcome may be hard to learn.
func (s *Session) Close(ctx context.Context) error {
	s.mu.Lock()
	known := !s.gone && !s.closed
	s.closed = true
	s.stopTimer()
	s.cancel()
	s.mu.Unlock()
	s.calls.Wait()
	if !known {
		return nil
	}
	k := call{method: http.MethodDelete, path: s.path(""), write: true, idempotent: true}
	if _, err := s.client.send(ctx, k, nil); err != nil && !errors.Is(err, ErrSessionExpired) {
		return err
	}
	return nil
}

func (s *Session) path(action string) string {
	return "/v1/sessions/" + url.PathEscape(s.id) + action
}

func (s *Session) ack() uint64 { return s.window.ack() }

// write sends a write of the session: a new one, or with a seq one whose outcome is unknown.
func (s *Session) write(ctx context.Context, k call, seq uint64, out any) (Meta, error) {
	k.session, k.seq, k.again = s, seq, seq != 0
	if k.again && !s.window.retake(seq) {
		return Meta{}, &Error{
			Code: codeBadRequest, Title: "The write cannot be repeated", Outcome: OutcomeNotApplied,
			RetrySafe: true, Session: s.id, Seq: seq,
			Detail: fmt.Sprintf("Write %d of session %s is not one whose outcome is unknown: it is under "+
				"way, has been answered, was given up after %d others, or was never sent.", seq, s.id,
				windowSize),
			Next: "Repeat only what an Error with ErrUnknown names by its Seq.",
		}
	}
	for k.seq == 0 {
		var full <-chan struct{}
		if k.seq, full = s.window.take(); k.seq != 0 {
			break
		}
		if err := s.waitForRoom(ctx, full); err != nil {
			return Meta{}, err
		}
	}
	meta, err := s.send(ctx, k, out)
	s.window.release(k.seq, !errors.Is(err, ErrUnknown) || errors.Is(err, ErrSessionExpired))
	return meta, err
}

func (s *Session) send(ctx context.Context, k call, out any) (Meta, error) {
	s.mu.Lock()
	over := s.gone || s.closed
	s.mu.Unlock()
	if over {
		progress := attempts{doubt: k.again}
		return Meta{}, progress.verdict(k, &Error{Code: codeSessionExpired, Title: "The session is gone"})
	}
	meta, err := s.client.send(ctx, k, out)
	s.heard(err)
	return meta, err
}

// waitForRoom waits until a full window may have moved.
func (s *Session) waitForRoom(ctx context.Context, full <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, s.client.timeout)
	defer cancel()
	select {
	case <-full:
		return nil
	case <-ctx.Done():
	}
	e := &Error{
		Code: CodeCancelled, Title: "The session is full", Outcome: OutcomeNotApplied, RetrySafe: true,
		Session: s.id, cause: ctx.Err(),
		Detail: fmt.Sprintf("%d writes of session %s are under way, and it takes no more at a time.",
			windowSize, s.id),
		Next: "Repeat it when some of them have returned.",
	}
	return e
}

// heard notes what an answer says of the session itself.
func (s *Session) heard(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var e *Error
	switch {
	case errors.Is(err, ErrSessionExpired):
		s.gone = true
		s.stopTimer()
	case err == nil || errors.As(err, &e) && e.Outcome == OutcomeApplied:
		s.used = time.Now()
	}
}

// stopTimer ends the keepalives. The caller holds the lock.
func (s *Session) stopTimer() {
	if s.alive != nil {
		s.alive.Stop()
		s.alive = nil
	}
}

// idleTime is how long the session may be unused before a keepalive is sent.
func (s *Session) idleTime() time.Duration { return s.ttl / 3 }

// keepAlive runs on the timer. While there are writes there is nothing to do.
func (s *Session) keepAlive() {
	s.mu.Lock()
	if s.alive == nil {
		s.mu.Unlock()
		return
	}
	if left := s.idleTime() - time.Since(s.used); left > 0 {
		s.alive.Reset(left)
		s.mu.Unlock()
		return
	}
	s.calls.Add(1)
	s.mu.Unlock()
	defer s.calls.Done()
	ctx, cancel := context.WithTimeout(s.ctx, s.idleTime())
	defer cancel()
	k := call{method: http.MethodPost, path: s.path("/keepalive"), write: true, idempotent: true}
	_, err := s.client.send(ctx, k, nil)
	s.heard(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.alive != nil {
		s.alive.Reset(s.idleTime() / 4)
	}
}
