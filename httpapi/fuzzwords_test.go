package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"drystone/httpapi/httpapitest"
	"drystone/rsm"
)

// FuzzNames makes stacks of any names, a line each: what is no name is refused, every other is a
// stack of its own, and the list has all of them once, in order, in pages of any size.
func FuzzNames(f *testing.F) {
	f.Add("a\nb\na/b\n..\n%\n\xff\n", "", uint8(0))
	f.Add(strings.Join(names[:12], "\n"), "a", uint8(1))
	f.Add(strings.Repeat("é", 256)+"\n"+strings.Repeat("x", 513)+"\n\ufeff", "\xc3", uint8(2))
	f.Fuzz(func(t *testing.T, lines, prefix string, size uint8) {
		m := newInMemory(t)
		var want []string
		for _, name := range strings.Split(lines, "\n") {
			if len(want) > 64 {
				break
			}
			a := m.call("PUT", "/v1/stacks/"+everyByte(name), "")
			switch {
			case len(name) < 1 || len(name) > 512 || !utf8.ValidString(name):
				a.wantProblem(t, 400, "bad_name", notApplied)
				continue
			case slices.Contains(want, name):
				a.want(t, 200, string(appendStack(nil, name, 0))+"\n")
				continue
			}
			a.want(t, 201, string(appendStack(nil, name, 0))+"\n")
			// As Go writes it, and as the calls of old have it: the same stack.
			m.call("GET", "/v1/stacks/"+url.PathEscape(name), "").
				want(t, 200, string(appendStack(nil, name, 0))+"\n")
			if line := strings.TrimRight(name, "\r"); line == name {
				m.call("POST", "/sId", name+"\n").want(t, 200, name+"\n")
			}
			want = append(want, name)
		}
		slices.Sort(want)
		want = slices.DeleteFunc(want, func(s string) bool { return !strings.HasPrefix(s, prefix) })
		if len(prefix) > 512 {
			m.call("GET", "/v1/stacks?prefix="+url.QueryEscape(prefix), "").
				wantProblem(t, 400, "bad_parameter", notApplied)
			return
		}
		if got := m.list(t, prefix, 1+int(size%8), len(want)+1); !slices.Equal(got, want) {
			t.Errorf("the pages have %q, want %q", got, want)
		}
	})
}

// list reads all pages of the list, at most so many.
func (m *inMemory) list(t *testing.T, prefix string, limit, most int) (all []string) {
	t.Helper()
	after := ""
	for range most {
		q := url.Values{"prefix": {prefix}, "after": {after}, "limit": {fmt.Sprint(limit)}}
		a := m.call("GET", "/v1/stacks?"+q.Encode(), "")
		var page struct {
			Stacks         []struct{ Name, Encoding string }
			Next, Encoding string
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 {
			t.Fatalf("%d %s: %v", a.status, a.body, err)
		}
		if len(page.Stacks) > limit {
			t.Fatalf("a page of %d, at most %d", len(page.Stacks), limit)
		}
		for _, s := range page.Stacks {
			all = append(all, decodedText(t, s.Name, s.Encoding))
		}
		if after = decodedText(t, page.Next, page.Encoding); after == "" {
			return all
		}
	}
	t.Errorf("the pages do not end, at %q", after)
	return all
}

func decodedText(t *testing.T, s, encoding string) string {
	t.Helper()
	if encoding == "" {
		return s
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatalf("%q is not base64", s)
	}
	return string(b)
}

// FuzzHost asks in the name of any host. What a browser would make of the name must be ours, or
// the request is refused: a page elsewhere must not speak to this node by a name of its own.
func FuzzHost(f *testing.F) {
	for _, host := range []string{
		"localhost", "LOCALHOST.:80", "127.0.0.1:12380", "[::1]", "[::ffff:127.0.0.1]:1",
		"node.example", "node.example.evil", "evil.example:80", "localhost.evil:1", "[::1].evil",
		"127.0.0.1.evil", "::1", "[fe80::1%25lo]", "0177.0.0.1", "evil#localhost", "]", ".",
	} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		names := []string{"http://node.example:80/x", "10.0.0.1:1", ":80"}
		a := New(httpapitest.New(), Config{Hosts: names})
		known := a.knows(hostOf(host), &http.Request{Host: host})
		u, err := url.Parse("http://" + host)
		if err != nil || u.Host != host || u.Host == "" {
			return // no page has this name
		}
		name := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
		ours := name == "localhost" || name == "node.example" || name == "10.0.0.1" ||
			strings.HasPrefix(name, "127.") || strings.HasPrefix(name, "::ffff:") ||
			strings.Trim(name, "0:") == "1" || strings.HasPrefix(name, "0:0:0:0:0:ffff:")
		if known && !ours {
			t.Errorf("%q is taken for one of this node's names: %q", host, name)
		}
		if !known && (name == "localhost" || name == "node.example" || name == "127.0.0.1") {
			t.Errorf("%q is refused, and is this node", host)
		}
	})
}

