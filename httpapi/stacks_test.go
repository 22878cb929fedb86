package httpapi

import (
	"fmt"
	"strings"
	"testing"

	"drystone/rsm"
)

// The life of a stack, with every reply byte for byte.
func TestStackRoutes(t *testing.T) {
	f := newFront(t)
	steps := []struct {
		method, path, kind, body string
		status                   int
		reply                    string
	}{
		{"GET", "/v1/stacks", "", "", 200, `{"stacks":[],"next":""}`},
		{"PUT", "/v1/stacks/a", "", "", 201, `{"name":"a","size":0}`},
		{"PUT", "/v1/stacks/a", "", "", 200, `{"name":"a","size":0}`},
		{"POST", "/v1/stacks/a/push", "curl", "10", 200, `{"size":1,"index":4}`},
		{"POST", "/v1/stacks/a/push", "json", `{"values":["20","30"]}`, 200, `{"size":3,"index":5}`},
		{
			"POST", "/v1/stacks/a/push", "json", `{"values":["1","0"],"end":"bottom"}`, 200,
			`{"size":5,"index":6}`,
		},
		{"GET", "/v1/stacks/a", "", "", 200, `{"name":"a","size":5}`},
		{"GET", "/v1/stacks/a/size", "", "", 200, `{"size":5}`},
		{"GET", "/v1/stacks/a/top", "", "", 200, `{"value":"30","empty":false,"size":5}`},
		{
			"GET", "/v1/stacks/a/items", "", "", 200,
			`{"values":["30","20","10","1","0"],"size":5}`,
		},
		{"GET", "/v1/stacks/a/items?offset=1&limit=2", "", "", 200, `{"values":["20","10"],"size":5}`},
		{"GET", "/v1/stacks/a/items?offset=9", "", "", 200, `{"values":[],"size":5}`},
		{
			"POST", "/v1/stacks/a/pop", "", "", 200,
			`{"values":["30"],"empty":false,"size":4,"index":7}`,
		},
		{
			"POST", "/v1/stacks/a/pop", "json", `{"count":2,"end":"bottom","wait_ms":0}`, 200,
			`{"values":["0","1"],"empty":false,"size":2,"index":8}`,
		},
		{
			"POST", "/v1/stacks/a/pop", "json", ` { "count" : 9 } `, 200,
			`{"values":["20","10"],"empty":false,"size":0,"index":9}`,
		},
		{
			"POST", "/v1/stacks/a/pop", "json", `{}`, 200,
			`{"values":[],"empty":true,"size":0,"index":10}`,
		},
		{"GET", "/v1/stacks/a/top", "", "", 200, `{"value":null,"empty":true,"size":0}`},
		{"GET", "/v1/stacks/a/size", "", "", 200, `{"size":0}`},
		{"GET", "/v1/stacks/a/items", "", "", 200, `{"values":[],"size":0}`},
		{"POST", "/v1/stacks/b/push?create=true", "curl", "x", 200, `{"size":1,"index":11}`},
		{"POST", "/v1/stacks/b/push?create=false", "curl", "y", 200, `{"size":2,"index":12}`},
		{
			"GET", "/v1/stacks", "", "", 200,
			`{"stacks":[{"name":"a","size":0},{"name":"b","size":2}],"next":""}`,
		},
		{"GET", "/v1/stacks?limit=1", "", "", 200, `{"stacks":[{"name":"a","size":0}],"next":"a"}`},
		{"GET", "/v1/stacks?after=a", "", "", 200, `{"stacks":[{"name":"b","size":2}],"next":""}`},
		{"GET", "/v1/stacks?prefix=b", "", "", 200, `{"stacks":[{"name":"b","size":2}],"next":""}`},
		{"DELETE", "/v1/stacks/b", "", "", 200, `{"deleted":true}`},
		{"DELETE", "/v1/stacks/a", "json", "{}", 200, `{"deleted":true}`},
	}
	for _, s := range steps {
		var a answer
		switch s.kind {
		case "json":
			a = f.json(s.method, s.path, s.body)
		case "curl":
			a = f.curl(s.path, s.body)
		default:
			a = f.call(s.method, s.path, nil)
		}
		if a.status != s.status || a.body != s.reply+"\n" {
			t.Errorf("%s %s %s: got %d %q, want %d %q", s.method, s.path, s.body, a.status, a.body,
				s.status, s.reply)
		}
		if a.header.Get("Content-Type") != "application/json" || a.header.Get("Drystone-Index") == "" {
			t.Errorf("%s %s: headers %v", s.method, s.path, a.header)
		}
		read := a.header.Get("Drystone-Term") == "3" && a.header.Get("Drystone-Request-Id") == ""
		if read != (s.method == "GET") {
			t.Errorf("%s %s: the headers are not those of its kind: %v", s.method, s.path, a.header)
		}
	}
	if f.service.Deadlines != len(steps) {
		t.Errorf("%d of %d calls had a deadline", f.service.Deadlines, len(steps))
	}
}

