package rsm_test

import (
	"bytes"
	"testing"

	"drystone/rsm"
)

func TestRequestIDsAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]rsm.RequestID{
		"1.2.3":                    {Node: 1, Boot: 2, Serial: 3},
		"7/9":                      {Scope: "me", Session: 7, Seq: 9},
		"a-key":                    {Scope: "me", Key: "a-key"},
		"1.2":                      {Scope: "me", Key: "1.2"},
		"1.2.3.4":                  {Scope: "me", Key: "1.2.3.4"},
		"01.2.3":                   {Scope: "me", Key: "01.2.3"},
		"0.2.3":                    {Scope: "me", Key: "0.2.3"},
		"+1.2.3":                   {Scope: "me", Key: "+1.2.3"},
		"1.2.3/4":                  {Scope: "me", Key: "1.2.3/4"},
		"7/":                       {Scope: "me", Key: "7/"},
		"1.2.1e3":                  {Scope: "me", Key: "1.2.1e3"},
		"1.2.3 ":                   {Scope: "me", Key: "1.2.3 "},
		"1.2.99999999999999999999": {Scope: "me", Key: "1.2.99999999999999999999"},
	} {
		got := rsm.ParseRequestID("me", text)
		if got != want || got.String() != text {
			t.Errorf("%q is %+v, %v", text, got, got)
		}
		back, err := rsm.DecodeRequestID(rsm.EncodeRequestID(nil, want))
		if err != nil || back != want {
			t.Errorf("%+v is decoded as %+v, %v", want, back, err)
		}
	}
	for _, nothing := range []rsm.RequestID{{}, {Scope: "me"}, {Session: 1}, {Node: 1, Boot: 1}} {
		if id, err := rsm.DecodeRequestID(rsm.EncodeRequestID(nil, nothing)); err == nil {
			t.Errorf("%+v names %+v", nothing, id)
		}
	}
	if got := newReplica(t).Answer(rsm.RequestQuery, []byte{9}); got != nil {
		t.Errorf("a query that can't be decoded is answered %q", got)
	}
}

func TestEachFateHasAWord(t *testing.T) {
	for state, want := range map[rsm.FateState]string{
		rsm.FateAbsent: "absent", rsm.FatePending: "pending", rsm.FateApplied: "applied",
		rsm.FateRefused: "refused", rsm.FateFenced: "fenced", rsm.FateForgotten: "forgotten",
	} {
		if state.String() != want {
			t.Errorf("%d is %v, not %s", state, state, want)
		}
	}
}

func FuzzDecodeFate(f *testing.F) {
	f.Add([]byte{})
	f.Add(rsm.EncodeFate(nil, rsm.Fate{State: rsm.FateFenced}))
	f.Add(rsm.EncodeFate(nil, rsm.Fate{State: rsm.FateApplied, Result: rsm.Result{
		Outcome: rsm.Applied, Reply: []byte("reply"), Index: 300, Op: 2}}))
	f.Add(rsm.EncodeFate(nil, rsm.Fate{State: rsm.FateRefused, Result: rsm.Result{
		Outcome: rsm.NotApplied, Code: rsm.CodeExpired, Index: 1}}))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		fate, err := rsm.DecodeFate(encoded)
		if err == nil && !bytes.Equal(rsm.EncodeFate(nil, fate), encoded) {
			t.Fatalf("%+v has another encoding", fate)
		}
	})
}

func FuzzDecodeRequestID(f *testing.F) {
	f.Add([]byte{})
	for _, id := range []rsm.RequestID{{Scope: "me", Key: "k"}, {Session: 2, Seq: 300},
		{Node: 1, Boot: 2, Serial: 3}} {
		f.Add(rsm.EncodeRequestID(nil, id))
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		id, err := rsm.DecodeRequestID(encoded)
		if err == nil && !bytes.Equal(rsm.EncodeRequestID(nil, id), encoded) {
			t.Fatalf("%+v has another encoding", id)
		}
	})
}

func FuzzDecodeSessionInfo(f *testing.F) {
	f.Add([]byte{})
	f.Add(rsm.EncodeSessionInfo(nil, rsm.SessionInfo{Session: 1, TTLMs: 3_600_000}))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		i, err := rsm.DecodeSessionInfo(encoded)
		if err == nil && !bytes.Equal(rsm.EncodeSessionInfo(nil, i), encoded) {
			t.Fatalf("%+v has another encoding", i)
		}
	})
}

func FuzzParseRequestID(f *testing.F) {
	for _, text := range []string{"", "1.2.3", "7/9", "a-key", "01.2.3", "1.2.99999999999999999999"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if id := rsm.ParseRequestID("me", text); id.String() != text {
			t.Fatalf("%q is %+v, which is %q", text, id, id)
		}
	})
}
