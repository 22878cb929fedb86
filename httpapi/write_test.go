package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"drystone/rsm"
)

// A repeat under the same key gets the first reply byte for byte, whatever happened in between,
// and takes no effect; the key means the same quoted or bare.
func TestReplays(t *testing.T) {
	writes := []struct {
		name string
		send func(f *front, who ...string) answer
	}{
		{"create", func(f *front, who ...string) answer {
			return f.call("PUT", "/v1/stacks/new", nil, who...)
		}},
		{"delete", func(f *front, who ...string) answer {
			return f.call("DELETE", "/v1/stacks/a", nil, who...)
		}},
		{"delete what is missing", func(f *front, who ...string) answer {
			return f.call("DELETE", "/v1/stacks/none", nil, who...)
		}},
		{"push", func(f *front, who ...string) answer {
			return f.curl("/v1/stacks/a/push", "7", who...)
		}},
		{"push where nothing is", func(f *front, who ...string) answer {
			return f.curl("/v1/stacks/later/push?create=false", "7", who...)
		}},
		{"pop", func(f *front, who ...string) answer {
			return f.json("POST", "/v1/stacks/a/pop", `{"count":2}`, who...)
		}},
		{"pop bytes", func(f *front, who ...string) answer {
			return f.call("POST", "/v1/stacks/a/pop", nil,
				append(who, "Accept", "application/octet-stream")...)
		}},
		{"pop of nothing", func(f *front, who ...string) answer {
			return f.call("POST", "/v1/stacks/empty/pop", nil, who...)
		}},
		{"sCreate", func(f *front, who ...string) answer {
			return f.curl("/sCreate", "new", who...)
		}},
		{"sPush", func(f *front, who ...string) answer {
			return f.curl("/sPush", "a,7", who...)
		}},
		{"sPush where nothing is", func(f *front, who ...string) answer {
			return f.curl("/sPush", "later,7", who...)
		}},
		{"sPop", func(f *front, who ...string) answer {
			return f.curl("/sPop", "a", who...)
		}},
		{"sPop of nothing", func(f *front, who ...string) answer {
			return f.curl("/sPop", "empty", who...)
		}},
	}
	for i, w := range writes {
		key := fmt.Sprintf("k\"%d", i)
		t.Run(w.name, func(t *testing.T) {
			quoted := `"` + strings.ReplaceAll(key, `"`, `\"`) + `"`
			replayed(t, w.send, key, []string{"Idempotency-Key", quoted}, []string{"Idempotency-Key", key})
		})
		t.Run(w.name+" in a session", func(t *testing.T) {
			who := []string{"Drystone-Session", "2", "Drystone-Seq", "7"}
			replayed(t, w.send, "2/7", who, append(who, "Drystone-Ack", "0"))
		})
	}
}

// replayed sends a write and repeats it, in headers that say the same otherwise.
func replayed(t *testing.T, send func(*front, ...string) answer, id string, who, again []string) {
	f := newFront(t)
	f.open()
	f.call("PUT", "/v1/stacks/empty", nil)
	f.json("POST", "/v1/stacks/a/push", `{"values":["1","2","3"]}`)
	first := send(f, who...)
	if first.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("the first says that it is a repeat: %v", first.header)
	}
	// The world goes on: another item, another stack, another leader.
	f.curl("/v1/stacks/a/push", "in between")
	f.curl("/v1/stacks/empty/push", "in between")
	f.call("PUT", "/v1/stacks/later", nil)
	f.service.With(func(s *local) { s.View.LeaderID, s.View.Term = 2, 9 })
	before := f.service.Ops()
	repeat := send(f, again...)
	if repeat.status != first.status || repeat.body != first.body {
		t.Errorf("the repeat got %d %q, the first %d %q", repeat.status, repeat.body, first.status,
			first.body)
	}
	for _, h := range []string{"Drystone-Index", "Drystone-Request-Id", "Content-Type"} {
		if repeat.header.Get(h) != first.header.Get(h) {
			t.Errorf("%s: %q, first %q", h, repeat.header.Get(h), first.header.Get(h))
		}
	}
	if repeat.header.Get("Idempotency-Replayed") != "true" ||
		repeat.header.Get("Drystone-Request-Id") != id {
		t.Errorf("headers of the repeat: %v", repeat.header)
	}
	if f.service.Ops() != before {
		t.Error("the repeat took effect")
	}
}

