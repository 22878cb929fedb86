package httpapi

import (
	"fmt"
	"net/http"
	"strings"

	"drystone/rsm"
	"drystone/store"
)

func (a *API) addStacks() {
	a.Handle(http.MethodGet, "/v1/stacks", listStacks)
	a.Handle(http.MethodPut, "/v1/stacks/{name}", createStack)
	a.Handle(http.MethodGet, "/v1/stacks/{name}", describeStack)
	a.Handle(http.MethodDelete, "/v1/stacks/{name}", deleteStack)
	a.Handle(http.MethodPost, "/v1/stacks/{name}/push", push)
	a.Handle(http.MethodPost, "/v1/stacks/{name}/pop", pop)
	a.Handle(http.MethodGet, "/v1/stacks/{name}/top", topOfStack)
	a.Handle(http.MethodGet, "/v1/stacks/{name}/size", sizeOfStack)
	a.Handle(http.MethodGet, "/v1/stacks/{name}/items", itemsOfStack)
}

// execute carries a command of the store to the log. It has failed the exchange when it returns
// false; otherwise the command found what it needed.
func (x *Exchange) execute(c store.Command, stack string) (store.Reply, rsm.Result, bool) {
	res, ok := x.Do(store.EncodeCommand(nil, c))
	if !ok {
		return store.Reply{}, res, false
	}
	reply, err := store.DecodeReply(res.Reply)
	assert(err == nil, "httpapi: the store's own reply cannot be decoded")
	if reply.Code != store.OK {
		x.failStore(reply.Code, stack, applied)
		return reply, res, false
	}
	return reply, res, true
}

// ask answers a read of the store. It has failed the exchange when it returns false.
func (x *Exchange) ask(q store.Query, stack string, o rsm.ReadOptions) (store.Reply, bool) {
	res, ok := x.Query(store.EncodeQuery(nil, q), o)
	if !ok {
		return store.Reply{}, false
	}
	reply, err := store.DecodeReply(res.Reply)
	assert(err == nil, "httpapi: the store's own reply cannot be decoded")
	if reply.Code != store.OK {
		x.failStore(reply.Code, stack, notApplied)
		return reply, false
	}
	return reply, true
}

func (x *Exchange) failStore(code store.Code, stack, outcome string) {
	if code == store.TooLarge {
		x.api.maxValue.Store(0) // it is not what this front believed
	}
	x.fail(storeProblem(code, stack, outcome))
}

// storeProblem puts into words what the store answered. What is decided in the log must read the
// same for ever, so only the code and the command may go into it. stack is "" when it is not known.
func storeProblem(code store.Code, stack, outcome string) problem {
	detail := func(format string) string {
		if stack == "" {
			return ""
		}
		return fmt.Sprintf(format, quoted(stack))
	}
	switch code {
	case store.NoSuchStack:
		p := newProblem(codeNoSuchStack, detail("There is no stack %s."))
		p.outcome = outcome
		return p
	case store.WrongType:
		p := newProblem(codeWrongType, detail("The name %s stands for something that is no stack."))
		p.outcome = outcome
		return p
	case store.TooLarge:
		return newProblem(codeValueTooLarge,
			"A value is larger than the setting max_value_bytes allows.")
	}
	return newProblem(codeBadRequest, "The store refuses a name or a count of this request.")
}

func createStack(x *Exchange) {
	name, ok := x.Name(0)
	if !ok || !x.BeginWrite() || !x.noParameters() || !x.readOptions() {
		return
	}
	reply, _, ok := x.execute(store.CreateStack{Stack: name}, name)
	if !ok {
		return
	}
	status := http.StatusOK
	if reply.Created {
		status = http.StatusCreated
	}
	x.Send(status, jsonType, append(appendStack(nil, name, reply.Size), '\n'))
}

func deleteStack(x *Exchange) {
	name, ok := x.Name(0)
	if !ok || !x.BeginWrite() || !x.noParameters() || !x.readOptions() {
		return
	}
	if _, _, ok := x.execute(store.DeleteStack{Stack: name}, name); ok {
		x.Send(http.StatusOK, jsonType, []byte("{\"deleted\":true}\n"))
	}
}

func push(x *Exchange) {
	name, ok := x.Name(0)
	if !ok || !x.BeginWrite() {
		return
	}
	p, ok := x.Parameters("create")
	if !ok {
		return
	}
	c := store.Push{Stack: name, MustExist: !p.Bool("create", true)}
	if !p.ok || !x.readPush(&c) {
		return
	}
	reply, res, ok := x.execute(c, name)
	if !ok {
		return
	}
	body := appendNumber(make([]byte, 0, 48), `{"size":`, reply.Size)
	body = appendNumber(body, `,"index":`, res.Index)
	x.Send(http.StatusOK, jsonType, append(body, "}\n"...))
}