func TestMissingStack(t *testing.T) {
	f := newFront(t)
	for _, c := range []struct{ method, path, outcome string }{
		{"GET", "/v1/stacks/none", "not_applied"},
		{"GET", "/v1/stacks/none/top", "not_applied"},
		{"GET", "/v1/stacks/none/size", "not_applied"},
		{"GET", "/v1/stacks/none/items", "not_applied"},
		{"DELETE", "/v1/stacks/none", "applied"},
		{"POST", "/v1/stacks/none/pop", "applied"},
		{"POST", "/v1/stacks/none/push?create=false", "applied"},
	} {
		var body []byte
		if strings.Contains(c.path, "push") {
			body = []byte("x")
		}
		p := f.call(c.method, c.path, body).wantProblem(t, 404, "no_such_stack", c.outcome)
		if !strings.Contains(p.Detail, `"none"`) || !*p.RetrySafe {
			t.Errorf("%s %s: %+v", c.method, c.path, p)
		}
	}
}

// Bytes go in and come out unchanged, whichever way they are written.
func TestValuesAreBytes(t *testing.T) {
	f := newFront(t)
	for _, value := range []string{
		"plain", " spaces and\ttabs ", "two\nlines\r\n", "{\"json\":1}", "quote\" and \\",
		"é 😀 \u2028",
		"\x00\x01\x1f\x7f", "\xff\xfe\x00", "half \xc3", "100%", "a=b&c=d", strings.Repeat("x", 1<<16),
	} {
		f.curl("/v1/stacks/v/push", value).want(t, 200,
			fmt.Sprintf("{\"size\":1,\"index\":%d}\n", f.service.Index))
		a := f.call("GET", "/v1/stacks/v/top", nil, "Accept", "application/octet-stream")
		a.want(t, 200, value)
		if a.header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("raw bytes are typed %q", a.header.Get("Content-Type"))
		}
		f.call("POST", "/v1/stacks/v/pop", nil, "Accept", "text/html, application/octet-stream;q=0.9").
			want(t, 200, value)
	}
	empty := f.call("POST", "/v1/stacks/v/pop", nil, "Accept", "application/octet-stream")
	empty.want(t, 204, "")
	if empty.header.Get("Drystone-Empty") != "true" {
		t.Errorf("headers %v", empty.header)
	}
	f.call("GET", "/v1/stacks/v/top", nil, "Accept", "application/octet-stream").want(t, 204, "")
	f.call("POST", "/v1/stacks/none/pop", nil, "Accept", "application/octet-stream").
		wantProblem(t, 404, "no_such_stack", "applied")
}

