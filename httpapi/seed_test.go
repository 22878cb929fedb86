package httpapi

import (
	"strings"
	"testing"

	"drystone/rsm"
)

// The seed's README, call by call.
func TestSeed(t *testing.T) {
	f := newFront(t)
	const (
		badPush = "bad_request: the body must be a stack, a comma and a value, as in 1,10\n"
		noName  = "empty_body: the body must be the name of a stack, as in 1\n"
		tooLong = "bad_name: The name has 513 bytes; 512 is the most.\n"
	)
	steps := []struct {
		call, body string
		status     int
		reply      string
	}{
		{"/sId", "1", 404, "no_such_stack: There is no stack \"1\".\n"},
		{"/sPush", "1,10", 404, "no_such_stack: There is no stack \"1\".\n"},
		{"/sPop", "1", 404, "no_such_stack: There is no stack \"1\".\n"},
		{"/sTop", "1", 404, "no_such_stack: There is no stack \"1\".\n"},
		{"/sSize", "1", 404, "no_such_stack: There is no stack \"1\".\n"},
		{"/sCreate", "1", 200, "1\n"},
		{"/sId", "1", 200, "1\n"},
		{"/sSize", "1", 200, "0\n"},
		{"/sTop", "1", 204, ""},
		{"/sPop", "1", 204, ""},
		{"/sPush", "1,10", 200, "1\n"},
		{"/sPush", "1,20,30", 200, "2\n"},
		{"/sCreate", "1", 200, "1\n"}, // B7: erases nothing
		{"/sSize", "1", 200, "2\n"},
		{"/sTop", "1", 200, "20,30\n"},
		{"/sPop", "1", 200, "20,30\n"},
		{"/sPop", "1\n", 200, "10\n"},
		{"/sPop", "1", 204, ""},
		{"/sPush", "1,40\r\n", 200, "1\n"},
		{"/sTop", "1\r\n", 200, "40\n"},
		{"/sPush", "1", 400, badPush},
		{"/sPush", "1,", 400, badPush},
		{"/sPush", ",10", 400, badPush},
		{"/sPush", "", 400, badPush},
		{"/sPush", "\n", 400, badPush},
		{"/sCreate", "", 400, noName},
		{"/sId", "", 400, noName},
		{"/sPop", "\n", 400, noName},
		{"/sTop", "", 400, noName},
		{"/sSize", "", 400, noName},
		{"/sCreate", "\xff", 400, "bad_name: The name is not UTF-8: \"\\xff\".\n"},
		{"/sPush", "\xff,1", 400, "bad_name: The name is not UTF-8: \"\\xff\".\n"},
		{"/sCreate", strings.Repeat("x", 513), 400, tooLong},
		{"/sSize", "1", 200, "1\n"},
	}
	for _, s := range steps {
		a := f.curl(s.call, s.body)
		if a.status != s.status || a.body != s.reply {
			t.Errorf("%s %q: got %d %q, want %d %q", s.call, s.body, a.status, a.body, s.status, s.reply)
		}
		h := a.header
		if h.Get("Deprecation") != "@1793491200" || !strings.HasPrefix(h.Get("Link"), "</v1/stacks") ||
			!strings.HasSuffix(h.Get("Link"), `>; rel="successor-version"`) {
			t.Errorf("%s %q: headers %v", s.call, s.body, h)
		}
		switch {
		case a.status == 204:
			if h.Get("Drystone-Empty") != "true" {
				t.Errorf("%s: headers %v", s.call, h)
			}
		case h.Get("Content-Type") != "text/plain; charset=utf-8":
			t.Errorf("%s: typed %q", s.call, h.Get("Content-Type"))
		}
		if strings.Count(a.body, "\n") > 1 {
			t.Errorf("%s: more than a line: %q", s.call, a.body)
		}
	}
	for name, path := range map[string]string{"1": "1", "a/b": "a%2Fb"} {
		link := f.curl("/sCreate", name).header.Get("Link")
		if link != "</v1/stacks/"+path+`>; rel="successor-version"` {
			t.Errorf("Link is %s", link)
		}
	}
	// They are the same stacks.
	f.call("GET", "/v1/stacks/1/top", nil).
		want(t, 200, "{\"value\":\"40\",\"empty\":false,\"size\":1}\n")
}

func TestSeedMethods(t *testing.T) {
	f := newFront(t)
	for _, call := range []string{"/sCreate", "/sId", "/sPush", "/sPop", "/sTop", "/sSize"} {
		for _, method := range []string{"GET", "PUT", "DELETE", "PATCH", "OPTIONS"} {
			a := f.call(method, call, nil)
			if a.status != 405 || a.header.Get("Allow") != "POST" || strings.Count(a.body, "\n") != 1 ||
				a.header.Get("Deprecation") == "" {
				t.Errorf("%s %s: %d %v %q", method, call, a.status, a.header, a.body)
			}
		}
		f.service.With(refusing(rsm.CodeNoLeader))
		if a := f.curl(call, "1,10"); a.status != 503 || !strings.HasPrefix(a.body, "no_leader: ") {
			t.Errorf("%s without a leader: %d %q", call, a.status, a.body)
		}
		f.service.With(refusing(""))
	}
}
