package httpapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"drystone/rsm"
	"drystone/store"
)

// samples are requests that each operation takes, as method, path and body; full is a
// stack with something on it.
var samples = map[string][]string{
	"listStacks":    {"GET /v1/stacks"},
	"createStack":   {"PUT /v1/stacks/new", "PUT /v1/stacks/full"},
	"describeStack": {"GET /v1/stacks/full"},
	"deleteStack":   {"DELETE /v1/stacks/full"},
	"push": {
		`POST /v1/stacks/full/push?create=false {"values":["1"]}`,
		`POST /v1/stacks/full/push {"values":["1"]}`,
	},
	"pop":                {`POST /v1/stacks/full/pop {"count":1}`},
	"top":                {"GET /v1/stacks/full/top"},
	"size":               {"GET /v1/stacks/full/size"},
	"items":              {"GET /v1/stacks/full/items"},
	"openSession":        {"POST /v1/sessions"},
	"keepSession":        {"POST /v1/sessions/3/keepalive", "POST /v1/sessions/999/keepalive"},
	"closeSession":       {"DELETE /v1/sessions/999", "DELETE /v1/sessions/3"},
	"lookUpRequest":      {"GET /v1/requests/used", "GET /v1/requests/1.1.1"},
	"fenceRequest":       {"POST /v1/requests/mine/fence", "POST /v1/requests/999%2F1/fence"},
	"freeRequest":        {"DELETE /v1/requests/mine"},
	"listMembers":        {"GET /v1/members"},
	"addMember":          {`POST /v1/members {"id":4}`},
	"promoteMember":      {"POST /v1/members/4/promote"},
	"replaceMember":      {"POST /v1/members/4/replace"},
	"removeMember":       {"DELETE /v1/members/4"},
	"transferLeadership": {`POST /v1/leader/transfer {"to":2}`},
	"status":             {"GET /v1/status", "GET /v1/status?applied=99"},
	"livez":              {"GET /livez"},
	"readyz":             {"GET /readyz"},
	"openapi":            {"GET /openapi.json"},
	"listErrors":         {"GET /errors"},
	"explainError":       {"GET /errors/no_leader", "GET /errors/none", "GET /errors/%ff"},
	"sCreate":            {"POST /sCreate new"},
	"sPush":              {"POST /sPush full,10"},
	"sPop":               {"POST /sPop full"},
	"sTop":               {"POST /sTop full"},
	"sSize":              {"POST /sSize full"},
	"sId":                {"POST /sId full"},
}

// day is what may become of any request: something is wrong with the cluster, or with the request.
type day struct {
	cluster func(*local)
	where   string // what is asked about instead; "full" is there
	headers string // lines of the request's head
	never   string // operations that cannot meet it
}

const reads = "listStacks describeStack top size items listMembers lookUpRequest"

var days = func() (all []day) {
	admin := func(code rsm.Code, outcome rsm.Outcome) func(*local) {
		return func(s *local) { s.Admin = rsm.AdminReply{Code: code, Outcome: outcome} }
	}
	for _, code := range []rsm.Code{"made_up", rsm.CodeNoLeader, rsm.CodeDraining} {
		all = append(all, day{cluster: func(s *local) {
			admin(code, rsm.NotApplied)(s)
			s.Refuse = code
		}})
	}
	return append(all,
		day{}, day{where: "empty", headers: "Accept: application/octet-stream\r\n"},
		day{where: "missing"}, day{headers: "Host: evil.example\r\n"},
		day{headers: "Drystone-Timeout: never\r\n"}, day{headers: "Content-Encoding: gzip\r\n"},
		day{headers: "Content-Length: 99999999\r\n"}, // and no byte of it comes
		day{headers: "Content-Length: 1000\r\nDrystone-Timeout: 20ms\r\n"},
		day{headers: "Idempotency-Key: used\r\n"},
		day{cluster: refusing(rsm.CodeOverload)},
		day{cluster: refusing(rsm.CodeSessionExpired), never: reads + " openSession freeRequest"},
		day{cluster: func(s *local) { s.Lose = true }},
		day{cluster: func(s *local) { s.Lose = true }, headers: "Idempotency-Key: k\r\n"},
		day{cluster: func(s *local) {
			s.Reply = store.EncodeReply(nil, store.Reply{Code: store.WrongType})
		}, never: "listStacks"},
		day{cluster: func(s *local) { s.StatusErr = fmt.Errorf("the node has stopped") }},
		day{cluster: func(s *local) { s.View.LeaderID = 0 }},
		day{cluster: admin(rsm.CodeNoSuchMember, rsm.NotApplied), never: "listMembers addMember"},
		day{cluster: admin(rsm.CodeUnsafeChange, rsm.NotApplied), never: reads},
		day{cluster: admin(rsm.CodeOutcomeUnknown, rsm.Unknown), never: reads},
	)
}()

// Each operation is met on every day there is: it answers as documented (the harness sees to
// that), and everything that is documented comes to pass.
func TestEveryOperation(t *testing.T) {
	for _, o := range served().operations {
		t.Run(o.id, func(t *testing.T) {
			t.Parallel()
			if len(samples[o.id]) == 0 {
				t.Fatal("no sample of it")
			}
			f := newFront(t)
			f.call("PUT", "/v1/stacks/full", nil, "Idempotency-Key", "used")
			f.open()
			for _, sample := range samples[o.id] {
				for _, d := range days {
					if slices.Contains(strings.Fields(d.never), o.id) {
						continue
					}
					f.call("PUT", "/v1/stacks/empty", nil)
					f.call("POST", "/v1/stacks/full/push", []byte("x"))
					f.service.With(func(s *local) {
						s.Admin = rsm.AdminReply{Outcome: rsm.Applied, Index: 7, Members: contact(0, 1)}
						if d.cluster != nil {
							d.cluster(s)
						}
					})
					f.ask(sample, d)
					f.service.With(func(s *local) {
						s.Refuse, s.Lose, s.Reply, s.StatusErr, s.View.LeaderID = "", false, nil, nil, 1
					})
				}
			}
			f.held.exchanges()
			for _, status := range slices.Sorted(maps.Keys(o.responses)) {
				if !f.held.met[o.id+" "+status] {
					t.Errorf("it never answers %s", status)
				}
			}
		})
	}
}