// What is not UTF-8 is base64, and so is everything else in its object; requests may say the same.
func TestBase64(t *testing.T) {
	f := newFront(t)
	f.json("POST", "/v1/stacks/b/push", `{"values":["dGV4dA==","/w=="],"encoding":"base64"}`).
		want(t, 200, "{\"size\":2,\"index\":2}\n")
	f.call("GET", "/v1/stacks/b/top", nil).
		want(t, 200, "{\"value\":\"/w==\",\"empty\":false,\"size\":2,\"encoding\":\"base64\"}\n")
	f.call("GET", "/v1/stacks/b/items", nil).
		want(t, 200, "{\"values\":[\"/w==\",\"dGV4dA==\"],\"size\":2,\"encoding\":\"base64\"}\n")
	f.json("POST", "/v1/stacks/b/pop", `{"count":2}`).want(t, 200, "{\"values\":[\"/w==\","+
		"\"dGV4dA==\"],\"empty\":false,\"size\":0,\"index\":3,\"encoding\":\"base64\"}\n")
	f.json("POST", "/v1/stacks/b/push", `{"values":["","\u0000","\ud83d\ude00"]}`).
		want(t, 200, "{\"size\":3,\"index\":4}\n")
	f.call("GET", "/v1/stacks/b/items", nil).
		want(t, 200, "{\"values\":[\"😀\",\"\\u0000\",\"\"],\"size\":3}\n")
}

// A value of no bytes must be meant: as JSON, or typed as bytes.
func TestEmptyValue(t *testing.T) {
	f := newFront(t)
	const path = "/v1/stacks/e/push"
	f.call("POST", path, nil).wantProblem(t, 400, "empty_body", "not_applied")
	f.curl(path, "").wantProblem(t, 400, "empty_body", "not_applied")
	f.json("POST", path, "").wantProblem(t, 400, "empty_body", "not_applied")
	f.json("POST", path, `{"values":[""]}`).want(t, 200, "{\"size\":1,\"index\":2}\n")
	f.call("POST", path, []byte{}, "Content-Type", "application/octet-stream").
		want(t, 200, "{\"size\":2,\"index\":3}\n")
	head := "POST " + path + " HTTP/1.1\r\nHost: localhost\r\n" +
		"Content-Type: application/octet-stream\r\n"
	f.raw(head+"\r\n").wantProblem(t, 400, "empty_body", "not_applied")
	f.raw(head+"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n").
		want(t, 200, "{\"size\":3,\"index\":4}\n")
	f.call("GET", "/v1/stacks/e/top", nil).
		want(t, 200, "{\"value\":\"\",\"empty\":false,\"size\":3}\n")
}

func TestReadOptions(t *testing.T) {
	f := newFront(t)
	f.curl("/v1/stacks/a/push", "1")
	for _, c := range []struct {
		query string
		want  rsm.ReadOptions
	}{
		{"", rsm.ReadOptions{}},
		{"?consistency=linearizable&min_index=2", rsm.ReadOptions{MinIndex: 2}},
		{"?consistency=stale", rsm.ReadOptions{Consistency: rsm.Stale}},
		{
			"?consistency=stale&max_stale=500ms&min_index=1",
			rsm.ReadOptions{Consistency: rsm.Stale, MaxStaleMs: 500, MinIndex: 1},
		},
		{
			"?max_stale=1.5&consistency=stale",
			rsm.ReadOptions{Consistency: rsm.Stale, MaxStaleMs: 1500},
		},
		{
			"?max_stale=1us&consistency=stale",
			rsm.ReadOptions{Consistency: rsm.Stale, MaxStaleMs: 1},
		},
	} {
		for _, path := range []string{"", "/top", "/size", "/items"} {
			a := f.call("GET", "/v1/stacks/a"+path+c.query, nil)
			got := f.service.Reads[len(f.service.Reads)-1]
			stale := a.header.Get("Drystone-Stale-Ms")
			if a.status != 200 || got != c.want || (stale == "7") != (c.want.Consistency == rsm.Stale) {
				t.Errorf("%s%s: %d, asked %+v, stale %q", path, c.query, a.status, got, stale)
			}
			if a.header.Get("Drystone-Index") != "2" || a.header.Get("Drystone-Term") != "3" {
				t.Errorf("headers %v", a.header)
			}
		}
	}
}
