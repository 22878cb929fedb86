package httpapi

import (
	"fmt"
	"strings"
	"testing"
)

func TestRouter(t *testing.T) {
	var r router
	found := ""
	for _, pattern := range []string{
		"/", "/a", "/a/", "/a/{x}", "/a/b", "/a/{x}/push", "/a/b/c", "/{x}/z", "/files/{path...}",
	} {
		r.add("GET", pattern, func(*Exchange) { found = pattern })
	}
	for path, want := range map[string]string{
		"/":              "/ []",
		"/a":             "/a []",
		"/a/":            "/a/ []",
		"/a/b":           "/a/b []",
		"/a/x":           "/a/{x} [x]",
		"/a/..":          "/a/{x} [..]",
		"/a/%2F":         "/a/{x} [%2F]",
		"/a/b/push":      "/a/{x}/push [b]", // back out of the literal that led nowhere
		"/a/b/c":         "/a/b/c []",
		"/a/z":           "/a/{x} [z]",
		"/q/z":           "/{x}/z [q]",
		"/files/":        "/files/{path...} []",
		"/files/a/b//c/": "/files/{path...} [a/b//c/]",
		"/files/z":       "/files/{path...} [z]", // a literal goes before a name
		"":               "-",
		"a":              "-",
		"/b":             "-",
		"/a/b/d":         "-",
		"//":             "-",
		"/a/x/push/":     "-",
	} {
		got := "-"
		if n, params := r.find(path, nil); n != nil {
			n.methods["GET"](nil)
			got = fmt.Sprintf("%s [%s]", found, strings.Join(params, " "))
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
	for _, bad := range []string{"", "a", "/a", "/files/{x...}/more"} {
		if !panics(func() { r.add("GET", bad, func(*Exchange) {}) }) {
			t.Errorf("%q is taken", bad)
		}
	}
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

// Someone's own routes are served like ours: guarded, with parameters, identity and errors.
func TestOwnRoutes(t *testing.T) {
	f := newFront(t)
	f.api.Handle("POST", "/v1/mine/{name}", func(x *Exchange) {
		name, ok := x.Name(0)
		if !ok || !x.BeginWrite() {
			return
		}
		body, ok := x.Body()
		if !ok {
			return
		}
		if len(body) == 0 {
			x.Fail("empty_body", "")
			return
		}
		x.Header().Set("X-Mine", "yes")
		x.Send(200, textType, []byte(name+"="+string(body)))
	})
	a := f.curl("/v1/mine/a%2Fb", "c")
	a.want(t, 200, "a/b=c")
	if a.header.Get("X-Mine") != "yes" {
		t.Errorf("headers %v", a.header)
	}
	f.call("POST", "/v1/mine/a", nil).wantProblem(t, 400, "empty_body", "not_applied")
	f.call("GET", "/v1/mine/a", nil).wantProblem(t, 405, "method_not_allowed", "not_applied")
	f.curl("/v1/mine/a", "c", "Origin", "http://evil.example").
		wantProblem(t, 403, "cross_origin", "not_applied")
	f.curl("/v1/mine/a", "c", "Idempotency-Key", "").
		wantProblem(t, 400, "bad_idempotency_key", "not_applied")
}