func TestKeyOfAnotherCommand(t *testing.T) {
	f := newFront(t)
	f.curl("/v1/stacks/a/push", "1", "Idempotency-Key", "k")
	before := f.service.Ops()
	for _, other := range []func() answer{
		func() answer { return f.curl("/v1/stacks/a/push", "2", "Idempotency-Key", "k") },
		func() answer { return f.curl("/v1/stacks/b/push", "1", "Idempotency-Key", "k") },
		func() answer { return f.curl("/v1/stacks/a/push?create=false", "1", "Idempotency-Key", "k") },
		func() answer { return f.call("POST", "/v1/stacks/a/pop", nil, "Idempotency-Key", "k") },
		func() answer { return f.call("DELETE", "/v1/stacks/a", nil, "Idempotency-Key", `"k"`) },
	} {
		p := other().wantProblem(t, 422, "key_reused", "not_applied")
		if p.RequestID != "k" {
			t.Errorf("request id %q", p.RequestID)
		}
	}
	if f.service.Ops() != before {
		t.Error("something was done")
	}
	f.json("POST", "/v1/stacks/a/push", `{"values":["1"]}`, "Idempotency-Key", "k").
		want(t, 200, "{\"size\":1,\"index\":2}\n") // the same command, written otherwise
}

// 504 may be repeated blindly, and is only said to those for whom that is safe.
func TestUnknownOutcome(t *testing.T) {
	f := newFront(t)
	f.service.With(func(s *local) { s.Lose = true })
	p := f.curl("/v1/stacks/a/push", "1", "Idempotency-Key", "k").
		wantProblem(t, 504, "outcome_unknown", "unknown")
	if !*p.RetrySafe || p.RequestID != "k" {
		t.Errorf("with a key: %+v", p)
	}
	p = f.curl("/v1/stacks/a/push", "2").wantProblem(t, 409, "outcome_unknown", "unknown")
	if *p.RetrySafe || p.RequestID != "1.1.3" {
		t.Errorf("without a key: %+v", p)
	}
	f.service.With(func(s *local) { s.Lose = false })
	a := f.curl("/v1/stacks/a/push", "1", "Idempotency-Key", "k")
	a.want(t, 200, "{\"size\":1,\"index\":2}\n")
	if a.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("headers %v", a.header)
	}
}

// Whatever becomes of a write, its reply names it.
func TestEveryWriteIsNamed(t *testing.T) {
	f := newFront(t)
	for _, key := range []string{"", "mine"} {
		for _, day := range []func(*local){
			fine, func(s *local) { s.Lose = true }, refusing(rsm.CodeNoLeader), refusing(rsm.CodeOverload),
		} {
			f.service.With(func(s *local) { s.Lose, s.Refuse = false, ""; day(s) })
			var headers []string
			if key != "" {
				headers = []string{"Idempotency-Key", key}
			}
			for _, a := range []answer{
				f.curl("/v1/stacks/a/push", "1", headers...),
				f.curl("/sPush", "a,1", headers...),
			} {
				id := a.header.Get("Drystone-Request-Id")
				if id == "" || key != "" && id != key {
					t.Errorf("%d %s: named %q", a.status, a.body, id)
				}
			}
		}
	}
}

func TestParseKey(t *testing.T) {
	good := map[string]string{
		"a": "a", `"a"`: "a", `"\""`: `"`, `"\\"`: `\`, `a"b`: `a"b`, `a\b`: `a\b`, "!~": "!~",
		`"a,b;c"`: "a,b;c", `\`: `\`, `a"`: `a"`, strings.Repeat("k", 128): strings.Repeat("k", 128),
		`"` + strings.Repeat(`\"`, 128) + `"`: strings.Repeat(`"`, 128),
	}
	for in, want := range good {
		if got, ok := parseKey(in); !ok || got != want {
			t.Errorf("parseKey(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
	for _, bad := range []string{"", `""`, `"`, `"a`, `"a" `, `"a""`, `"\a"`, `"\`, `"\"`, " ", "a b",
		"\x7f", "é", `"é"`, strings.Repeat("k", 129), `"` + strings.Repeat(`\"`, 129) + `"`} {
		if got, ok := parseKey(bad); ok {
			t.Errorf("parseKey(%q) = %q", bad, got)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"a", `"a"`, `"\"\\"`, `"`, `"a\`, "é", strings.Repeat("k", 129)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, ok := parseKey(s)
		if !ok {
			return
		}
		if len(key) < 1 || len(key) > maxKeyBytes {
			t.Errorf("%q is a key of %d bytes", s, len(key))
		}
		for _, c := range []byte(key) {
			if c <= ' ' || c > '~' {
				t.Errorf("%q has %q in it", s, c)
			}
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		if again, ok := parseKey(quoted); !ok || again != key {
			t.Errorf("%q quoted is %q, which is read as %q", key, quoted, again)
		}
	})
}

func TestTimeouts(t *testing.T) {
	f := newFront(t)
	for _, good := range []string{"10s", "1m", "60", "60s", "0.5", "500ms", "1.5s", "100000us", ".5"} {
		a := f.curl("/v1/stacks/a/push", "1", "Drystone-Timeout", good)
		if a.status != http.StatusOK {
			t.Errorf("%q: %d %s", good, a.status, a.body)
		}
	}
}
