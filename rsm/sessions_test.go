package rsm_test

import (
	"fmt"
	"testing"

	"drystone/rsm"
)

func inSession(session, seq, ack uint64, text string) rsm.Request {
	return rsm.Request{Identity: rsm.Identity{Session: session, Seq: seq, Ack: ack},
		Command: []byte(text)}
}

// limited returns a replica with settings, and its session of op 2, opened at 0.
func limited(t testing.TB, s rsm.Settings) *replica {
	r := newReplica(t)
	r.do(0, setting(rsm.SettingsChange{Settings: s}))
	open(r, 0, 2)
	return r
}

var roomy = rsm.Settings{MaxSessions: 100, SessionTTLMs: 1000, MaxRequestsBytes: 1 << 20,
	RequestRetentionMs: 1000}

func open(r *replica, stamp, want uint64) {
	r.t.Helper()
	got := r.do(stamp, rsm.Request{Kind: rsm.OpenSession})
	info, err := rsm.DecodeSessionInfo(got.Reply)
	if err != nil || got.Outcome != rsm.Applied || info.Session != got.Op || got.Op != want {
		r.t.Fatalf("opening a session came to %+v, %+v, %v", got, info, err)
	}
}

func keepSession(session uint64) rsm.Request {
	return rsm.Request{Kind: rsm.KeepSession, Command: rsm.EncodeSession(nil, session)}
}

func closeSession(session uint64) rsm.Request {
	return rsm.Request{Kind: rsm.CloseSession, Command: rsm.EncodeSession(nil, session)}
}

func wantCode(t testing.TB, got rsm.Result, code rsm.Code) {
	t.Helper()
	outcome := rsm.Applied
	if code != "" {
		outcome = rsm.NotApplied
	}
	if got.Outcome != outcome || got.Code != code {
		t.Fatalf("the result is %+v, not %d %q", got, outcome, code)
	}
}

// thesis §6.3: numbers may come in any order, and each is executed once.
func TestEachNumberIsExecutedOnce(t *testing.T) {
	r := limited(t, roomy)
	replies := map[uint64]rsm.Result{}
	for _, seq := range []uint64{3, 1, 1024, 2} {
		got := r.do(1, inSession(2, seq, 0, "x"))
		if wantCode(t, got, ""); got.Replayed {
			t.Fatalf("number %d is replayed at first", seq)
		}
		replies[seq] = got
	}
	op := r.Point().Op
	for range 2 {
		for _, seq := range []uint64{1024, 1, 2, 3} {
			got := r.do(900, inSession(2, seq, 0, "x"))
			want := replies[seq]
			if wantCode(t, got, ""); !got.Replayed || string(got.Reply) != string(want.Reply) ||
				got.Index != want.Index || got.Op != want.Op {
				t.Fatalf("number %d is repeated with %+v, not %+v", seq, got, want)
			}
			wantCode(t, r.do(900, inSession(2, seq, 0, "other")), rsm.CodeKeyReused)
		}
		r = r.restored()
	}
	if r.Point().Op != op {
		t.Fatalf("op went from %d to %d", op, r.Point().Op)
	}
}

func TestTheWindowEndsWhereItSays(t *testing.T) {
	r := limited(t, roomy)
	wantCode(t, r.do(1, inSession(2, 1025, 0, "x")), rsm.CodeWindowFull)
	wantCode(t, r.do(1, inSession(2, 1<<63, 0, "x")), rsm.CodeWindowFull)
	wantCode(t, r.do(1, inSession(2, 0, 0, "x")), rsm.CodeBadCommand)
	wantCode(t, r.do(1, inSession(2, 1024, 0, "x")), "")
	// 1025 is refused for as long as nothing is acknowledged, and 1 is free.
	wantCode(t, r.do(1, inSession(2, 1, 0, "x")), "")
	wantCode(t, r.do(1, inSession(2, 1025, 1, "x")), "")
	wantCode(t, r.do(1, inSession(2, 1026, 1, "x")), rsm.CodeWindowFull)
	wantCode(t, r.do(1, inSession(2, 1026, 2, "x")), "")
	// What is acknowledged is never executed again, nor for the first time.
	op := r.Point().Op
	wantCode(t, r.do(1, inSession(2, 1, 0, "x")), rsm.CodeReplyForgotten)
	wantCode(t, r.do(1, inSession(2, 2, 0, "x")), rsm.CodeReplyForgotten)
	if r.Point().Op != op {
		t.Fatal("a number was executed behind its acknowledgement")
	}
}

// An acknowledgement of what was never executed kills no number.
func TestAnAcknowledgementCountsUpToWhatWasExecuted(t *testing.T) {
	r := limited(t, roomy)
	wantCode(t, r.do(1, inSession(2, 1, 99, "x")), "")
	wantCode(t, r.do(1, inSession(2, 3, 0, "x")), "")
	if r.Requests() != 2 {
		t.Fatalf("%d replies are stored", r.Requests())
	}
	// It frees 1 and, by what it says of it, 2.
	wantCode(t, r.do(1, inSession(2, 4, 99, "x")), "")
	wantCode(t, r.do(1, inSession(2, 2, 0, "x")), rsm.CodeReplyForgotten)
	wantCode(t, r.do(1, inSession(2, 3, 0, "x")), rsm.CodeReplyForgotten)
	if got := r.do(1, inSession(2, 4, 0, "x")); !got.Replayed || r.Requests() != 1 {
		t.Fatalf("the one that was not acknowledged came to %+v, of %d", got, r.Requests())
	}
}

