package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// saying answers every request alike.
type saying struct {
	status int
	media  string
	body   string
}

func (s saying) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body.Close()
	}
	return &http.Response{
		StatusCode: s.status, Request: r, ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {s.media}}, Body: io.NopCloser(strings.NewReader(s.body)),
	}, nil
}

// FuzzReply lets anything answer. A call has a result of a success, or an error that says what
// became of it; a write that may have been carried out is never said to be without effect.
func FuzzReply(f *testing.F) {
	const problem = "application/problem+json"
	for _, s := range []saying{
		{200, "application/json", `{"values":["AA=="],"empty":false,"size":1,"encoding":"base64"}`},
		{200, "application/json", `{"stacks":[{"name":"/w==","encoding":"base64"}],"next":"a"}`},
		{200, "application/json", `{"value":null,"size":-1}`}, {200, "", `{"encoding":"hex"}`},
		{404, problem, `{"code":"no_such_stack","outcome":"applied"}`},
		{503, problem, `{"code":"no_leader","outcome":"not_applied","retry_safe":true}`},
		{409, problem, `{"code":"outcome_unknown","outcome":"unknown"}`},
		{400, problem, `{"code":"later","outcome":"perhaps"}`}, {200, "text/html", "<html>"},
		{502, "text/html", "<html>"}, {307, "", ""}, {204, "", ""},
	} {
		f.Add(uint16(s.status), s.media, s.body)
	}
	f.Fuzz(func(t *testing.T, status uint16, media, body string) {
		s := saying{100 + int(status)%500, media, body}
		if status < 600 && status >= 100 {
			s.status = int(status)
		}
		synctest.Test(t, func(t *testing.T) { s.asked(t) }) // where pauses take no time
	})
}

// asked makes calls, and checks what is said of them.
func (s saying) asked(t *testing.T) {
	c, err := New(Options{Endpoints: []string{"a:1"}, HTTP: &http.Client{Transport: s}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	check := func(write bool, err error) {
		t.Helper()
		var e *Error
		if err == nil {
			if s.status/100 != 2 {
				t.Errorf("%+v is taken for a success", s)
			}
			return
		}
		known := []string{OutcomeApplied, OutcomeNotApplied, OutcomeUnknown}
		if !errors.As(err, &e) || e.Code == "" || e.Error() == "" || !slices.Contains(known, e.Outcome) {
			t.Fatalf("%+v is the error %#v", s, err)
		}
		if write && e.RequestID != "k" {
			t.Errorf("%+v: the error names the request %q", s, e.RequestID)
		}
		if write && s.status/100 == 2 && e.Outcome != OutcomeUnknown {
			t.Errorf("%+v cannot be read, and it is said to be %s", s, e.Outcome)
		}
	}
	popped, err := c.Pop(ctx, "a", PopOptions{WriteOptions: WriteOptions{Key: "k"}})
	check(true, err)
	if err != nil && len(popped.Values) > 0 {
		t.Errorf("%q came out, and %v", popped.Values, err)
	}
	top, err := c.Top(ctx, "a", ReadOptions{})
	check(false, err)
	list, err2 := c.ListStacks(ctx, ListOptions{})
	check(false, err2)
	if err != nil && top.Size > 0 || err2 != nil && len(list.Stacks) > 0 {
		t.Errorf("%+v, %v; %+v, %v", top, err, list, err2)
	}
	_, err = c.Status(ctx, StatusOptions{})
	check(false, err)
	_, err = c.Members(ctx, ReadOptions{})
	check(false, err)
}

// FuzzEndpoint: what is taken is a URL that is taken again as it is.
func FuzzEndpoint(f *testing.F) {
	for _, e := range []string{"h:1", "http://h:1/", "[::1]:1", "https://h//", "h", "ftp://h",
		"h:1?a=b", "http://", "user@h:1", "h:1/path", "://"} {
		f.Add(e)
	}
	f.Fuzz(func(t *testing.T, e string) {
		normal, err := normalEndpoint(e)
		if err != nil {
			return
		}
		if again, err := normalEndpoint(normal); err != nil || again != normal {
			t.Errorf("%q is %q, which is %q, %v", e, normal, again, err)
		}
		if _, err := http.NewRequest("GET", normal+"/v1/status", nil); err != nil {
			t.Errorf("%q cannot be asked: %v", e, err)
		}
	})
}
