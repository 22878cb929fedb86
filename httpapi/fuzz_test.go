package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"drystone/rsm"
)

// inMemory is a front that is asked without a connection: what a fuzzer needs thousands of times a
// second.
type inMemory struct {
	t       testing.TB
	service *local
	api     *API
	log     bytes.Buffer
	ctx     context.Context
}

// smallValue is max_value_bytes of these fronts: a fuzzer finds its way over it.
const smallValue = 100

func newInMemory(t testing.TB) *inMemory {
	t.Helper()
	m := &inMemory{t: t, service: newLocal(t)}
	settings := rsm.DefaultSettings()
	settings.MaxValueBytes = smallValue
	m.service.set(settings)
	m.api = New(m.service, Config{
		Hosts: []string{"node.example:80"}, Logger: slog.New(slog.NewTextHandler(&m.log, nil)),
	})
	// What waits, waits in vain.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	m.ctx = ctx
	return m
}

// ask answers the request that stands in text, as HTTP has it; false if that is none.
func (m *inMemory) ask(text string) (*http.Request, answer, bool) {
	m.t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return nil, answer{}, false
	}
	w := httptest.NewRecorder()
	m.api.ServeHTTP(w, r.WithContext(m.ctx))
	return r, answer{w.Code, w.Result().Header, w.Body.String()}, true
}

// call is ask for requests that are well-formed. Lines are those of the header.
func (m *inMemory) call(method, target, body string, lines ...string) answer {
	m.t.Helper()
	_, a, ok := m.ask(requestText(method, target, strings.Join(lines, "\r\n"), body))
	if !ok {
		m.t.Fatalf("%s %q cannot be asked", method, target)
	}
	return a
}

