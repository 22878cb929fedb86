package httpapi

import (
	"fmt"
	"strings"

	"drystone/httpapi/httpapitest"
	"drystone/rsm"
	"drystone/store"
)

var contact = httpapitest.Contact

func refusing(code rsm.Code) func(*local) { return func(s *local) { s.Refuse = code } }

func leaderless(members []rsm.MemberStatus) func(*local) {
	return func(s *local) {
		s.Refuse, s.View.LeaderID, s.View.Members = rsm.CodeNoLeader, 0, members
		s.View.Health = rsm.HealthNoLeader
	}
}

func get(path string, headers ...string) func(*front) answer {
	return func(f *front) answer { return f.call("GET", path, nil, headers...) }
}

func pushing(headers ...string) func(*front) answer {
	return func(f *front) answer { return f.curl("/v1/stacks/jobs/push", "10", headers...) }
}

func pushingJSON(body string) func(*front) answer {
	return func(f *front) answer { return f.json("POST", "/v1/stacks/jobs/push", body) }
}

func curling(path, body string) func(*front) answer {
	return func(f *front) answer { return f.curl(path, body) }
}

func fine(*local) {}

var wrongType = store.EncodeReply(nil, store.Reply{Code: store.WrongType})

// refusals are one scene, or some, for each code.
var refusals = []scene{
	{"bad_request", fine, pushingJSON(`{"values":[]}`)},
	{"bad_request_count", fine, func(f *front) answer {
		return f.json("POST", "/v1/stacks/jobs/pop", `{"count":-1}`)
	}},
	{"bad_request_wait", fine, func(f *front) answer {
		return f.json("POST", "/v1/stacks/jobs/pop", `{"wait_ms":500}`)
	}},
	{"bad_request_session", fine, pushing("Drystone-Session", "12")},
	{"bad_name", fine, get("/v1/stacks/%ff")},
	{"bad_name_long", fine, get("/v1/stacks/" + strings.Repeat("n", 600))},
	{"bad_json", fine, pushingJSON(`{"values":["1"}`)},
	{"bad_json_number", fine, pushingJSON(`{"values":[10]}`)},
	{"unknown_field", fine, pushingJSON(`{"value":["1"]}`)},
	{"bad_parameter", fine, get("/v1/stacks/jobs?consistancy=stale")},
	{"bad_parameter_limit", fine, get("/v1/stacks?limit=0")},
	{"empty_body", fine, curling("/v1/stacks/jobs/push", "")},
	{"bad_idempotency_key", fine, pushing("Idempotency-Key", "two words")},
	{"bad_timeout", fine, pushing("Drystone-Timeout", "1h")},
	{"bad_command", refusing(rsm.CodeBadCommand), pushing()},
	{"foreign_host", fine, get("/v1/stacks", "Host", "evil.example:80")},
	{"cross_origin", fine, pushing("Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site")},
	{"not_found", fine, get("/v1/stacks/a/b/top")},
	{"no_such_stack", fine, get("/v1/stacks/jobs/top")},
	{"no_such_stack_in_the_log", fine, func(f *front) answer {
		return f.call("POST", "/v1/stacks/jobs/pop", nil)
	}},
	{"method_not_allowed", fine, get("/v1/stacks/jobs/push")},
	{"body_timeout", fine, func(f *front) answer {
		return f.raw("POST /v1/stacks/jobs/push HTTP/1.1\r\nHost: localhost\r\n" +
			"Drystone-Timeout: 60ms\r\nContent-Length: 100\r\n\r\nslow")
	}},
	{"outcome_unknown_keyed", func(s *local) { s.Lose = true }, pushing("Idempotency-Key", "k1")},
	{"outcome_unknown_unkeyed", func(s *local) {
		s.Lose = true
		s.View.LeaderID, s.View.Members = 0, contact(0, -1, 9000)
	}, pushing()},
	{"wrong_type", func(s *local) {
		s.Reply = wrongType
	}, pushing()},
	{"value_too_large", fine, curling("/v1/stacks/jobs/push", strings.Repeat("x", 1<<20+1))},
	{"unsupported_media_type", fine, func(f *front) answer {
		return f.curl("/v1/stacks/jobs/pop", `{"count":2}`)
	}},
	{"key_reused", fine, func(f *front) answer {
		f.curl("/v1/stacks/jobs/push", "1", "Idempotency-Key", "k1")
		return f.curl("/v1/stacks/jobs/push", "2", "Idempotency-Key", "k1")
	}},
	{"overload", refusing(rsm.CodeOverload), pushing()},
	{"table_full", refusing(rsm.CodeTableFull), pushing("Idempotency-Key", "k1")},
	{"internal", fine, get("/panic")},
	{"no_leader_alone", leaderless(contact(0, -1, -1)), pushing()},
	{"no_leader_elects", leaderless(contact(0, 20, 5)), pushing()},
	{"no_leader_one_silent", leaderless(contact(0, 20, 5_000)), pushing()},
	{"no_leader_silent_majority", leaderless(contact(0, 5_000, 3_000, -1, 10)), get("/v1/stacks")},
	{"no_leader_answer", func(s *local) {
		s.Refuse, s.View.LeaderID, s.View.Members = rsm.CodeNoLeader, 2, contact(0, 10, 60_000)
	}, get("/v1/stacks/jobs")},
	{"no_leader_too_stale", leaderless(contact(0, -1, -1)),
		get("/v1/stacks/jobs?consistency=stale&max_stale=500ms")},
	{"deadline_passed", refusing(rsm.CodeExpired), pushing()},
	{"draining", refusing(rsm.CodeDraining), pushing()},
	{"bootstrapping", func(s *local) {
		s.Refuse = rsm.CodeBootstrapping
		s.View.Reason = "the first start waits for node 2, node 3"
	}, pushing()},
	{"quarantined", func(s *local) {
		s.Refuse, s.View.Reason = rsm.CodeQuarantined, "segment 4 is damaged at byte 4096"
	}, get("/v1/stacks/jobs")},
	{"behind", fine, get("/v1/stacks/jobs?min_index=99")},
	{"behind_status", fine, get("/v1/status?applied=99", "Drystone-Timeout", "20ms")},
	{"unnamed_code", refusing("made_up"), pushing()},
	{"no_leader_status_fails", func(s *local) {
		s.Refuse, s.StatusErr = rsm.CodeNoLeader, fmt.Errorf("down")
	}, pushing()},
	{"status_fails", func(s *local) { s.StatusErr = fmt.Errorf("the node has stopped") },
		get("/v1/status")},
	{"line_no_such_stack", fine, curling("/sPop", "1")},
	{"line_bad_request", fine, curling("/sPush", "1")},
	{"line_no_leader", leaderless(contact(0, -1, -1)), curling("/sPush", "1,10")},
	{"line_outcome_unknown", func(s *local) { s.Lose = true }, curling("/sPush", "1,10")},
	{"line_method_not_allowed", fine, get("/sPop")},
	{"line_cross_origin", fine, func(f *front) answer {
		return f.curl("/sPush", "1,10", "Origin", "null")
	}},
}
