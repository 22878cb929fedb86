package httpapi

import (
	"fmt"
	"net/http"
	"strconv"

	"drystone/rsm"
)

// A client session numbers its requests: each number is executed once, and its reply kept until the
// client says that it has arrived.

func (a *API) addSessions() {
	a.Handle(http.MethodPost, "/v1/sessions", openSession)
	a.Handle(http.MethodPost, "/v1/sessions/{id}/keepalive", keepSession)
	a.Handle(http.MethodDelete, "/v1/sessions/{id}", closeSession)
}

// The headers of a request in a session.
const (
	headerSession = "Drystone-Session"
	headerSeq     = "Drystone-Seq"
	headerAck     = "Drystone-Ack"
)

// readSession reads in which session a request is, if it is in one. It has failed the exchange when
// it returns false.
func (x *Exchange) readSession() bool {
	var id rsm.Identity
	given := 0
	for _, h := range [...]struct {
		name  string
		least uint64
		dst   *uint64
	}{{headerSession, 1, &id.Session}, {headerSeq, 1, &id.Seq}, {headerAck, 0, &id.Ack}} {
		values := x.r.Header[h.name]
		if len(values) == 0 {
			continue
		}
		given++
		n, err := strconv.ParseUint(values[0], 10, 64)
		if err != nil || len(values) > 1 || n < h.least {
			x.Fail(codeBadRequest, fmt.Sprintf("The header %s is %s; it must be a whole number from %d, "+
				"given once.", h.name, quoted(values[0]), h.least))
			return false
		}
		*h.dst = n
	}
	switch {
	case given == 0:
		return true
	case id.Session == 0 || id.Seq == 0:
		x.Fail(codeBadRequest, "A request in a session has the headers Drystone-Session and "+
			"Drystone-Seq, both of them; Drystone-Ack may be left out.")
		return false
	case id.Ack >= id.Seq:
		x.Fail(codeBadRequest, fmt.Sprintf("Drystone-Ack is %d, and Drystone-Seq %d: a request cannot "+
			"acknowledge its own reply.", id.Ack, id.Seq))
		return false
	}
	x.session = id
	x.id = rsm.RequestID{Session: id.Session, Seq: id.Seq}.String()
	return true
}

// failInSession says what the log says of a number; false when the session has nothing to do with
// the refusal.
func (x *Exchange) failInSession(code rsm.Code) bool {
	id := x.session
	var detail string
	switch code {
	case rsm.CodeSessionExpired:
		detail = fmt.Sprintf("There is no session %d any more: it was not used for longer than "+
			"session_ttl_ms, or was closed. Number %d will never execute from now on.", id.Session, id.Seq)
	case rsm.CodeKeyReused:
		detail = fmt.Sprintf("Number %d of session %d stands for another command.", id.Seq, id.Session)
	case rsm.CodeReplyForgotten:
		detail = fmt.Sprintf("Session %d has acknowledged number %d, and its reply is gone.", id.Session,
			id.Seq)
	case rsm.CodeWindowFull:
		detail = fmt.Sprintf("Number %d is more than %d above the last one that session %d has "+
			"acknowledged.", id.Seq, rsm.SessionWindow, id.Session)
	default:
		return false
	}
	p := newProblem(code, detail)
	p.retrySafe = true // a number is executed once, if ever
	if code == rsm.CodeKeyReused {
		p.title = "The number stands for another command"
		p.next = "Give every new command a number of its own; repeat a command exactly as it was."
	}
	x.fail(p)
	return true
}

// outsideSessions begins a write that cannot be in a session.
func (x *Exchange) outsideSessions() bool {
	if !x.BeginWrite() {
		return false
	}
	if x.session.Session != 0 {
		x.Fail(codeBadRequest, "Sessions and requests are not managed within a session: leave "+
			"Drystone-Session, Drystone-Seq and Drystone-Ack out.")
		return false
	}
	return x.noParameters() && x.readOptions()
}

// sessionNumber reads the {id} of the path.
func (x *Exchange) sessionNumber() (uint64, bool) {
	n, err := strconv.ParseUint(x.params[0], 10, 64)
	if err != nil || n == 0 {
		x.failID(fmt.Sprintf("A session is named by the number that opening it gave, not by %s.",
			quoted(x.params[0])))
		return 0, false
	}
	return n, true
}

func openSession(x *Exchange) {
	if !x.outsideSessions() {
		return
	}
	if res, ok := x.do(rsm.OpenSession, nil); ok {
		x.sendSession(res.Reply)
	}
}

func keepSession(x *Exchange) {
	id, ok := x.sessionNumber()
	if !ok || !x.outsideSessions() {
		return
	}
	if res, ok := x.manage(rsm.KeepSession, id); ok {
		x.sendSession(res.Reply)
	}
}

func closeSession(x *Exchange) {
	id, ok := x.sessionNumber()
	if !ok || !x.outsideSessions() {
		return
	}
	if _, ok := x.manage(rsm.CloseSession, id); ok {
		x.Send(http.StatusOK, jsonType, []byte("{\"deleted\":true}\n"))
	}
}

// manage does something about a session. That it is gone is the whole answer here: nothing was to
// be executed in it.
func (x *Exchange) manage(kind rsm.RequestKind, id uint64) (rsm.Result, bool) {
	x.idempotent = true
	x.about = fmt.Sprintf("There is no session %d any more: it was not used for longer than "+
		"session_ttl_ms, or was closed.", id)
	return x.do(kind, rsm.EncodeSession(nil, id))
}

func (x *Exchange) sendSession(reply []byte) {
	info, err := rsm.DecodeSessionInfo(reply)
	assert(err == nil, "httpapi: a session cannot be decoded")
	x.Send(http.StatusOK, jsonType, append(appendSession(nil, info), '\n'))
}

func appendSession(dst []byte, info rsm.SessionInfo) []byte {
	dst = appendNumber(dst, `{"session":`, info.Session)
	return append(appendNumber(dst, `,"ttl_ms":`, info.TTLMs), '}')
}