// requestText is a request as it travels.
func requestText(method, target, lines, body string) string {
	if lines != "" {
		lines += "\r\n"
	}
	if !strings.Contains(strings.ToLower(lines), "transfer-encoding") {
		lines += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	if !strings.Contains(strings.ToLower(lines), "host:") {
		lines = "Host: localhost\r\n" + lines
	}
	return method + " " + target + " HTTP/1.1\r\n" + lines + "\r\n" + body
}

// plainCalls are the six that answer in lines of text.
var plainCalls = []string{"/sCreate", "/sId", "/sPush", "/sPop", "/sTop", "/sSize"}

// wellSaid checks what holds for every answer, and returns the problem that it is, if it is one.
func wellSaid(t *testing.T, r *http.Request, a answer) (p problemBody) {
	t.Helper()
	for name, values := range a.header {
		for _, v := range values {
			if strings.ContainsFunc(v, func(c rune) bool { return c < ' ' || c == 0x7f }) {
				t.Errorf("the header %s is %q", name, v)
			}
		}
	}
	length := a.header.Get("Content-Length")
	switch {
	case a.status == http.StatusNoContent:
		if a.body != "" || length != "" {
			t.Errorf("204 with a body: %q, length %s", a.body, length)
		}
	case r.Method == http.MethodHead:
		if a.body != "" {
			t.Errorf("HEAD has the body %q", a.body)
		}
	case length != fmt.Sprint(len(a.body)):
		t.Errorf("Content-Length is %s, of %d bytes", length, len(a.body))
	case a.header.Get("Content-Type") == "application/json" && !json.Valid([]byte(a.body)):
		t.Errorf("this is no JSON: %q", a.body)
	}
	if a.status < 400 {
		return p
	}
	id := a.header.Get("Drystone-Request-Id")
	if id == "" {
		t.Errorf("an error without a request id: %v", a.header)
	}
	switch path := r.URL.EscapedPath(); {
	case r.Method == http.MethodHead:
		return p
	case slices.Contains(plainCalls, path):
		code, text, _ := strings.Cut(a.body, ": ")
		p.Code, p.Status = code, a.status
		if len(text) < 2 || strings.Index(text, "\n") != len(text)-1 {
			t.Errorf("this is not one line: %q", a.body)
		}
		row, _ := Explain(code)
		p.Outcome = notApplied
		if strings.HasSuffix(text, "(outcome unknown, request "+id+")\n") {
			p.Outcome = unknown
		} else if len(row.Outcomes) > 0 && a.header.Get("Drystone-Index") != "" {
			p.Outcome = row.Outcomes[0]
		}
	default:
		if err := json.Unmarshal([]byte(a.body), &p); err != nil {
			t.Fatalf("%d %q is no problem: %v", a.status, a.body, err)
		}
		a.wantProblem(t, a.status, p.Code, p.Outcome)
	}
	row, known := Explain(p.Code)
	if !known || !slices.Contains(row.Statuses, a.status) ||
		!slices.Contains(row.Outcomes, p.Outcome) {
		t.Errorf("%d %s %s is not in the table of errors", a.status, p.Code, p.Outcome)
	}
	return p
}

// days are what a request may meet.
var days = []func(*local){
	fine, func(s *local) { s.lose = true }, refusing(rsm.CodeNoLeader), refusing(rsm.CodeOverload),
	refusing(rsm.CodeQuarantined), leaderless(contact(0, -1, 9000)),
	func(s *local) { s.view.Commit = 1 << 40 },
	adminRefuses(rsm.CodeUnsafeChange, "2 of 3 answer"),
	func(s *local) { // values of any size
		settings := rsm.DefaultSettings()
		settings.MaxValueBytes = 1 << 63
		s.execute(rsm.Request{Kind: rsm.SettingsCommand,
			Command: rsm.EncodeSettings(nil, rsm.SettingsChange{Settings: settings})})
	},
}

// FuzzHTTP puts any request to the whole front, on any day. Whatever it is: the answer is of the
// table of errors or a success, never a fault; what was not applied changed nothing; reads change
// nothing; a repeat under the same key changes nothing more and reads the same; and what was pushed
// as bytes is there as those bytes.
func FuzzHTTP(f *testing.F) {
	for _, s := range []struct{ method, target, lines, body string }{
		{"PUT", "/v1/stacks/%C3%A9%2F%2e%2e", "Idempotency-Key: \"a\\\"b\"", ""},
		{"POST", "/v1/stacks/a/push?create=false", "Content-Type: application/json",
			`{"values":["AA==","/w=="],"end":"bottom","encoding":"base64"}`},
		{"POST", "/v1/stacks/b/push", "Transfer-Encoding: chunked\r\nDrystone-Timeout: 2.5s",
			"3\r\na\xff\x00\r\n0\r\n\r\n"},
		{"POST", "/v1/stacks/a/pop", "Content-Type: application/json\r\nIdempotency-Key: k2",
			`{"count":18446744073709551615,"end":"bottom","wait_ms":0}`},
		{"POST", "/v1/stacks/a/pop", "Accept: text/plain;q=1, application/octet-stream", ""},
		{"DELETE", "/v1/stacks/a", "Idempotency-Key: k1\r\nDrystone-Timeout: 60", ""},
		{"GET", "/v1/stacks?prefix=%C3&after=a&limit=1000&consistency=stale&max_stale=1ns", "", ""},
		{"GET", "/v1/stacks/a/items?offset=9223372036854775808&limit=10000&min_index=3", "", ""},
		{"HEAD", "/v1/status?applied=99", "Host: [::1]:80\r\nOrigin: null", ""},
		{"POST", "/sPush", "Content-Type: application/x-www-form-urlencoded", "a,1,2\r\n"},
		{"POST", "/v1/members", "Sec-Fetch-Site: same-site", `{"id":4,"peer":"http://h:1/"}`},
		{"POST", "http://node.example/v1/leader/transfer", "Content-Encoding: gzip", `{"to":2}`},
	} {
		f.Add(uint8(0), s.method, s.target, s.lines, s.body)
		f.Add(uint8(len(s.body)), s.method, s.target, s.lines, s.body)
	}
	f.Add(uint8(len(days)-1), "POST", "/v1/stacks/b/push",
		"Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked",
		"3\r\na\xff\x00\r\n0\r\n\r\n")
	f.Fuzz(func(t *testing.T, day uint8, method, target, lines, body string) {
		m := newInMemory(t)
		m.call("POST", "/v1/stacks/a/push", "1", "Idempotency-Key: k1")
		m.call("POST", "/v1/stacks/a/push", "\xff")
		m.call("PUT", "/v1/stacks/b", "")
		m.service.with(days[int(day)%len(days)])
		m.api.maxValue.Store(0) // as after a start
		index, asked := m.service.index, len(m.service.admin.asked)

		text := requestText(method, target, lines, body)
		r, a, ok := m.ask(text)
		if !ok {
			return
		}
		defer func() {
			if t.Failed() {
				t.Logf("asked %q\nanswered %d %v %q\nlogged %s", text, a.status, a.header, a.body, &m.log)
			}
		}()
		p := wellSaid(t, r, a)
		if a.status == http.StatusInternalServerError {
			t.Error("a fault of the server")
		}
		read := r.Method == http.MethodGet || r.Method == http.MethodHead
		refused := p.Outcome == notApplied && a.header.Get("Drystone-Index") == ""
		if m.service.index != index && (read || refused) {
			t.Error("it changed something")
		}
		if refused && !read && p.Code != string(m.service.admin.reply.Code) &&
			len(m.service.admin.asked) != asked {
			t.Error("it was refused, and reached the members")
		}
		logged := m.service.index != index || a.header.Get("Idempotency-Replayed") != ""
		if logged && r.Header.Get("Idempotency-Key") != "" && (a.status < 400 || p.Outcome == applied) {
			m.repeated(t, text, a)
		}
		if a.status == http.StatusOK && a.header.Get("Idempotency-Replayed") == "" {
			m.pushed(t, r, text)
		}
	})
}

// repeated asks once more, under the same key.
func (m *inMemory) repeated(t *testing.T, text string, first answer) {
	t.Helper()
	ops := m.service.ops()
	_, again, _ := m.ask(text)
	again.want(t, first.status, first.body)
	if again.header.Get("Idempotency-Replayed") != "true" || m.service.ops() != ops {
		t.Errorf("a repeat takes effect: %v", again.header)
	}
}

// pushed reads back what a request pushed as raw bytes.
func (m *inMemory) pushed(t *testing.T, r *http.Request, text string) {
	t.Helper()
	path, isPush := strings.CutSuffix(r.URL.EscapedPath(), "/push")
	if !isPush || strings.Contains(strings.ToLower(r.Header.Get("Content-Type")), "json") {
		return
	}
	again, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	var sent bytes.Buffer
	sent.ReadFrom(again.Body)
	top := m.call("GET", path+"/top", "", "Accept: application/octet-stream")
	top.want(t, http.StatusOK, sent.String())
}