func TestASessionExpiresByLogTimeAlone(t *testing.T) {
	for _, step := range []struct {
		name  string
		renew rsm.Request // at 500
		at    uint64
		code  rsm.Code
	}{
		{"unused", command("x"), 999, ""},
		{"unused", command("x"), 1000, rsm.CodeSessionExpired},
		{"kept", keepSession(2), 1499, ""},
		{"kept", keepSession(2), 1500, rsm.CodeSessionExpired},
		{"used", inSession(2, 1, 0, "x"), 1499, ""},
		{"used", inSession(2, 1, 0, "x"), 1500, rsm.CodeSessionExpired},
		{"refused", inSession(2, 0, 0, "x"), 1499, ""},
		{"used by another scope", rsm.Request{Identity: rsm.Identity{Session: 2, Seq: 1, Scope: "me"}},
			1000, rsm.CodeSessionExpired},
		{"closed", closeSession(2), 501, rsm.CodeSessionExpired},
	} {
		t.Run(fmt.Sprint(step.name, " at ", step.at), func(t *testing.T) {
			r := limited(t, roomy)
			r.do(500, step.renew)
			r = r.restored()
			wantCode(t, r.do(step.at, inSession(2, 2, 0, "y")), step.code)
			if open := r.Sessions() == 1; open != (step.code == "") {
				t.Fatalf("%d sessions are open", r.Sessions())
			}
			if step.code != "" {
				// For ever after, whatever the settings become.
				longer := roomy
				longer.SessionTTLMs = 1 << 40
				r.do(step.at, setting(rsm.SettingsChange{Settings: longer}))
				wantCode(t, r.do(step.at, inSession(2, 2, 0, "y")), rsm.CodeSessionExpired)
				wantCode(t, r.do(step.at, keepSession(2)), rsm.CodeSessionExpired)
				wantCode(t, r.do(step.at, closeSession(2)), rsm.CodeSessionExpired)
			}
		})
	}
}

func TestSessionsExpireInTheOrderOfTheirUse(t *testing.T) {
	r := limited(t, roomy)
	for i := range uint64(3) {
		open(r, 100*(i+1), 3+i)
	}
	r.do(350, keepSession(2))
	r.do(360, keepSession(4))
	for _, step := range []struct{ stamp, sessions uint64 }{
		{1099, 4}, {1100, 3}, {1299, 3}, {1300, 2}, {1349, 2}, {1350, 1}, {1359, 1}, {1360, 0},
	} {
		if r.apply(step.stamp); r.Sessions() != step.sessions {
			t.Fatalf("at %d %d sessions are open, not %d", step.stamp, r.Sessions(), step.sessions)
		}
		r = r.restored()
	}
}

// A cap refuses new sessions, and never ends one that lives.
func TestTheCapHoldsWithoutEviction(t *testing.T) {
	s := roomy
	s.MaxSessions = 100
	r := limited(t, s)
	refused := uint64(0)
	for number := range uint64(100) {
		b := rsm.Batch{Node: 3, Boot: 1, Number: number + 1, Ack: number}
		for i := range 100 {
			b.Requests = append(b.Requests, rsm.Request{Kind: rsm.OpenSession,
				Identity: rsm.Identity{Key: fmt.Sprint(number, " ", i)}})
		}
		r.apply(1, b)
		results, _ := r.Lookup(3, 1, number+1)
		for _, got := range results {
			if got.Code == rsm.CodeTooManySessions {
				refused++
			}
		}
	}
	if refused != 10_001-100 || r.Sessions() != 100 {
		t.Fatalf("%d are refused, %d open", refused, r.Sessions())
	}
	// What was refused left nothing, of which only its key would be known.
	if r.Point().Op != 1+100 || r.Requests() != 99 {
		t.Fatalf("op %d, %d replies", r.Point().Op, r.Requests())
	}
	wantCode(t, r.do(1, inSession(2, 1, 0, "x")), "")
	// What is due makes room by the same entry.
	wantCode(t, r.do(1001, rsm.Request{Kind: rsm.OpenSession}), "")
	if r.Sessions() != 1 {
		t.Fatalf("%d are open", r.Sessions())
	}
}

// Replies of sessions count like those of keys.
func TestRepliesOfSessionsAreBounded(t *testing.T) {
	s := roomy
	s.MaxRequestsBytes = 4 * 300
	r := limited(t, s)
	stored := uint64(0)
	for stored < 10 {
		if got := r.do(1, inSession(2, stored+1, 0, "x")); got.Code != "" {
			wantCode(t, got, rsm.CodeTableFull)
			break
		}
		stored++
	}
	if bytes := r.RequestsBytes(); stored != 4 || bytes < 4*256 || bytes > 4*300 {
		t.Fatalf("%d replies of %d bytes are stored", stored, bytes)
	}
	wantCode(t, r.do(1, keyed("k", "x")), rsm.CodeTableFull)
	if got := r.do(1, inSession(2, 1, 0, "x")); !got.Replayed {
		t.Fatalf("a repeat came to %+v", got)
	}
	// A number that was refused is executed once there is room.
	wantCode(t, r.do(1, inSession(2, 5, 1, "x")), "")
	wantCode(t, r.do(1, keyed("k", "x")), rsm.CodeTableFull)
	r.do(1, closeSession(2))
	if r.RequestsBytes() != 0 || r.Requests() != 0 {
		t.Fatalf("a session that was closed left %d bytes", r.RequestsBytes())
	}
}
