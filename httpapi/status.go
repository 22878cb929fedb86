package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"drystone/rsm"
)

func (a *API) addStatus() {
	a.Handle(http.MethodGet, "/v1/status", showStatus)
	a.Handle(http.MethodGet, "/livez", livez)
	a.Handle(http.MethodGet, "/readyz", readyz)
}

// showStatus answers with the node's own view, after waiting for an index if one is asked for.
func showStatus(x *Exchange) {
	if !x.Begin() {
		return
	}
	p, ok := x.Parameters("applied")
	if !ok {
		return
	}
	index := p.Number("applied", 0, 0, 1<<63)
	if !p.ok {
		return
	}
	s, err := x.api.service.Status(x.ctx, index)
	switch {
	case err != nil && index == 0:
		x.Fail(codeInternal, "The node did not tell its state: "+stopped(err.Error()))
		return
	case err != nil || s.Applied < index:
		if fresh, ok := x.status(); ok {
			s = fresh
		}
		x.failBehind(s, index)
		return
	}
	if s.Version == "" {
		s.Version = x.api.config.Version
	}
	if s.Members == nil {
		s.Members = []rsm.MemberStatus{}
	}
	if s.Flags == nil {
		s.Flags = map[string]string{}
	}
	body, err := json.Marshal(s)
	assert(err == nil, "httpapi: a status cannot be rendered")
	h := x.w.Header()
	h["Drystone-Index"] = []string{strconv.FormatUint(s.Applied, 10)}
	h["Drystone-Term"] = []string{strconv.FormatUint(s.Term, 10)}
	x.Send(http.StatusOK, jsonType, append(body, '\n'))
}

// livez says that the process answers. It depends on nothing else: a node that is restarted
// because the others are away would make it worse.
func livez(x *Exchange) { x.Send(http.StatusOK, textType, []byte("ok\n")) }

// readyLag is how many entries a node may still have to apply and count as caught up. Under load
// there are always some.
const readyLag = 1_000

// readyz says whether this node should get requests: it knows a leader and has caught up.
func readyz(x *Exchange) {
	s, ok := x.status()
	code, detail := unready(s)
	switch {
	case x.api.draining.Load():
		x.Fail(rsm.CodeDraining, refusal(rsm.CodeDraining, s))
	case !ok:
		x.Fail(codeInternal, "The node did not tell its state.")
	case code != "":
		x.Fail(code, detail)
	default:
		x.Send(http.StatusOK, textType, []byte("ok\n"))
	}
}

func unready(s rsm.Status) (rsm.Code, string) {
	switch {
	case s.Health == rsm.HealthBootstrapping:
		return rsm.CodeBootstrapping, refusal(rsm.CodeBootstrapping, s)
	case s.Health == rsm.HealthQuarantined, s.Health == rsm.HealthNeedsUpgrade:
		return rsm.CodeQuarantined, refusal(rsm.CodeQuarantined, s)
	case s.LeaderID == 0:
		return rsm.CodeNoLeader, refusal(rsm.CodeNoLeader, s)
	case s.Applied+readyLag < s.Commit:
		return codeBehind, fmt.Sprintf("Node %d has applied up to index %d and knows that %d is "+
			"committed.", s.NodeID, s.Applied, s.Commit)
	}
	return "", ""
}
