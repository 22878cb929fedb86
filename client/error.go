package client

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What an error of a call may match, by errors.Is.
var (
	// ErrUnknown: the write may have taken effect, or may yet. Repeat it under the identity that
	// Error.RequestID, or Error.Seq in a session, names: it cannot take effect twice. Or ask
	// Client.Settle.
	ErrUnknown = errors.New("the outcome is unknown")
	// ErrNotApplied: nothing was done, and nothing will be. Repeating it is safe.
	ErrNotApplied = errors.New("not applied")
	// ErrNoSuchStack: there is no stack of that name.
	ErrNoSuchStack = errors.New("no such stack")
	// ErrSessionExpired: the session is gone. The write does not execute any more; whether it has,
	// ErrUnknown and ErrNotApplied tell.
	ErrSessionExpired = errors.New("the session is gone")
)

// Outcomes, as Error.Outcome has them.
const (
	OutcomeApplied    = "applied"
	OutcomeNotApplied = "not_applied"
	OutcomeUnknown    = "unknown"
)

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
	// CodeOtherCluster: a node of another cluster listens at the endpoint.
	CodeOtherCluster = "other_cluster"

	codeBadRequest     = "bad_request"
	codeBadKey         = "bad_idempotency_key"
	codeBootstrapping  = "bootstrapping"
	codeOutcomeUnknown = "outcome_unknown"
	codeOverload       = "overload"
	codeFenced         = "fenced"
	codeKeyReused      = "key_reused"
	codeNoSuchStack    = "no_such_stack"
	codeSessionExpired = "session_expired"
)

// Error is why a call has no result: a problem that a node reported, or that the client met on
// the way to one.
type Error struct {
	Code      string `json:"code"`
	Title     string `json:"title"`
	Status    int    `json:"status"` // HTTP; 0 when the client gave up by itself
	Detail    string `json:"detail"` // the cause, a sentence
	Outcome   string `json:"outcome"`
	RequestID string `json:"request_id"` // of a write: its key, or what the node called it
	RetrySafe bool   `json:"retry_safe"` // a repeat as it was cannot double its effect
	Next      string `json:"next"`       // what to do about it
	Endpoint  string `json:"-"`          // who said so; "" when nobody did

	Session string `json:"session,omitempty"` // of a write in one
	Seq     uint64 `json:"seq,omitempty"`     // its place there: see WriteOptions.Seq

	cause      error         // the context's error, if that ended the call
	retryAfter time.Duration // the node asks for so long a pause
	resent     bool          // an earlier copy of the attempt may have arrived
	unmet      bool          // there was no connection, and it may open none
	hopeless   bool          // another attempt at this endpoint would end alike
}

// Error tells the cause, the code, and what became of the request.
func (e *Error) Error() string {
	text := strings.TrimSuffix(e.Detail, ".")
	if text == "" {
		text = e.Title
	}
	switch e.Outcome {
	case OutcomeUnknown:
		return fmt.Sprintf("%s (%s; the outcome of %s is unknown)", text, e.Code, e.name())
	case OutcomeNotApplied:
		return fmt.Sprintf("%s (%s; not applied)", text, e.Code)
	}
	return fmt.Sprintf("%s (%s)", text, e.Code)
}

// name is what a person may call the request.
func (e *Error) name() string {
	if e.RequestID == "" {
		return "the request, which has no name,"
	}
	return "request " + e.RequestID
}

// Is matches the variables of this package that begin with Err.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrUnknown:
		return e.Outcome == OutcomeUnknown
	case ErrNotApplied:
		return e.Outcome == OutcomeNotApplied
	case ErrNoSuchStack:
		return e.Code == codeNoSuchStack
	case ErrSessionExpired:
		return e.Code == codeSessionExpired
	}
	return false
}

// Unwrap gives the context's error, if the context ended the call.
func (e *Error) Unwrap() error { return e.cause }
