package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"drystone/rsm"
	"drystone/store"
)

// What became of a request, for whoever was not told: by its Idempotency-Key, by its number in a
// session, or by what its node called it.

func (a *API) addRequests() {
	a.Handle(http.MethodGet, "/v1/requests/{id}", lookUpRequest)
	a.Handle(http.MethodPost, "/v1/requests/{id}/fence", fenceRequest)
	a.Handle(http.MethodDelete, "/v1/requests/{id}", freeRequest)
}

// requestPath is where the exchange's own request can be asked for.
func (x *Exchange) requestPath() string {
	id := x.ID()
	if x.key != "" && (x.key[0] == '"' || rsm.ParseRequestID("", x.key).Key == "") {
		id = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(x.key) + `"`
	}
	return "/v1/requests/" + url.PathEscape(id)
}

// requestID reads the {id} of the path. What looks like the name that a node or a session gives is
// one; a key of that form is told from it by its quotes.
func (x *Exchange) requestID() (rsm.RequestID, bool) {
	text, err := url.PathUnescape(x.params[0])
	key, ok := parseKey(text)
	switch {
	case err != nil || !ok:
		x.failID(fmt.Sprintf("A request is named by its Idempotency-Key, or by what "+
			"Drystone-Request-Id says of it: 1 to %d visible ASCII characters. This is %s.", maxKeyBytes,
			quoted(text)))
		return rsm.RequestID{}, false
	case strings.HasPrefix(text, `"`):
		return rsm.RequestID{Key: key}, true
	}
	return rsm.ParseRequestID("", text), true
}

func lookUpRequest(x *Exchange) {
	id, ok := x.requestID()
	if !ok {
		return
	}
	_, o, ok := x.ReadParameters()
	if !ok {
		return
	}
	o.Kind = rsm.RequestQuery
	res, ok := x.Query(rsm.EncodeRequestID(nil, id), o)
	if !ok {
		return
	}
	fate, err := rsm.DecodeFate(res.Reply)
	assert(err == nil, "httpapi: a fate cannot be decoded")
	x.sendFate(id, fate)
}

func fenceRequest(x *Exchange) {
	id, ok := x.requestID()
	if !ok || !x.outsideSessions() {
		return
	}
	if id.Key != "" && id.Key == x.key {
		x.Fail(codeBadRequest, "The request to fence has the very Idempotency-Key that it is to settle: "+
			"give it another, or none, for it may be repeated anyway.")
		return
	}
	x.idempotent = true
	x.about = fmt.Sprintf("There is no session %d: nothing can be executed in it.", id.Session)
	res, ok := x.do(rsm.FenceRequest, rsm.EncodeRequestID(nil, id))
	if !ok {
		return
	}
	fate, err := rsm.DecodeFate(res.Reply)
	assert(err == nil, "httpapi: a fate cannot be decoded")
	x.sendFate(id, fate)
}

func freeRequest(x *Exchange) {
	id, ok := x.requestID()
	if !ok || !x.outsideSessions() {
		return
	}
	if id.Session != 0 {
		x.Fail(codeBadRequest, "The replies of a session are freed by Drystone-Ack, or by closing it.")
		return
	}
	x.idempotent = true
	res, ok := x.do(rsm.FreeRequest, rsm.EncodeRequestID(nil, id))
	if !ok {
		return
	}
	fate, err := rsm.DecodeFate(res.Reply)
	assert(err == nil, "httpapi: a fate cannot be decoded")
	freed := fate.State == rsm.FateApplied || fate.State == rsm.FateRefused
	x.Send(http.StatusOK, jsonType, fmt.Appendf(nil, "{\"freed\":%t}\n", freed))
}

// sendFate says what became of a request. One that was refused in the log can never apply, as if it
// had been fenced: its result says why.
func (x *Exchange) sendFate(id rsm.RequestID, fate rsm.Fate) {
	outcome := fate.State.String()
	if fate.State == rsm.FateRefused {
		outcome = rsm.FateFenced.String()
	}
	body := append([]byte(`{"outcome":"`), outcome...)
	body = append(body, '"')
	switch fate.State {
	case rsm.FateApplied:
		body = appendResult(append(body, `,"result":`...), id, fate.Result)
	case rsm.FateRefused:
		p := newProblem(fate.Result.Code, "")
		p.requestID = id.String()
		body = trimLine(p.appendJSON(append(body, `,"result":`...)))
	}
	x.Send(http.StatusOK, jsonType, append(body, "}\n"...))
}

// appendResult appends what a request was answered. The log keeps the machine's reply, and not the
// question: for push and pop it is their own body again, for the others what there is to say.
func appendResult(dst []byte, id rsm.RequestID, res rsm.Result) []byte {
	reply, err := store.DecodeReply(res.Reply)
	if err != nil {
		return appendManaged(dst, res)
	}
	if reply.Code != store.OK {
		p := storeProblem(reply.Code, "", applied)
		p.requestID = id.String()
		return trimLine(p.appendJSON(dst))
	}
	dst = append(dst, '{')
	inBase64 := needsBase64(reply.Values...)
	if len(reply.Values) > 0 || reply.Size == 0 && !reply.Created {
		dst = appendValues(append(dst, `"values":`...), reply.Values, inBase64)
		dst = append(appendEmpty(dst, len(reply.Values) == 0), ',')
	}
	dst = appendNumber(dst, `"size":`, reply.Size)
	dst = appendNumber(dst, `,"index":`, res.Index)
	if inBase64 {
		dst = append(dst, encodedBase64...)
	}
	return append(dst, '}')
}

// appendManaged appends the result of a request about sessions or requests: their replies are none
// of the machine's.
func appendManaged(dst []byte, res rsm.Result) []byte {
	if info, err := rsm.DecodeSessionInfo(res.Reply); err == nil {
		return appendSession(dst, info)
	}
	if fate, err := rsm.DecodeFate(res.Reply); err == nil {
		return append(append(append(dst, `{"outcome":"`...), fate.State.String()...), `"}`...)
	}
	return append(appendNumber(dst, `{"index":`, res.Index), '}')
}

// trimLine takes the end of the line off: what is within a line has none.
func trimLine(text []byte) []byte { return text[:len(text)-1] }
