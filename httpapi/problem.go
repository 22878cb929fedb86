package httpapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"drystone/rsm"
)

// problem is an error on its way to a client: RFC 9457, with what a program needs to decide
// whether to repeat the request. All fields go into the body, in this order.
type problem struct {
	code      rsm.Code
	status    int
	title     string
	detail    string
	outcome   string
	requestID string
	retrySafe bool // a repeat cannot double any effect
	next      string
}

// newProblem fills in what the table says: the first status and outcome of its row.
func newProblem(code rsm.Code, detail string) problem {
	row := byCode[code]
	if row == nil || len(row.Statuses) == 0 {
		// A code that a machine or a later version made up: say it as it is.
		row = &Explanation{
			Statuses: []int{http.StatusInternalServerError}, Title: "Refused",
			Outcomes: []string{notApplied}, Cause: "The server refused the request.",
			Next: "Look into the server's log.",
		}
	}
	if detail == "" {
		detail = row.Cause
	}
	p := problem{
		code: code, status: row.Statuses[0], title: row.Title, detail: detail,
		outcome: row.Outcomes[0], next: row.Next,
	}
	p.retrySafe = p.outcome != unknown
	return p
}

// appendJSON renders the body. Equal problems give equal bytes.
func (p problem) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"type":"/errors/`...)
	dst = append(dst, url.PathEscape(string(p.code))...) // a peer of a later version may say any
	dst = append(dst, `","title":`...)
	dst = appendString(dst, p.title)
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(p.status), 10)
	dst = append(dst, `,"detail":`...)
	dst = appendString(dst, p.detail)
	dst = append(dst, `,"code":`...)
	dst = appendString(dst, string(p.code))
	dst = append(dst, `,"outcome":`...)
	dst = appendString(dst, p.outcome)
	dst = append(dst, `,"request_id":`...)
	dst = appendString(dst, p.requestID)
	dst = append(dst, `,"retry_safe":`...)
	dst = strconv.AppendBool(dst, p.retrySafe)
	dst = append(dst, `,"next":`...)
	dst = appendString(dst, p.next)
	return append(dst, "}\n"...)
}

// appendLine renders the problem for the seed's calls: one line of text.
func (p problem) appendLine(dst []byte) []byte {
	dst = append(dst, strings.ReplaceAll(string(p.code)+": "+p.detail, "\n", " ")...)
	if p.outcome == unknown {
		dst = append(dst, " (outcome unknown, request "...)
		dst = append(dst, p.requestID...)
		dst = append(dst, ')')
	}
	return append(dst, '\n')
}

// Fail ends the exchange with an error of the table. detail says the cause in words a user can
// act on; "" takes the table's.
func (x *Exchange) Fail(code rsm.Code, detail string) { x.fail(newProblem(code, detail)) }

func (x *Exchange) fail(p problem) {
	p.requestID = x.ID()
	h := x.w.Header()
	h["Drystone-Request-Id"] = []string{p.requestID}
	switch p.status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		h["Retry-After"] = retryAfter // seconds; whole ones are all there is
	}
	if x.plain {
		x.Send(p.status, textType, p.appendLine(nil))
		return
	}
	x.Send(p.status, problemType, p.appendJSON(nil))
}

// Header values that are always the same, so that a reply need not allocate them.
var (
	jsonType    = []string{"application/json"}
	problemType = []string{"application/problem+json"}
	textType    = []string{"text/plain; charset=utf-8"}
	bytesType   = []string{"application/octet-stream"}
	retryAfter  = []string{"1"}
	headerTrue  = []string{"true"}
)

// Text returns the row as the page of errors has it, in Markdown.
func (e Explanation) Text() string {
	var b strings.Builder
	b.WriteString("## " + e.Code + "\n\n" + e.Title + ". Status " + e.statusText(" or ") +
		", outcome " + strings.Join(e.Outcomes, " or ") + ".\n\n")
	b.WriteString("* **Cause.** " + e.Cause + "\n")
	b.WriteString("* **What became of the request.** " + e.Fate + "\n")
	b.WriteString("* **What to do.** " + e.Next + "\n")
	return b.String()
}

func (e Explanation) statusText(separator string) string {
	if len(e.Statuses) == 0 {
		return "none"
	}
	var parts []string
	for _, s := range e.Statuses {
		parts = append(parts, strconv.Itoa(s))
	}
	return strings.Join(parts, separator)
}
