package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"drystone/client"
)

func TestSettles(t *testing.T) {
	for want, args := range map[string][]string{
		`drystone --key K push s 'it'\''s'`:                          {"push", "s", "it's"},
		"drystone push s '' --key K":                                 {"push", "s", "", "--key", "K"},
		"drystone --key=K push s 'a b'":                              {"--key=K", "push", "s", "a b"},
		"drystone --key K push s -   (with the same standard input)": {"push", "s", "-"},
		"drystone --key K push s v   (with your token, as --token or DRYSTONE_TOKEN)": {
			"--token", "secret", "push", "s", "v",
		},
		"drystone --key K push s -   (with the same standard input and your token, as --token or " +
			"DRYSTONE_TOKEN)": {"--token=secret", "push", "s", "-"},
	} {
		if got := settles(args, "K"); got != want {
			t.Errorf("%q settles by %s, want %s", args, got, want)
		}
	}
}

func TestFenceCommand(t *testing.T) {
	g := &globals{}
	for id, want := range map[string]string{
		"K": "drystone request --fence K", "-x": "drystone request --fence -- -x",
		"it's": `drystone request --fence 'it'\''s'`,
	} {
		if got := g.fenceCommand(id); got != want {
			t.Errorf("%s is settled by %s, want %s", id, got, want)
		}
	}
	for key, want := range map[string]string{
		"order-17": "order-17", "2026.11.22": `"2026.11.22"`, "1/2": `"1/2"`, "1.2.3.4": "1.2.3.4",
		`"`: `"\""`,
	} {
		if got := keyName(key); got != want {
			t.Errorf("the key %s is named %s, want %s", key, got, want)
		}
	}
	g.endpoints = []string{"http://a:1", "http://b:2"}
	if got := g.fenceCommand("K"); got !=
		"drystone --endpoints http://a:1,http://b:2 request --fence K" {
		t.Error(got)
	}
}

// A request's exit status is the one that the write itself would have had.
func TestFateStatus(t *testing.T) {
	for outcome, want := range map[string]int{
		client.OutcomeApplied: exitOK, client.OutcomeFenced: exitFailed,
		client.OutcomePending: exitUnknown, client.OutcomeForgotten: exitUnknown,
		client.OutcomeAbsent: exitNothing,
	} {
		for _, inJSON := range []bool{false, true} {
			err := (&globals{json: inJSON}).fateStatus("K", outcome)
			var f *failure
			switch {
			case want == exitOK && err == nil:
			case !errors.As(err, &f) || f.status != want || (f.text == "") != inJSON:
				t.Errorf("%s: %+v", outcome, f)
			}
		}
	}
}

// An unknown outcome is told with the request's name and both ways to settle it, in JSON as well.
func TestUnknownInWords(t *testing.T) {
	unknown := func() error {
		return &client.Error{
			Code: client.CodeNoAnswer, Outcome: client.OutcomeUnknown, Detail: "No answer came.",
			RequestID: "other",
		}
	}
	g := &globals{key: "K", keyed: true}
	var f *failure
	if !errors.As(g.callWords(unknown()), &f) || f.status != exitUnknown ||
		!strings.Contains(f.text, "outcome of request K is unknown") ||
		!strings.Contains(f.next, "--key K ") || !strings.Contains(f.next, "request --fence K") {
		t.Errorf("%+v", f)
	}
	g.json = true
	var told struct{ Next, Outcome, RequestID string }
	if errors.As(g.callWords(unknown()), &f); json.Unmarshal([]byte(f.json), &told) != nil ||
		told.Outcome != "unknown" || !strings.Contains(told.Next, "request --fence K") ||
		!strings.Contains(f.json, `"request_id":"K"`) {
		t.Errorf("%s", f.json)
	}
	g = &globals{asked: "K"}
	if errors.As(g.callWords(unknown()), &f); f.status != exitUnknown ||
		strings.Contains(f.next, "--key") || !strings.Contains(f.next, "request --fence K") {
		t.Errorf("%+v", f)
	}
}
