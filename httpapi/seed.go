package httpapi

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"

	"drystone/rsm"
	"drystone/store"
)

// The six calls of the service that came before this one: POST, one line of text each way. They
// are views of the same stacks, and point to the routes that succeed them.

func (a *API) addSeed() {
	for path, h := range map[string]func(*Exchange, []byte){
		"/sCreate": seedCreate, "/sId": seedID, "/sPush": seedPush,
		"/sPop": seedPop, "/sTop": seedTop, "/sSize": seedSize,
	} {
		a.routes.add(http.MethodPost, path, func(x *Exchange) {
			if line, ok := x.seedLine(); ok {
				h(x, line)
			}
		}).plain = true
	}
}

// deprecation is since when the calls are deprecated (RFC 9745): 2026-11-01.
var deprecation = []string{"@1793491200"}

// succeed points to the route that takes the call's place.
func (x *Exchange) succeed(stack string) {
	h := x.w.Header()
	h["Deprecation"] = deprecation
	link := "/v1/stacks"
	if stack != "" {
		link += "/" + url.PathEscape(stack)
	}
	h["Link"] = []string{"<" + link + `>; rel="successor-version"`}
}

// seedLine reads the body: one line, whose end may be left out.
func (x *Exchange) seedLine() ([]byte, bool) {
	if !x.BeginWrite() {
		return nil, false
	}
	// Room for a name, a comma and the end of the line, besides a value of any size allowed.
	body, ok := x.readBody(jsonBody)
	if !ok {
		return nil, false
	}
	body = bytes.TrimSuffix(body, []byte("\n"))
	return bytes.TrimSuffix(body, []byte("\r")), true
}

// seedStack takes the line as the name of a stack.
func (x *Exchange) seedStack(line []byte) (string, bool) {
	if len(line) == 0 {
		x.Fail(codeEmptyBody, "the body must be the name of a stack, as in 1")
		return "", false
	}
	if !x.checkName(string(line)) {
		return "", false
	}
	x.succeed(string(line))
	return string(line), true
}

// sendLine sends a copy: what the log replied is kept, and is not ours to append to.
func (x *Exchange) sendLine(line []byte) {
	body := append(make([]byte, 0, len(line)+1), line...)
	x.Send(http.StatusOK, textType, append(body, '\n'))
}

func seedCreate(x *Exchange, line []byte) {
	name, ok := x.seedStack(line)
	if !ok {
		return
	}
	if _, _, ok := x.execute(store.CreateStack{Stack: name}, name); ok {
		x.sendLine(line)
	}
}

func seedPush(x *Exchange, line []byte) {
	name, value, ok := bytes.Cut(line, []byte(","))
	if !ok || len(name) == 0 || len(value) == 0 {
		x.Fail(codeBadRequest, "the body must be a stack, a comma and a value, as in 1,10")
		return
	}
	if !x.checkName(string(name)) {
		return
	}
	x.succeed(string(name))
	if !x.checkValues([][]byte{value}) {
		return
	}
	reply, _, ok := x.execute(store.Push{
		Stack: string(name), Values: [][]byte{value}, MustExist: true,
	}, string(name))
	if ok {
		x.sendLine(strconv.AppendUint(nil, reply.Size, 10))
	}
}

func seedPop(x *Exchange, line []byte) {
	name, ok := x.seedStack(line)
	if !ok {
		return
	}
	if reply, _, ok := x.execute(store.Pop{Stack: name, Count: 1}, name); ok {
		x.sendTop(reply)
	}
}

func seedTop(x *Exchange, line []byte) {
	if reply, ok := x.seedLook(line, store.GetStack{WithTop: true}); ok {
		x.sendTop(reply)
	}
}

func (x *Exchange) sendTop(reply store.Reply) {
	if len(reply.Values) == 0 {
		x.w.Header()["Drystone-Empty"] = headerTrue
		x.SendNothing()
		return
	}
	x.sendLine(reply.Values[0])
}

func seedSize(x *Exchange, line []byte) {
	if reply, ok := x.seedLook(line, store.GetStack{}); ok {
		x.sendLine(strconv.AppendUint(nil, reply.Size, 10))
	}
}

func seedID(x *Exchange, line []byte) {
	if _, ok := x.seedLook(line, store.GetStack{}); ok {
		x.sendLine(line)
	}
}

func (x *Exchange) seedLook(line []byte, q store.GetStack) (store.Reply, bool) {
	name, ok := x.seedStack(line)
	if !ok {
		return store.Reply{}, false
	}
	q.Stack = name
	return x.ask(q, name, rsm.ReadOptions{})
}
