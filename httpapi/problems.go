package httpapi

import (
	"cmp"
	"net/http"
	"slices"

	"drystone/rsm"
)

// Codes that only this front gives. The others are rsm's.
const (
	codeBadRequest       rsm.Code = "bad_request"
	codeBadName          rsm.Code = "bad_name"
	codeBadJSON          rsm.Code = "bad_json"
	codeUnknownField     rsm.Code = "unknown_field"
	codeBadParameter     rsm.Code = "bad_parameter"
	codeEmptyBody        rsm.Code = "empty_body"
	codeBadKey           rsm.Code = "bad_idempotency_key"
	codeBadTimeout       rsm.Code = "bad_timeout"
	codeForeignHost      rsm.Code = "foreign_host"
	codeCrossOrigin      rsm.Code = "cross_origin"
	codeNotFound         rsm.Code = "not_found"
	codeNoSuchStack      rsm.Code = "no_such_stack"
	codeMethodNotAllowed rsm.Code = "method_not_allowed"
	codeBodyTimeout      rsm.Code = "body_timeout"
	codeWrongType        rsm.Code = "wrong_type"
	codeValueTooLarge    rsm.Code = "value_too_large"
	codeMediaType        rsm.Code = "unsupported_media_type"
	codeInternal         rsm.Code = "internal"
	codeBehind           rsm.Code = "behind"
)

// Explanation is one row of the table of errors: all that can be said about a code without
// knowing the case.
type Explanation struct {
	Code     string
	Statuses []int    // HTTP; the first is the usual one; none for what the client itself says
	Title    string   // a few words
	Outcomes []string // not_applied, applied, unknown; the first is the usual one
	Cause    string   // what leads to it
	Fate     string   // what became of the request
	Next     string   // what to do about it
}

const (
	notApplied = "not_applied"
	applied    = "applied"
	unknown    = "unknown"
)

const (
	fateNothing = "Nothing was done, and nothing will be."
	fateInLog   = "A write: it took its place in the log and found nothing to do, which is its " +
		"final result; a repeat under the same Idempotency-Key gets the same answer. A read: " +
		"nothing was done."
)