// FuzzDuration: what is taken is what Go's own reader says, or plain seconds.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"10", "2.5s", "500ms", ".5", "1h1m", "-1s", "1e9", "NaN", "0x1p3",
		"."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := parseDuration(s)
		if !ok {
			return
		}
		if d < 0 && !strings.HasPrefix(s, "-") {
			t.Errorf("%q is %v", s, d)
		}
		if again, ok := parseDuration(d.String()); !ok || again != d {
			t.Errorf("%q is %v, which reads as %v", s, d, again)
		}
		plain := strings.Trim(s, "0123456789.") == ""
		std, err := time.ParseDuration(s + "s")
		if plain && s != "0" && (err != nil || (std-d).Abs() > time.Microsecond) {
			t.Errorf("%q is %v, and %v with a unit: %v", s, d, std, err)
		}
	})
}

// FuzzPeersWords puts into words what a peer said: its codes may be a later version's, and its
// sentences anything. The answer is a whole problem that keeps the outcome.
func FuzzPeersWords(f *testing.F) {
	for _, r := range []rsm.AdminReply{
		{Code: rsm.CodeUnsafeChange, Outcome: rsm.NotApplied, Detail: "2 of 3 answer"},
		{Code: rsm.CodeOutcomeUnknown, Outcome: rsm.Unknown},
		{Code: `of "later"`, Outcome: rsm.NotApplied, Detail: "é\n"},
		{Outcome: rsm.Applied, Index: 7, Members: []rsm.MemberStatus{{ID: 1, Peer: "\xff"}}},
	} {
		b, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r rsm.AdminReply
		if json.Unmarshal(b, &r) != nil {
			return
		}
		m := newInMemory(t)
		m.service.With(func(s *local) { s.Admin, s.Refuse = r, r.Code })
		a := m.call("DELETE", "/v1/members/2", "")
		if r.Code == "" {
			if a.status != 200 || !json.Valid([]byte(a.body)) {
				t.Errorf("%d %s", a.status, a.body)
			}
			return
		}
		for _, a := range []answer{a, m.call("POST", "/v1/stacks/a/push", "1")} {
			var p problemBody
			if err := json.Unmarshal([]byte(a.body), &p); err != nil {
				t.Fatalf("%d %q is no problem: %v", a.status, a.body, err)
			}
			if p.Code != strings.ToValidUTF8(string(r.Code), "\ufffd") || p.Detail == "" || p.Title == "" {
				t.Errorf("the problem of %q is %q", r.Code, a.body)
			}
		}
		line := m.call("POST", "/sPush", "a,1").body
		if strings.Count(line, "\n") != 1 {
			t.Errorf("more than a line: %q", line)
		}
		var p problemBody
		if json.Unmarshal([]byte(a.body), &p); (p.Outcome == unknown) != (r.Outcome == rsm.Unknown) {
			t.Errorf("outcome %v is said to be %s", r.Outcome, p.Outcome)
		}
	})
}
