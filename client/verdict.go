package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// attempts is what was learned on the way to a verdict.
type attempts struct {
	began   time.Time
	last    *Error   // that a node reported, if any did; otherwise the network's
	doubt   bool     // an attempt may have taken effect
	reasons []string // why endpoints gave no answer, each once
}

// mostReasons bounds what an error lists.
const mostReasons = 8

// note takes in why an attempt failed. One that the end of the call cut short tells less than those
// before, but for the doubt that it leaves.
func (a *attempts) note(ctx context.Context, e *Error) {
	// A node that says that a session is gone cannot know whether this was the first attempt. The
	// attempt itself had no effect.
	a.doubt = a.doubt || e.resent || e.Outcome == OutcomeUnknown && e.Code != codeSessionExpired
	if a.last != nil && ctx.Err() != nil && e.Status == 0 {
		return
	}
	if e.Status == 0 {
		if len(a.reasons) < mostReasons && !slices.Contains(a.reasons, e.Detail) {
			a.reasons = append(a.reasons, e.Detail)
		}
		if a.last != nil && a.last.Status != 0 {
			return
		}
	}
	a.last = e
}

// refused says whether a node has given a reason, which is worth more than a further silence.
func (a *attempts) refused() bool { return a.last != nil && a.last.Status != 0 }

// allBusy is the error of a call that no node wants to hear of in its time.
func allBusy(wait time.Duration) *Error {
	return &Error{
		Code: codeOverload, Title: "The nodes have too much to do", RetrySafe: true,
		Status: http.StatusTooManyRequests, Outcome: OutcomeNotApplied,
		Detail: fmt.Sprintf("All nodes asked not to be called for another %v.",
			wait.Round(time.Millisecond)),
		Next: "Repeat it after that.",
	}
}

// verdict is the error of the whole call. "Not applied" speaks of one attempt: when another may
// have taken effect, the outcome of the call is unknown. The exceptions are a key that stands for
// another command, and a request that was fenced: then no attempt took effect.
func (a *attempts) verdict(k call, e *Error) *Error {
	v := *e
	if !k.write { // it has no effect to be uncertain of
		v.Outcome, v.RetrySafe = OutcomeNotApplied, true
		if v.Status == 0 && v.Code == CodeNoAnswer {
			v.Next = "Repeat it."
		}
		return &v
	}
	v.RequestID = cmp.Or(k.key, k.id, v.RequestID)
	if k.session != nil {
		v.Session, v.Seq = k.session.id, k.seq
		v.RequestID = fmt.Sprintf("%s/%d", v.Session, v.Seq)
	}
	switch {
	case v.Code == codeSessionExpired:
		return a.expired(&v)
	case a.doubt && v.Outcome == OutcomeNotApplied && v.Code != codeKeyReused && v.Code != codeFenced:
		v.Code, v.Title, v.Outcome = codeOutcomeUnknown, "The outcome is unknown", OutcomeUnknown
		v.Detail = "An earlier attempt may have taken effect. The last answer was: " + e.Detail
		v.Next = ""
	}
	switch v.Outcome {
	case OutcomeUnknown:
		v.RetrySafe = k.repeatable()
		switch { // a node's own words stay: it knows more
		case v.Code == CodeNotDrystone:
			v.Next += " " + k.wayOut(&v)
		case v.Status == 0 || v.Next == "":
			v.Next = k.wayOut(&v)
		}
	case OutcomeNotApplied:
		if v.Status == 0 && v.Code == CodeNoAnswer {
			v.Next = "Repeat it: nothing was done."
		}
	}
	return &v
}

// wayOut is what to do about a write whose outcome is unknown.
func (k *call) wayOut(e *Error) string {
	switch {
	case k.idempotent:
		return "Repeat it: doing it twice is doing it once."
	case k.key != "":
		return "Repeat it with the same key: it cannot take effect twice. Client.Settle tells what " +
			"became of it without a repeat."
	case k.session != nil:
		return "Repeat it with the same Seq of its session: it cannot take effect twice. Client.Settle " +
			"tells what became of it without a repeat."
	case e.RequestID != "":
		return "Client.Settle tells what became of it, and makes it final."
	}
	return "Read what it would have changed before you repeat it. With a key a repeat is always safe."
}

// expired is the error of a write whose session is gone. It executes never after; whether it has
// depends on the attempts before.
func (a *attempts) expired(v *Error) *Error {
	v.Outcome, v.RetrySafe = OutcomeNotApplied, true
	v.Next = "Open another session and repeat it there."
	fate := "This write was not applied, and never will be."
	if a.doubt {
		v.Outcome, v.RetrySafe = OutcomeUnknown, false
		v.Next = "Read what it would have changed before you repeat it in another session."
		fate = "This write will not execute any more, but an earlier attempt may have taken effect."
	}
	v.Detail = fmt.Sprintf("Session %s is gone: it was closed, or not used for too long. %s",
		v.Session, fate)
	return v
}

// giveUp is the error of a call whose time is up, or whose caller left.
func (a *attempts) giveUp(ctx context.Context, k call) *Error {
	v := a.verdict(k, a.last)
	v.cause = cmp.Or(ctx.Err(), context.DeadlineExceeded)
	if errors.Is(ctx.Err(), context.Canceled) {
		v.Code, v.Title = CodeCancelled, "The caller left"
		v.Detail = "The call was cancelled before an answer came."
		return v
	}
	switch v.Code {
	case CodeUnreachable:
		v.Detail = strings.Join(a.reasons, " ")
	case CodeNoAnswer:
		v.Detail = fmt.Sprintf("No answer came within %v: %s",
			time.Since(a.began).Round(time.Millisecond), strings.Join(a.reasons, " "))
	}
	return v
}
