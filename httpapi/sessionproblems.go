package httpapi

import "net/http"

// sessionExplanations are the rows about client sessions, and about requests that were settled.
var sessionExplanations = []Explanation{
	{
		"session_expired", []int{http.StatusGone}, "The session is gone",
		[]string{unknown, notApplied},
		"The session was not used for longer than session_ttl_ms, or was closed, or never was.",
		"This number will never execute from now on. If this was its first attempt, nothing was " +
			"done; an earlier attempt may have taken effect.",
		"After a first attempt: open another session and repeat it there. Otherwise read what it " +
			"would have changed before.",
	}, {
		"fenced", []int{http.StatusGone}, "The request was fenced", []string{notApplied},
		"Somebody settled the request, by its key, its number or its id, before it was applied.",
		fateNothing, "If it is wanted after all, send it as a new request: under another key or number.",
	}, {
		"reply_forgotten", []int{http.StatusGone}, "The reply was acknowledged, and is gone",
		[]string{notApplied},
		"Drystone-Seq is not above what Drystone-Ack has acknowledged in this session, so that the " +
			"reply is not kept any more.",
		"Nothing was done now. What an earlier attempt did stands.",
		"Acknowledge only up to where all replies have arrived. Use the next number for a new request.",
	}, {
		"window_full", []int{http.StatusTooManyRequests}, "The number is too far ahead",
		[]string{notApplied},
		"A session keeps the replies of at most 1,024 numbers above the last acknowledged one.",
		fateNothing,
		"Send Drystone-Ack with the number up to which all replies have arrived, and repeat it.",
	}, {
		"too_many_sessions", []int{http.StatusTooManyRequests}, "No room for another session",
		[]string{notApplied},
		"As many sessions are open as the setting max_sessions allows, and none is ended early.",
		fateNothing,
		"Close sessions that are not needed, raise the setting max_sessions, or send requests with an " +
			"Idempotency-Key instead.",
	},
}