// ask sends a sample as it is on a day.
func (f *front) ask(sample string, d day) {
	f.t.Helper()
	sample = strings.ReplaceAll(sample, "full", cmp.Or(d.where, "full"))
	method, rest, _ := strings.Cut(sample, " ")
	path, body, _ := strings.Cut(rest, " ")
	head := d.headers
	if !strings.Contains(head, "Host:") {
		head += "Host: localhost\r\n"
	}
	switch {
	case strings.Contains(head, "Content-Length:") && method == http.MethodGet:
		return // what it sends is nobody's business
	case strings.Contains(head, "Content-Length:"):
		body = ""
	case method != http.MethodGet:
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	if strings.Contains(path, "applied=99") && !strings.Contains(head, "Drystone-Timeout:") {
		head += "Drystone-Timeout: 20ms\r\n" // that index never comes
	}
	if strings.HasPrefix(body, "{") || strings.HasPrefix(path, "/v1/") {
		head += "Content-Type: application/json\r\n"
	}
	f.raw(method + " " + path + " HTTP/1.1\r\n" + head + "\r\n" + body)
}

// The document has the routes that the server has, and no others.
func TestEveryRouteIsDocumented(t *testing.T) {
	f := newFront(t)
	var routes, documented []string
	var walk func(n *routeNode, path string)
	walk = func(n *routeNode, path string) {
		for method := range n.methods {
			routes = append(routes, method+" "+path)
		}
		for segment, c := range n.literal {
			walk(c, path+"/"+segment)
		}
		for _, c := range []*routeNode{n.param, n.rest} {
			if c != nil {
				walk(c, path+"/{}")
			}
		}
	}
	walk(&f.api.routes.root, "")
	for _, o := range served().operations {
		var path strings.Builder
		for segment := range strings.SplitSeq(o.path[1:], "/") {
			if strings.HasPrefix(segment, "{") {
				segment = "{}"
			}
			path.WriteString("/" + segment)
		}
		documented = append(documented, o.method+" "+path.String())
	}
	slices.Sort(routes)
	slices.Sort(documented)
	if !slices.Equal(routes, documented) {
		t.Errorf("the server has\n%s\nthe document has\n%s", strings.Join(routes, "\n"),
			strings.Join(documented, "\n"))
	}
	f.call("GET", "/openapi.json", nil).want(t, 200, string(openapi))
}

// A parameter is taken if and only if it is documented: a refusal lists those that there are.
func TestEveryParameterIsDocumented(t *testing.T) {
	f := newFront(t)
	d := served()
	for _, o := range d.operations {
		if !strings.HasPrefix(o.path, "/v1/") {
			continue
		}
		var names []string
		for _, at := range o.parameters {
			if p, _ := d.resolve(at); p.(map[string]any)["in"] == "query" {
				names = append(names, p.(map[string]any)["name"].(string))
			}
		}
		want := `This route has no parameters, and "nonsense" was given.`
		if len(names) > 0 {
			want = `This route has no parameter "nonsense"; it has ` + strings.Join(names, ", ") + "."
		}
		method, rest, _ := strings.Cut(samples[o.id][0], " ")
		path, _, _ := strings.Cut(rest, " ")
		path, _, _ = strings.Cut(path, "?")
		p := f.call(method, path+"?nonsense=1", nil).wantProblem(t, 400, "bad_parameter", "not_applied")
		if p.Detail != want {
			t.Errorf("%s: %s", o.id, p.Detail)
		}
	}
}

// Every code of the table is documented under each of its statuses, every response and schema of
// the components is used, and everything is described.
func TestDocumentIsWhole(t *testing.T) {
	d := served()
	text := string(openapi)
	for _, kind := range []string{"parameters", "headers", "requestBodies", "responses", "schemas"} {
		all, _ := d.resolve("/components/" + kind)
		for name := range all.(map[string]any) {
			if !strings.Contains(text, `"#/components/`+kind+`/`+name+`"`) {
				t.Errorf("nothing uses %s/%s", kind, name)
			}
		}
	}
	documented := map[string]bool{}
	ids := map[string]bool{}
	for _, o := range d.operations {
		node, _ := d.resolve(o.at)
		if s, _ := node.(map[string]any)["summary"].(string); s == "" || ids[o.id] {
			t.Errorf("%s %s has no summary, or the id of another", o.method, o.path)
		}
		ids[o.id] = true
		for status, at := range o.responses {
			response, _ := d.resolve(at)
			if s, _ := response.(map[string]any)["description"].(string); s == "" {
				t.Errorf("%s has no description", at)
			}
			schema, _ := d.resolve(at + "/content/application~1problem+json/schema/properties/code")
			code, _ := json.Marshal(schema)
			for _, e := range Explanations() {
				if strings.Contains(string(code), `"`+e.Code+`"`) {
					documented[e.Code+" "+status] = true
				}
			}
		}
	}
	for _, e := range Explanations() {
		for _, s := range e.Statuses {
			switch {
			case s == http.StatusMethodNotAllowed, s == http.StatusInternalServerError:
			case !documented[fmt.Sprintf("%s %d", e.Code, s)]:
				t.Errorf("%s is nowhere documented as %d", e.Code, s)
			}
		}
	}
}
