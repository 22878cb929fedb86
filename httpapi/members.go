package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"drystone/rsm"
)

// Administrator is a Service that knows who its cluster's members are. What is asked of it goes to
// the leader, from any node, and may be repeated: nothing is done twice.
type Administrator interface {
	Administer(ctx context.Context, q rsm.AdminRequest) rsm.AdminReply
}

func (a *API) addMembers() {
	who, ok := a.service.(Administrator)
	if !ok {
		return
	}
	on := func(method, pattern string, op rsm.AdminOp) {
		a.Handle(method, pattern, func(x *Exchange) { x.administer(who, op) })
	}
	on(http.MethodGet, "/v1/members", rsm.AdminList)
	on(http.MethodPost, "/v1/members", rsm.AdminAdd)
	on(http.MethodPost, "/v1/members/{id}/promote", rsm.AdminPromote)
	on(http.MethodPost, "/v1/members/{id}/replace", rsm.AdminReplace)
	on(http.MethodDelete, "/v1/members/{id}", rsm.AdminRemove)
	on(http.MethodPost, "/v1/leader/transfer", rsm.AdminTransfer)
}

// administer reads what is asked, and answers with the members as they are then.
func (x *Exchange) administer(who Administrator, op rsm.AdminOp) {
	if !x.BeginWrite() {
		return
	}
	q := rsm.AdminRequest{Op: op}
	if op != rsm.AdminList && !x.noParameters() {
		return
	}
	var ok bool
	switch op {
	case rsm.AdminList:
		var p Parameters
		if p, ok = x.Parameters("consistency"); ok {
			q.Stale = p.options().Consistency == rsm.Stale
			ok = p.ok
		}
	case rsm.AdminAdd:
		ok = x.readAny(fieldNumber("id", &q.Node, 1), fieldText("peer", &q.Peer))
		if ok && q.Node == 0 {
			x.Fail(codeBadRequest, `A member has a number from 1 on, as in {"id":4,"peer":`+
				`"10.0.0.4:12379"}.`)
			return
		}
		q.Peer = strings.TrimSuffix(strings.TrimPrefix(q.Peer, "http://"), "/")
	case rsm.AdminTransfer:
		ok = x.readAny(fieldNumber("to", &q.Node, 1))
	default:
		ok = x.memberNumber(&q.Node) && x.readAny()
	}
	if !ok {
		return
	}
	x.submitted = op != rsm.AdminList
	r := who.Administer(x.ctx, q)
	if r.Code != "" {
		x.failAdmin(r)
		return
	}
	if q.Stale {
		x.w.Header()["Drystone-Stale-Ms"] = []string{strconv.FormatUint(r.StaleMs, 10)}
	}
	x.sendMembers(r)
}

// memberNumber reads the {id} of the path.
func (x *Exchange) memberNumber(id *uint64) bool {
	n, err := strconv.ParseUint(x.params[0], 10, 64)
	if err != nil || n == 0 {
		x.Fail(codeBadName, fmt.Sprintf("A member is named by its number, from 1 on, not by %s.",
			quoted(x.params[0])))
		return false
	}
	*id = n
	return true
}

// readAny reads an optional body of JSON, however it is typed: no value could be meant.
func (x *Exchange) readAny(fields ...jsonField) bool {
	body, ok := x.readBody(jsonBody)
	if !ok || len(body) == 0 {
		return ok
	}
	if err := readObject(body, fields...); err != nil {
		x.Fail(err.code, err.detail)
		return false
	}
	return true
}

func (x *Exchange) failAdmin(r rsm.AdminReply) {
	detail := ""
	if s, ok := x.status(); ok {
		detail = refusal(r.Code, s)
	}
	if detail == "" && r.Detail != "" {
		first, n := utf8.DecodeRuneInString(r.Detail)
		detail = stopped(string(unicode.ToUpper(first)) + r.Detail[n:])
	}
	p := newProblem(r.Code, detail)
	if r.Outcome == rsm.Unknown {
		p.outcome, p.retrySafe = unknown, true
		p.next = "Look at `GET /v1/members`, and repeat it if it is not done: nothing is done twice."
	}
	x.fail(p)
}

// sendMembers renders the members.
func (x *Exchange) sendMembers(r rsm.AdminReply) {
	out := struct {
		Members []rsm.MemberStatus `json:"members"`
		Leader  uint64             `json:"leader_id"`
		Joint   bool               `json:"joint"`
		Invited []uint64           `json:"invited"`
		Removed []uint64           `json:"removed"`
		Index   uint64             `json:"index"`
	}{r.Members, r.Leader, r.Joint, r.Invited, r.Removed, r.Index}
	if out.Invited == nil {
		out.Invited = []uint64{}
	}
	if out.Removed == nil {
		out.Removed = []uint64{}
	}
	body, err := json.Marshal(out)
	assert(err == nil, "httpapi: the members cannot be rendered")
	h := x.w.Header()
	h["Drystone-Index"] = []string{strconv.FormatUint(r.Index, 10)}
	h["Drystone-Term"] = []string{strconv.FormatUint(r.Term, 10)}
	x.Send(http.StatusOK, jsonType, append(body, '\n'))
}
