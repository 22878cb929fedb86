package httpapi

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// names are any UTF-8: each of these is a stack of its own.
var names = []string{
	"a", "A", "1", ".", "..", "...", "a/b", "/", "//", "../a", "a/../b", "%", "%2F", "%25", "a b", " ",
	"a+b", "+", "?", "a?b=c", "#", "&", "=", ";", ":", "@", "*", `"`, `\`, "'", "<>", "{name}", "é", "e\u0301",
	"😀", "日本語", "\x00", "\n", "a\tb", "\u2028", "\ufeff", "push", "a/push", "top", "size",
	strings.Repeat("n", 512), strings.Repeat("é", 256), strings.Repeat("/", 512),
}

func TestNames(t *testing.T) {
	f := newFront(t)
	for i, name := range names {
		path := "/v1/stacks/" + everyByte(name)
		f.call("PUT", path, nil).want(t, 201, string(appendStack(nil, name, 0))+"\n")
		value := fmt.Sprint("value ", i)
		if a := f.curl(path+"/push", value); a.status != 200 {
			t.Errorf("%q: %d %s", name, a.status, a.body)
		}
	}
	for i, name := range names {
		// Encoded as Go does it, and with every byte encoded: the same name.
		for _, encoded := range []string{url.PathEscape(name), everyByte(name)} {
			path := "/v1/stacks/" + encoded
			a := f.raw("GET " + path + "/top HTTP/1.1\r\nHost: localhost\r\n\r\n")
			a.want(t, 200, fmt.Sprintf("{\"value\":\"value %d\",\"empty\":false,\"size\":1}\n", i))
			var described struct{ Name string }
			a = f.raw("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
			if err := json.Unmarshal([]byte(a.body), &described); err != nil || described.Name != name {
				t.Errorf("%q is described as %q (%v)", name, a.body, err)
			}
		}
	}
	// The list has each of them once, a page at a time.
	seen, after := map[string]bool{}, ""
	for pages := 0; pages < 100; pages++ {
		a := f.call("GET", "/v1/stacks?limit=7&after="+url.QueryEscape(after), nil)
		var list struct {
			Stacks []struct{ Name string }
			Next   string
		}
		if err := json.Unmarshal([]byte(a.body), &list); err != nil {
			t.Fatalf("%s: %v", a.body, err)
		}
		for _, s := range list.Stacks {
			if seen[s.Name] {
				t.Errorf("%q is listed twice", s.Name)
			}
			seen[s.Name] = true
		}
		if after = list.Next; after == "" {
			break
		}
	}
	if len(seen) != len(names) {
		t.Errorf("%d stacks are listed, of %d", len(seen), len(names))
	}
}

func everyByte(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}

// A name that came by another protocol may be no UTF-8: it is listed in base64.
func TestListedNameThatIsNoText(t *testing.T) {
	got := string(appendStack(nil, "\xff", 3))
	if want := `{"name":"/w==","size":3,"encoding":"base64"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