// explanations is the one table of errors: what HTTP answers, what `drystone explain` says, and
// what docs/errors.md holds. Ordered by status; what the client says without an answer comes last.
var explanations = byStatus(slices.Concat(memberExplanations, sessionExplanations), []Explanation{
	{
		"bad_request", []int{http.StatusBadRequest}, "The request makes no sense",
		[]string{notApplied},
		"A field has a value it cannot have (a count of 0, an end that is neither top nor bottom), " +
			"or a header asks for something this server does not do.",
		fateNothing, "Mend what the message names.",
	}, {
		"bad_name", []int{http.StatusBadRequest}, "The name cannot be used", []string{notApplied},
		"Names are 1 to 512 bytes of UTF-8. In a path they are percent-encoded.",
		fateNothing,
		"Choose a name of 1 to 512 bytes of UTF-8, and percent-encode it: `a/b` is `a%2Fb`.",
	}, {
		"bad_json", []int{http.StatusBadRequest}, "The body is not the JSON that is expected",
		[]string{notApplied},
		"The body was typed application/json, and is malformed, has a field twice, goes on after " +
			"its end, or has a field of another type.",
		fateNothing,
		"Mend the body; the message says at which byte. To push the bytes of the body as they are, " +
			"leave the Content-Type out.",
	}, {
		"unknown_field", []int{http.StatusBadRequest}, "The body has a field that means nothing here",
		[]string{notApplied},
		"A field that this route does not know: often a spelling mistake, which would otherwise " +
			"be ignored in silence.",
		fateNothing, "Leave the field out, or spell it as the message lists them.",
	}, {
		"bad_parameter", []int{http.StatusBadRequest}, "A query parameter is wrong",
		[]string{notApplied},
		"A parameter after the `?` is unknown to this route, given twice, or has a value it cannot " +
			"have.",
		fateNothing, "Mend the parameter that the message names.",
	}, {
		"empty_body", []int{http.StatusBadRequest}, "There is no value", []string{notApplied},
		"A push without a body: most likely the data was forgotten.",
		fateNothing,
		"Give the value: `curl -d VALUE …`. To push an empty value, send `{\"values\":[\"\"]}` as " +
			"application/json, or an empty body typed application/octet-stream.",
	}, {
		"bad_idempotency_key", []int{http.StatusBadRequest}, "The Idempotency-Key cannot be used",
		[]string{notApplied},
		"A key is 1 to 128 visible ASCII characters, quoted or bare, in one header.",
		fateNothing,
		"Send one header `Idempotency-Key: \"…\"` with 1 to 128 visible ASCII characters; a random " +
			"UUID does well.",
	}, {
		"bad_timeout", []int{http.StatusBadRequest}, "The Drystone-Timeout cannot be used",
		[]string{notApplied},
		"A timeout is a number of seconds, or a number with a unit as in `500ms`, above zero and " +
			"at most 60s.",
		fateNothing, "Send for example `Drystone-Timeout: 10s`, or leave it out: 10s is the default.",
	}, {
		"bad_command", []int{http.StatusBadRequest}, "The replicas could not read the command",
		[]string{notApplied},
		"The command reached the log in a form that the replicated machine does not know: the node " +
			"that took it speaks another version.",
		fateNothing, "Bring all nodes to one version; `drystone status` shows theirs.",
	}, {
		"foreign_host", []int{http.StatusForbidden}, "The request is addressed to another host",
		[]string{notApplied},
		"The Host header is not a name this node answers to. A web page elsewhere can point a name " +
			"of its own at this address; refusing it keeps such pages out.",
		fateNothing,
		"Use the address that the node listens on, or start the node with `--advertise-http` set " +
			"to the name its clients use.",
	}, {
		"cross_origin", []int{http.StatusForbidden}, "A web page of another origin may not write here",
		[]string{notApplied},
		"The browser says that the request comes from a page of another origin.",
		fateNothing,
		"Send writes from a program, or from a page that this node serves.",
	}, {
		"not_found", []int{http.StatusNotFound}, "There is no such route", []string{notApplied},
		"The path means nothing to this server.",
		fateNothing,
		"Check the path: the routes begin with /v1/.",
	}, {
		"no_such_stack", []int{http.StatusNotFound}, "There is no such stack",
		[]string{applied, notApplied},
		"The stack was never created, or was deleted. An emptied stack stays, and is not missing.",
		fateInLog,
		"Create it with `PUT /v1/stacks/{name}`, or let a push create it.",
	}, {
		"method_not_allowed", []int{http.StatusMethodNotAllowed}, "The route has no such method",
		[]string{notApplied},
		"The path is known, but not with this method; the Allow header lists those it has.",
		fateNothing, "Use a method of the Allow header.",
	}, {
		"body_timeout", []int{http.StatusRequestTimeout}, "The body did not arrive in time",
		[]string{notApplied},
		"The deadline passed while the request was still being sent.",
		fateNothing, "Repeat it, with a longer Drystone-Timeout if the connection is slow.",
	}, {
		"outcome_unknown", []int{http.StatusGatewayTimeout, http.StatusConflict},
		"It is not known whether the request took effect", []string{unknown},
		"The deadline passed after the request was sent on its way to the log and before an answer " +
			"came: often the leader was lost, or no majority of the voters answers.",
		"It may have taken effect, or may yet. 504 is the answer to a request with an " +
			"Idempotency-Key, which a repeat cannot double. Without a key the answer is 409, because " +
			"client libraries repeat a 504 by themselves.",
		"With an Idempotency-Key: repeat it with the same key, on any node. In a session: with the " +
			"same number. In any case `POST /v1/requests/{id}/fence` tells what became of it, and keeps it " +
			"from taking effect later; `GET /v1/requests/{id}` only tells.",
	}, {
		"wrong_type", []int{http.StatusConflict}, "The name stands for something of another type",
		[]string{applied, notApplied},
		"Stacks, keys and decisions share one space of names, and each name has one type.",
		fateInLog, "Use another name, or delete what stands there.",
	}, {
		"value_too_large", []int{http.StatusRequestEntityTooLarge}, "The value is too large",
		[]string{notApplied},
		"A value is larger than the setting max_value_bytes, or a body larger than any such value " +
			"needs.",
		fateNothing,
		"Push smaller values, or fewer at a time. The limit is in `GET /v1/status` under settings.",
	}, {
		"unsupported_media_type", []int{http.StatusUnsupportedMediaType},
		"The body is of a type this route does not take", []string{notApplied},
		"The Content-Type or Content-Encoding would make the stored value something other than " +
			"meant: a form with files, compressed data, JSON in another encoding than UTF-8, or " +
			"options that are not typed application/json.",
		fateNothing,
		"Send JSON as `Content-Type: application/json`, a value as application/octet-stream, and " +
			"nothing compressed.",
	}, {
		"key_reused", []int{http.StatusUnprocessableEntity},
		"The Idempotency-Key stands for another command", []string{notApplied},
		"A key names one command. This one was used for another, whose reply is still kept.",
		"Nothing was done for this request. What the first one did stands.",
		"Give every new command a key of its own; repeat a command exactly as it was.",
	}, {
		"overload", []int{http.StatusTooManyRequests}, "The node has too much to do",
		[]string{notApplied},
		"The requests waiting on this node pass --max-inflight-bytes. It was refused before the log.",
		fateNothing, "Repeat it after a moment, with fewer requests at a time.",
	}, {
		"table_full", []int{http.StatusTooManyRequests}, "No room for another stored reply",
		[]string{notApplied},
		"Replies are kept for --request-retention so that a repeat gets the first one's, and " +
			"nothing is dropped early; now they fill --max-requests-bytes.",
		fateNothing,
		"Repeat it later, raise the setting max_requests_bytes, or send requests that need no " +
			"repeating without a key.",
	}, {
		"internal", []int{http.StatusInternalServerError}, "A fault in the server",
		[]string{notApplied},
		"The server met a case it should not have; its log has the request id and the details.",
		fateNothing, "Report it with what the log says. Repeating it is safe.",
	}, {
		"no_leader", []int{http.StatusServiceUnavailable}, "No leader answers", []string{notApplied},
		"No majority of the voters is in contact, or they are electing a leader. Nothing can be " +
			"decided without one, and a read would not be certain to be fresh.",
		fateNothing,
		"Repeat it: an election takes a moment. If it lasts, bring back enough nodes for a majority. " +
			"`?consistency=stale` reads what this node has.",
	}, {
		"deadline_passed", []int{http.StatusServiceUnavailable}, "The request came too late",
		[]string{notApplied},
		"Its deadline had passed when it reached the log, and it carried the instruction not to be " +
			"applied any more.",
		fateNothing, "Repeat it.",
	}, {
		"draining", []int{http.StatusServiceUnavailable}, "The node is shutting down",
		[]string{notApplied},
		"The node finishes what it has and takes nothing new.",
		fateNothing, "Send it to another node.",
	}, {
		"bootstrapping", []int{http.StatusServiceUnavailable}, "The cluster is not formed yet",
		[]string{notApplied},
		"At its first start a node takes part once it has met every node of --cluster.",
		fateNothing, "Start the nodes that it waits for, and repeat it.",
	}, {
		"quarantined", []int{http.StatusServiceUnavailable}, "The node takes no part",
		[]string{notApplied},
		"Its log or state is damaged, or it was removed from the cluster, so it neither votes nor " +
			"answers.",
		fateNothing, "Send it to another node, and look at the reason in `GET /v1/status`.",
	}, {
		"behind", []int{http.StatusServiceUnavailable}, "The node has not come that far",
		[]string{notApplied},
		"The index asked for (min_index, applied) was not applied on this node within the deadline.",
		fateNothing, "Repeat it, ask another node, or check the index.",
	}, {
		"unreachable", nil, "No node took a connection", []string{notApplied},
		"The command line or the Go client found nothing that listens at any of its endpoints, or no " +
			"way to them.",
		fateNothing,
		"Check that the nodes run (`drystone status`) and that `--endpoints` has their addresses.",
	}, {
		"no_answer", nil, "A request was sent, and no answer came", []string{unknown, notApplied},
		"A node took the connection and then was silent, or the connection broke, until the time was " +
			"up: a node that hangs or was killed, or a network that lost the answer.",
		"A write may have taken effect, or may yet. A read has no effect.",
		"Repeat a write with the same key: it cannot take effect twice.",
	}, {
		"cancelled", nil, "The caller left", []string{unknown, notApplied},
		"The call was interrupted before its answer came.",
		"A write that was already sent may have taken effect, or may yet; one that was not, will not.",
		"Repeat a write with the same key: it cannot take effect twice.",
	}, {
		"not_drystone", nil, "Something else than drystone answered", []string{unknown, notApplied},
		"Another service listens at the endpoint, or a proxy on the way answered in its own words.",
		"A proxy may have passed a write on before it answered. A read has no effect.",
		"Check the addresses in `--endpoints`, and any proxy on the way.",
	}, {
		"other_cluster", nil, "The node belongs to another cluster", []string{notApplied},
		"A node of another cluster listens at the endpoint: the addresses are mixed up, or the cluster " +
			"was restored or made anew. A repeat of a write would be executed there as new.",
		fateNothing, "Check the addresses in `--endpoints`. A program makes a new client for a new cluster.",
	},
})

// byStatus puts rows together, ordered by status; those without one come last.
func byStatus(some, others []Explanation) []Explanation {
	all := slices.Concat(others, some)
	slices.SortStableFunc(all, func(a, b Explanation) int { return cmp.Compare(a.order(), b.order()) })
	return all
}

func (e Explanation) order() int {
	if len(e.Statuses) == 0 {
		return 1000
	}
	return slices.Min(e.Statuses)
}

// byCode finds a row; built once.
var byCode = func() map[rsm.Code]*Explanation {
	m := make(map[rsm.Code]*Explanation, len(explanations))
	for i := range explanations {
		m[rsm.Code(explanations[i].Code)] = &explanations[i]
	}
	return m
}()

// Explain tells what a code means; false when there is no such code.
func Explain(code string) (Explanation, bool) {
	e, ok := byCode[rsm.Code(code)]
	if !ok {
		return Explanation{}, false
	}
	return *e, true
}

// Explanations are all rows, ordered by status.
func Explanations() []Explanation { return explanations }
