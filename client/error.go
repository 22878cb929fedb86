package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
)

// What an error of a call may match, by errors.Is.
var (
	// ErrUnknown: the write may have taken effect, or may yet. Repeat it with the key that
	// Error.RequestID names: it cannot take effect twice.
	ErrUnknown = errors.New("the outcome is unknown")
	// ErrNotApplied: nothing was done, and nothing will be. Repeating it is safe.
	ErrNotApplied = errors.New("not applied")
	// ErrNoSuchStack: there is no stack of that name.
	ErrNoSuchStack = errors.New("no such stack")
)

// Outcomes, as Error.Outcome has them.
const (
	OutcomeApplied    = "applied"
	OutcomeNotApplied = "not_applied"
	OutcomeUnknown    = "unknown"
)

var outcomes = []string{OutcomeApplied, OutcomeNotApplied, OutcomeUnknown}

// Codes that the client itself gives; all others are the server's, of docs/errors.md.
const (
	// CodeUnreachable: no endpoint took a connection.
	CodeUnreachable = "unreachable"
	// CodeNoAnswer: a request was sent, and no answer came.
	CodeNoAnswer = "no_answer"
	// CodeCancelled: the caller's context was cancelled.
	CodeCancelled = "cancelled"
	// CodeNotDrystone: something else than drystone answered.
	CodeNotDrystone = "not_drystone"

	codeBadKey         = "bad_idempotency_key"
	codeOutcomeUnknown = "outcome_unknown"
	codeKeyReused      = "key_reused"
	codeNoSuchStack    = "no_such_stack"
)

// Error is why a call has no result: a problem that a node reported, or that the client met on
// the way to one.
type Error struct {
	Code      string `json:"code"`
	Title     string `json:"title"`
	Status    int    `json:"status"` // HTTP; 0 when the client gave up by itself
	Detail    string `json:"detail"` // the cause, a sentence
	Outcome   string `json:"outcome"`
	RequestID string `json:"request_id"` // of a write: its Idempotency-Key
	RetrySafe bool   `json:"retry_safe"`
	Next      string `json:"next"` // what to do about it
	Endpoint  string `json:"-"`    // who said so; "" when nobody did

	cause error // the context's error, if that ended the call
}

// Error tells the cause, the code, and what became of the request.
func (e *Error) Error() string {
	text := strings.TrimSuffix(e.Detail, ".")
	if text == "" {
		text = e.Title
	}
	switch e.Outcome {
	case OutcomeUnknown:
		return fmt.Sprintf("%s (%s; the outcome of request %s is unknown)", text, e.Code, e.RequestID)
	case OutcomeNotApplied:
		return fmt.Sprintf("%s (%s; not applied)", text, e.Code)
	}
	return fmt.Sprintf("%s (%s)", text, e.Code)
}

// Is matches ErrUnknown, ErrNotApplied and ErrNoSuchStack.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrUnknown:
		return e.Outcome == OutcomeUnknown
	case ErrNotApplied:
		return e.Outcome == OutcomeNotApplied
	case ErrNoSuchStack:
		return e.Code == codeNoSuchStack
	}
	return false
}

// Unwrap gives the context's error, if the context ended the call.
func (e *Error) Unwrap() error { return e.cause }

// errorOf makes an Error of a reply that is no success.
func errorOf(endpoint string, status int, header http.Header, body []byte) *Error {
	e := &Error{}
	if !strings.HasPrefix(header.Get("Content-Type"), "application/problem+json") ||
		json.Unmarshal(body, e) != nil || e.Code == "" || !slices.Contains(outcomes, e.Outcome) {
		return strange(endpoint, status, fmt.Sprintf("%s answers %d %s, but not in the words of "+
			"drystone: something else listens there, or stands in between.", endpoint, status,
			http.StatusText(status)))
	}
	e.Status, e.Endpoint = status, endpoint
	return e
}

// strange is an answer of something that is not drystone: whatever it passed the request on to,
// it does not say.
func strange(endpoint string, status int, detail string) *Error {
	return &Error{
		Code: CodeNotDrystone, Title: "Something else answered", Status: status,
		Outcome: OutcomeUnknown, Endpoint: endpoint, RetrySafe: true, Detail: detail,
		Next: "Check the address of the endpoint, and any proxy on the way.",
	}
}

// unreached says in words why an endpoint gave no answer.
func unreached(endpoint string, sent bool, err error) *Error {
	e := &Error{
		Code: CodeUnreachable, Title: "No connection", Outcome: OutcomeNotApplied, RetrySafe: true,
		Endpoint: endpoint, Detail: endpoint + " " + inWords(err) + ".",
		Next: "Check that the nodes run (drystone dev status) and that the endpoints are theirs.",
	}
	if sent {
		e.Code, e.Title, e.Outcome = CodeNoAnswer, "No answer", OutcomeUnknown
		e.Next = "Repeat it with the same key: it cannot take effect twice."
	}
	return e
}

// inWords translates what the network says.
func inWords(err error) string {
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refuses the connection: nothing listens there"
	case errors.As(err, &dns):
		return "has a host name that cannot be resolved"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "did not answer in time"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "broke the connection before it had answered"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "cannot be reached from here"
	}
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next // the innermost says it without the request around it
	}
	return "could not be asked: " + err.Error()
}
