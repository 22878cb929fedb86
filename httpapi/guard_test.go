package httpapi

import (
	"testing"
)

func TestForeignHosts(t *testing.T) {
	f := newFront(t, "stacks.example", "http://api.example:8080", "10.1.2.3:12380", "[fd00::5]:1",
		"0.0.0.0:12380")
	for _, host := range []string{
		"localhost", "localhost:12380", "LOCALHOST.", "127.0.0.1", "127.0.0.1:9",
		"127.8.9.1", "[::1]", "[::1]:12380", "stacks.example", "Stacks.Example:1", "api.example",
		"10.1.2.3", "10.1.2.3:80", "[fd00::5]:80", "[::ffff:127.0.0.1]",
	} {
		if a := f.call("GET", "/v1/stacks", nil, "Host", host); a.status != 200 {
			t.Errorf("%s: %d %s", host, a.status, a.body)
		}
	}
	for _, host := range []string{"evil.example", "evil.example:12380", "localhost.evil.example",
		"127.0.0.1.evil.example", "10.1.2.4", "0.0.0.0", "8.8.8.8:12380", "[fd00::6]", "xlocalhost",
		"stacks.example.evil"} {
		for _, path := range []string{"/v1/stacks", "/v1/status", "/livez", "/readyz", "/nowhere"} {
			f.call("GET", path, nil, "Host", host).wantProblem(t, 403, "foreign_host", "not_applied")
		}
		if a := f.curl("/sPop", "1", "Host", host); a.status != 403 {
			t.Errorf("/sPop for %s: %d", host, a.status)
		}
	}
	// HTTP/1.0 has no Host: a browser always sends one.
	f.raw("GET /livez HTTP/1.0\r\n\r\n").want(t, 200, "ok\n")
	f.raw("GET http://evil.example/livez HTTP/1.1\r\nHost: localhost\r\n\r\n").
		wantProblem(t, 403, "foreign_host", "not_applied")
}

func TestCrossOrigin(t *testing.T) {
	f := newFront(t)
	own := "http://" + f.address
	refused := [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:3000"},
		{"Sec-Fetch-Site", "cross-site", "Origin", own},
		{"Origin", "http://evil.example"},
		{"Origin", "http://127.0.0.1:3000"},
		{"Origin", "null"},
	}
	admitted := [][]string{
		{},
		{"Origin", own},
		{"Sec-Fetch-Site", "same-origin", "Origin", own},
		{"Sec-Fetch-Site", "none"},
	}
	before := f.service.Ops()
	for _, headers := range refused {
		f.curl("/v1/stacks/a/push", "1", headers...).wantProblem(t, 403, "cross_origin", "not_applied")
		for method, path := range map[string]string{
			"PUT": "/v1/stacks/a", "DELETE": "/v1/stacks/a", "POST": "/v1/stacks/a/pop",
			"PATCH": "/nowhere",
		} {
			f.call(method, path, nil, headers...).wantProblem(t, 403, "cross_origin", "not_applied")
		}
		for _, path := range []string{"/sCreate", "/sPush", "/sPop", "/sTop"} {
			if a := f.curl(path, "a,1", headers...); a.status != 403 {
				t.Errorf("%s %v: %d", path, headers, a.status)
			}
		}
		// Reading is harmless: without our leave the page does not see the reply.
		a := f.call("GET", "/v1/stacks", nil, headers...)
		if a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("GET with %v: %d %v", headers, a.status, a.header)
		}
	}
	if f.service.Ops() != before {
		t.Error("a refused write took effect")
	}
	for _, headers := range admitted {
		if a := f.curl("/v1/stacks/a/push", "1", headers...); a.status != 200 {
			t.Errorf("%v: %d %s", headers, a.status, a.body)
		}
	}
}
