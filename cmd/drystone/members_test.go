package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMembers(t *testing.T) {
	for text, want := range map[string]memberList{
		"":                           {},
		"http://127.0.0.1:12379":     {1: "127.0.0.1:12379"},
		"http://a:1/, b:2":           {1: "a:1", 2: "b:2"},
		"3=a:1,1=http://b:2,2=c:3":   {1: "b:2", 2: "c:3", 3: "a:1"},
		"http://[::1]:1,127.0.0.1:1": {1: "[::1]:1", 2: "127.0.0.1:1"},
	} {
		got, err := parseMembers(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
		if again, err := parseMembers(got.String()); err != nil || !cmp.Equal(got, again) {
			t.Errorf("%q prints as %q, which reads as %v (%v)", text, got, again, err)
		}
	}
	for text, want := range map[string]string{
		"a":            "no address",
		"a:x":          "port",
		"a:70000":      "port",
		"a:1,":         "no address",
		"a:1,a:1":      "nodes 1 and 2 have the same address",
		"1=a:1,1=b:1":  "named twice",
		"1=a:1,b:1":    "number all or none",
		"0=a:1":        "1 or more",
		"x=a:1":        "1 or more",
		"https://a:1":  "TLS",
		"http://a:1/x": "port",
	} {
		if got, err := parseMembers(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %q", text, got, err, want)
		}
	}
}

func TestNodeWords(t *testing.T) {
	for want, ids := range map[string][]uint64{
		"no node": nil, "node 4": {4}, "nodes 1 and 2": {1, 2}, "nodes 1, 2 and 7": {1, 2, 7},
	} {
		if got := nodeWords(ids); got != want {
			t.Errorf("%v: %q, want %q", ids, got, want)
		}
	}
}
