package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"drystone/rsm"
)

// Every route, every kind of bad input: the right code, nothing done, nothing left out.
func TestBadInput(t *testing.T) {
	f := newFront(t)
	f.curl("/v1/stacks/a/push", "1")
	before := f.service.ops()
	const (
		pushA = "POST /v1/stacks/a/push"
		popA  = "POST /v1/stacks/a/pop"
	)
	writes := []string{"PUT /v1/stacks/a", "DELETE /v1/stacks/a", pushA, popA}
	reads := []string{
		"GET /v1/stacks", "GET /v1/stacks/a", "GET /v1/stacks/a/top", "GET /v1/stacks/a/size",
		"GET /v1/stacks/a/items",
	}
	type test struct {
		route, body string // body "-": none
		headers     []string
		status      int
		code        string
	}
	var tests []test
	add := func(status int, code string, routes []string, suffix, body string, headers ...string) {
		for _, r := range routes {
			tests = append(tests, test{r + suffix, body, headers, status, code})
		}
	}
	named := append([]string{}, writes...)
	for _, r := range append(named, reads[1:]...) {
		for _, bad := range []string{"", "%FF", "%C3%28", strings.Repeat("x", 513)} {
			add(400, "bad_name", []string{strings.Replace(r, "/a", "/"+bad, 1)}, "", "-")
		}
	}
	all := append(append([]string{}, writes...), reads...)
	for _, bad := range []string{
		"", "abc", "-1s", "0", "0s", "61s", "1h", "61", "1e1", "NaN", "+5", "1 s",
	} {
		add(400, "bad_timeout", all, "", "-", "Drystone-Timeout", bad)
	}
	for _, bad := range []string{"", `""`, `"`, `"a`, `a b`, `"a b"`, "é", `"a"b`, `"a";p=1`, `"\a"`,
		strings.Repeat("k", 129), `"` + strings.Repeat("k", 129) + `"`, "a\tb"} {
		add(400, "bad_idempotency_key", writes, "", "-", "Idempotency-Key", bad)
	}
	add(400, "bad_idempotency_key", writes, "", "-", "Idempotency-Key", "a", "Idempotency-Key", "a")
	for _, h := range []string{"Drystone-Session", "Drystone-Seq", "Drystone-Ack"} {
		add(400, "bad_request", writes, "", "-", h, "7")
	}
	for _, bad := range []string{
		"?create=maybe", "?create=", "?creat=false", "?create=true&create=true", "?%zz",
		"?consistency=stale",
	} {
		add(400, "bad_parameter", []string{pushA}, bad, "x")
	}
	add(400, "bad_parameter", writes, "?limit=1", "-")
	for _, bad := range []string{
		"?consistency=fast", "?consistency=", "?max_stale=-1s&consistency=stale", "?max_stale=0",
		"?max_stale=soon", "?min_index=-1", "?min_index=x", "?consistancy=stale",
		"?min_index=1&min_index=2", "?a;b",
	} {
		add(400, "bad_parameter", reads, bad, "-")
	}
	for _, bad := range []string{
		"?limit=0", "?limit=-1", "?limit=x", "?limit=1.5", "?limit=99999999",
	} {
		add(400, "bad_parameter", []string{"GET /v1/stacks", "GET /v1/stacks/a/items"}, bad, "-")
	}
	add(400, "bad_parameter", []string{"GET /v1/stacks/a/items"}, "?offset=-1", "-")
	add(400, "bad_parameter", []string{"GET /v1/stacks"}, "?after="+strings.Repeat("x", 513), "-")
	add(400, "bad_parameter", []string{"GET /v1/status"}, "?applied=-1", "-")
	add(400, "bad_parameter", []string{"GET /v1/status"}, "?aplied=1", "-")

	typed := []string{"Content-Type", "application/json"}
	for _, bad := range []string{"{", "[]", "null", `"x"`, `{"values":["1"]`, `{"values":["1"]}}`,
		`{"values":["1"]} {}`, `{"values":["1"],}`, `{"values":["1",]}`, `{"values":[1]}`,
		`{"values":"1"}`, `{"values":["1"],"values":["2"]}`, `{values:["1"]}`, `{"values":["\x"]}`,
		`{"values":["\ud800"]}`, `{"values":["\u12"]}`, "{\"values\":[\"\xff\"]}",
		"{\"values\":[\"a\nb\"]}", `{"values":null}`, `{"values":["1"],"end":1}`, `{"values" ["1"]}`,
		"\ufeff{}", `{"values":["1`, `{"values":["1\`} {
		add(400, "bad_json", []string{pushA}, "", bad, typed...)
	}
	for _, bad := range []string{`{"value":["1"]}`, `{"Values":["1"]}`, `{"values":["1"],"End":"top"}`,
		`{"values":["1"],"count":1}`} {
		add(400, "unknown_field", []string{pushA}, "", bad, typed...)
	}
	for _, bad := range []string{`{}`, `{"values":[]}`, `{"values":["1"],"end":"middle"}`,
		`{"values":["1"],"encoding":"hex"}`, `{"values":["***"],"encoding":"base64"}`,
		`{"values":["QQ"],"encoding":"base64"}`, `{"values":["QQ==\n"],"encoding":"base64"}`} {
		add(400, "bad_request", []string{pushA}, "", bad, typed...)
	}
	for _, bad := range []string{`{"count":0}`, `{"count":-1}`, `{"count":1.5}`, `{"count":1e2}`,
		`{"count":01}`, `{"count":18446744073709551616}`, `{"end":"left"}`, `{"wait_ms":1000}`,
		`{"wait_ms":-1}`} {
		add(400, "bad_request", []string{popA}, "", bad, typed...)
	}
	add(400, "bad_request", []string{popA}, "", `{"count":2}`,
		append(typed, "Accept", "application/octet-stream")...)
	for _, bad := range []string{`{"count":"1"}`, `{"count":null}`, `{"count":}`, `x`} {
		add(400, "bad_json", []string{popA}, "", bad, typed...)
	}
	add(400, "unknown_field", []string{popA, "PUT /v1/stacks/a", "DELETE /v1/stacks/a"}, "",
		`{"values":["1"]}`, typed...)
	add(415, "unsupported_media_type", []string{popA, "PUT /v1/stacks/a", "DELETE /v1/stacks/a"}, "",
		`{"count":2}`, "Content-Type", "application/x-www-form-urlencoded")
	for _, bad := range []string{"multipart/form-data; boundary=x", "application/json; charset=latin1",
		"/", "text/plain; =", "application/json;;charset"} {
		add(415, "unsupported_media_type", []string{pushA, popA}, "", "{}", "Content-Type", bad)
	}
	add(415, "unsupported_media_type", []string{pushA}, "", "x", "Content-Encoding", "gzip")
	add(404, "not_found", []string{"GET /", "GET /v1", "GET /v1/", "GET /v2/stacks", "PUT /v1/kv/a",
		"POST /v1/stacks/a/b/push", "POST /v1/stacks/a/reserve", "POST /v1/stacks/a/ack",
		"POST /v1/stacks/a/nack", "POST /v1/stacks/a/extend", "GET /v1/stacks/a/top/",
		"POST //v1/stacks/a/push", "GET /v1/faults", "POST /spush", "POST /sPush/", "GET /errors/none"},
		"", "-")

	for _, c := range tests {
		method, path, _ := strings.Cut(c.route, " ")
		var body []byte
		if c.body != "-" {
			body = []byte(c.body)
		}
		a := f.call(method, path, body, c.headers...)
		what := fmt.Sprintf("%s %q %.60q", c.route, c.headers, c.body)
		t.Run(what, func(t *testing.T) { a.wantProblem(t, c.status, c.code, "not_applied") })
	}
	if after := f.service.ops(); after != before {
		t.Errorf("%d requests took effect", after-before)
	}
}

func TestMethods(t *testing.T) {
	f := newFront(t)
	f.curl("/v1/stacks/a/push", "1")
	routes := map[string]string{
		"/v1/stacks":         "GET, HEAD",
		"/v1/stacks/a":       "DELETE, GET, HEAD, PUT",
		"/v1/stacks/a/push":  "POST",
		"/v1/stacks/a/pop":   "POST",
		"/v1/stacks/a/top":   "GET, HEAD",
		"/v1/stacks/a/size":  "GET, HEAD",
		"/v1/stacks/a/items": "GET, HEAD",
		"/v1/status":         "GET, HEAD",
		"/livez":             "GET, HEAD",
		"/readyz":            "GET, HEAD",
		"/errors":            "GET, HEAD",
	}
	for path, allow := range routes {
		for _, method := range []string{
			"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW",
		} {
			allowed := strings.Contains(", "+allow+",", ", "+method+",")
			if allowed && method != "HEAD" {
				continue
			}
			a := f.call(method, path, nil)
			switch {
			case !allowed && a.header.Get("Allow") != allow:
				t.Errorf("%s %s: Allow %q, want %q", method, path, a.header.Get("Allow"), allow)
			case !allowed && method != "HEAD":
				a.wantProblem(t, 405, "method_not_allowed", "not_applied")
			case !allowed && (a.status != 405 || a.body != ""):
				t.Errorf("HEAD %s: %d %q", path, a.status, a.body)
			case allowed:
				get := f.call("GET", path, nil)
				if a.status != 200 || a.body != "" || path != "/v1/status" &&
					a.header.Get("Content-Length") != fmt.Sprint(len(get.body)) {
					t.Errorf("HEAD %s: %d %q, length %s", path, a.status, a.body,
						a.header.Get("Content-Length"))
				}
			}
		}
	}
	a := f.raw("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
	a.wantProblem(t, 404, "not_found", "not_applied")
}

// A value over the limit is refused before the log, however its size becomes known; the limit
// follows the setting; and where the front is behind, the machine decides.
func TestValueTooLarge(t *testing.T) {
	f := newFront(t)
	settings := rsm.DefaultSettings()
	settings.MaxValueBytes = 100
	f.service.set(settings)
	over, fits := strings.Repeat("x", 101), strings.Repeat("x", 100)
	before := f.service.ops()
	chunked := func(body string) answer {
		return f.raw(fmt.Sprintf("POST /v1/stacks/a/push HTTP/1.1\r\nHost: localhost\r\n"+
			"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body))
	}
	for _, a := range []answer{
		f.curl("/v1/stacks/a/push", over),
		chunked(over),
		f.json("POST", "/v1/stacks/a/push", `{"values":["1","`+over+`"]}`),
		f.json("POST", "/v1/stacks/a/push", `{"values":["`+strings.Repeat("eHh4", 40)+
			`"],"encoding":"base64"}`),
		f.json("POST", "/v1/stacks/a/push", strings.Repeat(" ", 66_137)),
		f.json("POST", "/v1/stacks/a/pop", strings.Repeat(" ", 66_137)),
		// The length alone decides: no byte of the body is sent.
		f.raw("POST /v1/stacks/a/push HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n" +
			"Expect: 100-continue\r\n\r\n"),
	} {
		a.wantProblem(t, 413, "value_too_large", "not_applied")
	}
	line := f.curl("/sPush", "a,"+over)
	if line.status != 413 || !strings.HasPrefix(line.body, "value_too_large: ") {
		t.Errorf("got %d %q", line.status, line.body)
	}
	if after := f.service.ops(); after != before {
		t.Errorf("%d requests reached the log", after-before)
	}
	f.curl("/v1/stacks/a/push", fits).want(t, 200, "{\"size\":1,\"index\":3}\n")
	chunked(fits).want(t, 200, "{\"size\":2,\"index\":4}\n")

	settings.MaxValueBytes = 101 // raised: at once
	f.service.set(settings)
	f.curl("/v1/stacks/a/push", over).want(t, 200, "{\"size\":3,\"index\":6}\n")
	chunked(over).want(t, 200, "{\"size\":4,\"index\":7}\n")
	settings.MaxValueBytes = 50 // lowered: the machine says so first, then the front knows
	f.service.set(settings)
	a := f.curl("/v1/stacks/a/push", fits)
	a.wantProblem(t, 413, "value_too_large", "not_applied")
	if a.header.Get("Drystone-Index") != "9" {
		t.Errorf("the log did not decide: %v", a.header)
	}
	a = f.curl("/v1/stacks/a/push", fits)
	a.wantProblem(t, 413, "value_too_large", "not_applied")
	if a.header.Get("Drystone-Index") != "" {
		t.Errorf("the log decided again: %v", a.header)
	}
}

// After an early refusal a client that goes on to send must still get its answer.
func TestRefusalWhileTheBodyIsSent(t *testing.T) {
	f := newFront(t)
	body := make([]byte, 2<<20)
	for range 5 {
		f.call(http.MethodPost, "/v1/stacks/a/push", body).
			wantProblem(t, 413, "value_too_large", "not_applied")
	}
}
