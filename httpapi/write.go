package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"drystone/rsm"
)

// maxKeyBytes bounds an Idempotency-Key.
const maxKeyBytes = 128

// BeginWrite reads the deadline and the identity of a write; it has failed the exchange when it
// returns false. Call it before the body is read: what is refused need not be sent.
func (x *Exchange) BeginWrite() bool {
	if !x.Begin() {
		return false
	}
	if !x.readSession() {
		return false
	}
	values := x.r.Header["Idempotency-Key"]
	if len(values) == 0 {
		return true
	}
	key, ok := parseKey(values[0])
	if !ok || len(values) > 1 {
		x.Fail(codeBadKey, fmt.Sprintf("The Idempotency-Key is %s; it must be 1 to %d visible ASCII "+
			"characters, quoted or bare, in one header.", quoted(strings.Join(values, ", ")),
			maxKeyBytes))
		return false
	}
	if x.session.Session != 0 {
		x.Fail(codeBadRequest, "The request has an Idempotency-Key and a Drystone-Session: either is "+
			"enough, and both could not be told apart later.")
		return false
	}
	x.key, x.id = key, key
	return true
}

// parseKey takes a structured-field string (RFC 9651) or the bare characters: both name the same
// key.
func parseKey(s string) (string, bool) {
	if len(s) >= 2 && s[0] == '"' {
		inner, ok := unquoteKey(s)
		if !ok {
			return "", false
		}
		s = inner
	} else if s == `"` {
		return "", false
	}
	if len(s) == 0 || len(s) > maxKeyBytes {
		return "", false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return "", false
		}
	}
	return s, true
}

// unquoteKey strips the quotes; a backslash goes before a quote or a backslash, and no other.
func unquoteKey(s string) (string, bool) {
	if len(s) > 2*maxKeyBytes+2 {
		return "", false
	}
	out := make([]byte, 0, len(s))
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return string(out), i == len(s)-1
		case '\\':
			if i++; i == len(s) || (s[i] != '"' && s[i] != '\\') {
				return "", false
			}
			out = append(out, s[i])
		default:
			out = append(out, c)
		}
	}
	return "", false
}

// Do carries a command to the log. It has failed the exchange when it returns false; otherwise
// the command was applied, and the result is the machine's reply. The reply to the client should
// hold nothing that is not in the result, so that a repeat reads the same.
func (x *Exchange) Do(command []byte) (rsm.Result, bool) {
	return x.do(rsm.MachineCommand, command)
}

func (x *Exchange) do(kind rsm.RequestKind, command []byte) (rsm.Result, bool) {
	if !x.BeginWrite() {
		return rsm.Result{}, false
	}
	identity := x.session
	identity.Key = x.key
	x.submitted = true
	res, id := x.api.service.Do(x.ctx, rsm.Request{Identity: identity, Kind: kind, Command: command})
	if !x.repeatable() && id != "" {
		x.id, x.named = id, true
	}
	h := x.w.Header()
	h["Drystone-Request-Id"] = []string{x.ID()}
	if res.Index > 0 {
		h["Drystone-Index"] = []string{strconv.FormatUint(res.Index, 10)}
	}
	if res.Replayed {
		h["Idempotency-Replayed"] = headerTrue
	}
	switch res.Outcome {
	case rsm.Applied:
		return res, true
	case rsm.NotApplied:
		x.failRefused(res.Code)
	default:
		x.failUnknown("")
	}
	return res, false
}

const sentInTime = "The deadline passed after the request was sent on its way to the log."

// repeatable says whether the request has an identity of its own, so that a repeat of it is known
// for one.
func (x *Exchange) repeatable() bool { return x.key != "" || x.session.Session != 0 }

// failUnknown says that a write's outcome is not known, and whether it may be repeated. Without an
// identity it must not be, and 409 is what clients never repeat by themselves.
func (x *Exchange) failUnknown(why string) {
	if why == "" {
		s, ok := x.status()
		switch {
		case ok && s.Health == rsm.HealthQuarantined:
			why = "The request was sent on its way to the log, and this node will not hear what became " +
				"of it. " + refusal(rsm.CodeQuarantined, s)
		case ok:
			why = sentInTime + " " + leadership(s)
		default:
			why = sentInTime
		}
	}
	p := newProblem(rsm.CodeOutcomeUnknown, why)
	p.retrySafe = x.repeatable() || x.idempotent
	settle := "`POST " + x.requestPath() + "/fence` tells what became of it, and keeps it from " +
		"taking effect later."
	switch {
	case x.idempotent:
		p.next = "Repeat it, on any node: twice does no more than once."
	case x.key != "":
		p.next = "Repeat it with the same Idempotency-Key, on any node: it cannot take effect twice. " +
			"Or end it: " + settle
	case x.repeatable():
		p.next = "Repeat it with the same Drystone-Session and Drystone-Seq, on any node: it cannot " +
			"take effect twice. Or end it: " + settle
	case x.named:
		p.status = http.StatusConflict
		p.next = "Do not just repeat it, for it may have taken effect, or may yet: " + settle + " With " +
			"an Idempotency-Key a repeat is always safe."
	default:
		p.status = http.StatusConflict
		p.next = "Read what it would have changed before you repeat it, for it may have taken effect, " +
			"or may yet. With an Idempotency-Key a repeat is always safe."
	}
	x.fail(p)
}

// failRefused says why a node, or the log, did not take a request, with the facts of the moment.
func (x *Exchange) failRefused(code rsm.Code) {
	switch {
	case x.session.Session != 0 && x.failInSession(code):
		return
	case code == rsm.CodeSessionExpired && x.about != "":
		p := newProblem(code, x.about)
		p.outcome, p.retrySafe, p.next = notApplied, true, "Open another session."
		x.fail(p)
		return
	case code == rsm.CodeKeyReused:
		x.Fail(code, "The Idempotency-Key "+quoted(x.key)+" stands for another command.")
		return
	}
	detail := ""
	if s, ok := x.status(); ok {
		detail = refusal(code, s)
	}
	x.Fail(code, detail)
}
