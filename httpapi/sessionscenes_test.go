package httpapi

import (
	"fmt"

	"drystone/rsm"
)

// open opens a session. Where that is the first thing that is done, its number is 2.
func (f *front) open() { f.call("POST", "/v1/sessions", nil) }

// inSession pushes a value under a number.
func (f *front) inSession(seq, ack int, value string) answer {
	return f.curl("/v1/stacks/jobs/push", value, headerSession, "2", headerSeq, fmt.Sprint(seq),
		headerAck, fmt.Sprint(ack))
}

func (f *front) set(change func(*rsm.Settings)) {
	settings := rsm.DefaultSettings()
	change(&settings)
	f.service.Set(settings)
}

const request = "/v1/requests/"

// sessionScenes are those of sessions, and of requests that are asked for and settled.
var sessionScenes = []scene{
	{"session", fine, func(f *front) answer {
		f.open()
		f.inSession(2, 0, "second")
		f.inSession(1, 0, "first")
		f.inSession(2, 0, "second")
		f.call("POST", "/v1/sessions/2/keepalive", nil)
		return f.call("DELETE", "/v1/sessions/2", nil)
	}},
	{"session_expired", fine, func(f *front) answer {
		f.open()
		f.inSession(1, 0, "10")
		f.service.With(func(s *local) { s.LogTime += 3_600_000 })
		return f.inSession(1, 0, "10")
	}},
	{"session_expired_keepalive", fine, asking("POST", "/v1/sessions/99/keepalive", "")},
	{"session_closed_twice", fine, func(f *front) answer {
		f.open()
		f.call("DELETE", "/v1/sessions/2", nil)
		return f.call("DELETE", "/v1/sessions/2", nil)
	}},
	{"session_number_reused", fine, func(f *front) answer {
		f.open()
		f.inSession(1, 0, "10")
		return f.inSession(1, 0, "20")
	}},
	{"reply_forgotten", fine, func(f *front) answer {
		f.open()
		f.inSession(1, 0, "10")
		f.inSession(2, 1, "20")
		return f.inSession(1, 0, "10")
	}},
	{"window_full", fine, func(f *front) answer {
		f.open()
		return f.inSession(1025, 0, "10")
	}},
	{"too_many_sessions", fine, func(f *front) answer {
		f.set(func(s *rsm.Settings) { s.MaxSessions = 1 })
		f.open()
		return f.call("POST", "/v1/sessions", nil)
	}},
	{"session_opened_twice_under_a_key", fine, func(f *front) answer {
		f.call("POST", "/v1/sessions", nil, keyed, "k1")
		f.call("POST", "/v1/sessions", nil, keyed, "k1")
		return f.call("GET", request+"k1", nil)
	}},
	{"session_and_key", fine, pushing(headerSession, "2", headerSeq, "1", keyed, "k1")},
	{"session_ack_of_itself", fine, pushing(headerSession, "2", headerSeq, "1", headerAck, "1")},
	{"session_within_a_session", fine, func(f *front) answer {
		return f.call("POST", "/v1/sessions", nil, headerSession, "2", headerSeq, "1")
	}},
	{"session_bad_number", fine, asking("DELETE", "/v1/sessions/mine", "")},
	{"outcome_unknown_in_a_session", fine, func(f *front) answer {
		f.open()
		f.service.With(losing)
		f.inSession(1, 0, "10")
		f.service.With(func(s *local) { s.Lose = false })
		f.call("GET", request+"2%2F1", nil)
		return f.inSession(1, 0, "10")
	}},
	{"no_room_for_the_reply", func(*local) {}, func(f *front) answer {
		f.set(func(s *rsm.Settings) { s.MaxRequestsBytes = 1 })
		return pushing(keyed, "k1")(f)
	}},

	{"request_absent", fine, get(request + "k1")},
	{"request_pending", func(s *local) { s.Pending = true }, get(request + "k1")},
	{"request_applied", fine, func(f *front) answer {
		pushing(keyed, "k1")(f)
		f.call("POST", "/v1/stacks/jobs/pop", nil, keyed, "k2")
		f.call("POST", "/v1/stacks/jobs/pop", nil, keyed, "k3")
		f.call("GET", request+"k1", nil)
		f.call("GET", request+"k2", nil)
		return f.call("GET", request+"k3", nil)
	}},
	{"request_applied_to_nothing", fine, func(f *front) answer {
		f.call("POST", "/v1/stacks/jobs/pop", nil, keyed, "k1")
		return f.call("GET", request+"k1", nil)
	}},
	{"request_settled_by_a_fence", losing, func(f *front) answer {
		pushing()(f) // 1.1.2
		f.service.With(func(s *local) { s.Lose = false })
		return f.call("POST", request+"1.1.2/fence", nil)
	}},
	{"request_fenced", fine, func(f *front) answer {
		f.call("POST", request+"k1/fence", nil)
		pushing(keyed, "k1")(f)
		f.call("GET", request+"k1", nil)
		return f.call("DELETE", request+"k1", nil)
	}},
	{"request_fenced_in_a_session", fine, func(f *front) answer {
		f.open()
		f.call("POST", request+"2%2F1/fence", nil)
		return f.inSession(1, 0, "10")
	}},
	{"request_forgotten", fine, func(f *front) answer {
		f.open()
		f.inSession(1, 0, "10")
		f.inSession(2, 1, "10")
		f.call("GET", request+"2%2F1", nil)
		return f.call("POST", request+"2%2F1/fence", nil)
	}},
	{"request_freed", fine, func(f *front) answer {
		pushing(keyed, "k1")(f)
		f.call("DELETE", request+"k1", nil)
		f.call("DELETE", request+"k1", nil)
		return f.call("GET", request+"k1", nil)
	}},
	{"request_key_like_an_id", fine, func(f *front) answer {
		pushing(keyed, "1.1.9")(f)
		f.call("GET", request+"1.1.9", nil)
		return f.call("GET", request+"%221.1.9%22", nil)
	}},
	{"outcome_unknown_key_like_an_id", losing, func(f *front) answer {
		pushing(keyed, `"\"1.1.9"`)(f)
		return pushing(keyed, "1.1.9")(f)
	}},
	{"request_fences_itself", fine, func(f *front) answer {
		return f.call("POST", request+"k1/fence", nil, keyed, "k1")
	}},
	{"request_fenced_in_no_session", fine, asking("POST", request+"99%2F1/fence", "")},
	{"request_freed_in_a_session", fine, asking("DELETE", request+"2%2F1", "")},
	{"request_bad_id", fine, get(request + "two%20words")},
	{"request_no_leader", minority, get(request + "k1")},
	{"fence_unknown", losing, asking("POST", request+"k1/fence", "")},
	{"fence_table_full", refusing(rsm.CodeTableFull), asking("POST", request+"k1/fence", "")},
	{"open_unknown", losing, asking("POST", "/v1/sessions", "")},
}