// readPush reads the values of a push and their end.
func (x *Exchange) readPush(c *store.Push) bool {
	kind, ok := x.kindOfBody()
	if !ok {
		return false
	}
	body, ok := x.readBody(kind)
	if !ok {
		return false
	}
	if kind == rawBody {
		if len(body) == 0 && !x.meansEmptyValue() {
			x.Fail(codeEmptyBody, "The request has no body, and the value is in the body.")
			return false
		}
		c.Values = [][]byte{body}
		return true
	}
	if len(body) == 0 {
		x.Fail(codeEmptyBody, "The body is typed application/json and is empty.")
		return false
	}
	var end, encoding string
	err := readObject(body, fieldTexts("values", &c.Values), fieldText("end", &end),
		fieldText("encoding", &encoding))
	if err == nil {
		err = decodeValues(encoding, c.Values)
	}
	if err == nil {
		c.End, err = parseEnd(end)
	}
	switch {
	case err != nil:
		x.Fail(err.code, err.detail)
		return false
	case len(c.Values) == 0:
		x.Fail(codeBadRequest, "There are no values to push: values must hold at least one string.")
		return false
	}
	return x.checkValues(c.Values)
}

// meansEmptyValue tells a value of no bytes from a value that was forgotten: the client must have
// typed the body as bytes, and have sent one.
func (x *Exchange) meansEmptyValue() bool {
	typed := strings.HasPrefix(x.r.Header.Get("Content-Type"), bytesType[0])
	return typed && (x.r.Header.Get("Content-Length") != "" || len(x.r.TransferEncoding) > 0)
}

func (x *Exchange) checkValues(values [][]byte) bool {
	for i, v := range values {
		if limit, ok := x.allows(rawBody, uint64(len(v))); !ok {
			x.Fail(codeValueTooLarge, fmt.Sprintf("values[%d] has %d bytes; the setting "+
				"max_value_bytes allows %d.", i, len(v), limit))
			return false
		}
	}
	return true
}

func parseEnd(s string) (store.End, *jsonError) {
	switch s {
	case "", "top":
		return store.Top, nil
	case "bottom":
		return store.Bottom, nil
	}
	return 0, &jsonError{codeBadRequest, "end is " + quoted(s) + "; it must be top or bottom."}
}

func pop(x *Exchange) {
	name, ok := x.Name(0)
	if !ok || !x.BeginWrite() || !x.noParameters() {
		return
	}
	c := store.Pop{Stack: name, Count: 1}
	raw := x.wantsBytes()
	if !x.readPop(&c, raw) {
		return
	}
	reply, res, ok := x.execute(c, name)
	switch {
	case !ok:
	case raw:
		x.sendBytes(reply.Values)
	default:
		inBase64 := needsBase64(reply.Values...)
		body := append(make([]byte, 0, 128), `{"values":`...)
		body = appendValues(body, reply.Values, inBase64)
		body = appendEmpty(body, len(reply.Values) == 0)
		body = appendNumber(body, `,"size":`, reply.Size)
		body = appendNumber(body, `,"index":`, res.Index)
		if inBase64 {
			body = append(body, encodedBase64...)
		}
		x.Send(http.StatusOK, jsonType, append(body, "}\n"...))
	}
}

// readPop reads the options of a pop, all of which may be left out.
func (x *Exchange) readPop(c *store.Pop, raw bool) bool {
	var end string
	var waitMs uint64
	ok := x.readOptions(fieldNumber("count", &c.Count, 1), fieldNumber("wait_ms", &waitMs, 0),
		fieldText("end", &end))
	if !ok {
		return false
	}
	var err *jsonError
	switch c.End, err = parseEnd(end); {
	case err != nil:
		x.Fail(err.code, err.detail)
	case waitMs > 0:
		x.Fail(codeBadRequest, "wait_ms is not 0, and pops that wait are not available yet: ask again "+
			"until the reply is not empty.")
	case raw && c.Count > 1:
		x.Fail(codeBadRequest, "The Accept header asks for raw bytes, and those hold one value: leave "+
			"count at 1, or accept application/json.")
	default:
		return true
	}
	return false
}

// readOptions reads an optional body of JSON. Other bytes are refused: a client that sends a value
// here means something else.
func (x *Exchange) readOptions(fields ...jsonField) bool {
	kind, ok := x.kindOfBody()
	if !ok {
		return false
	}
	body, ok := x.readBody(jsonBody)
	switch {
	case !ok:
		return false
	case len(body) == 0:
		return true
	case kind != jsonBody:
		x.Fail(codeMediaType, "This route takes no value, only options in JSON. Leave the body out, or "+
			"type it application/json.")
		return false
	}
	if err := readObject(body, fields...); err != nil {
		x.Fail(err.code, err.detail)
		return false
	}
	return true
}

func (x *Exchange) noParameters() bool {
	_, ok := x.Parameters()
	return ok
}
