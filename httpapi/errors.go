package httpapi

import (
	"net/http"
	"strings"
)

// The table of errors is served by the node itself: the type of a problem is /errors/{code}.

var markdownType = []string{"text/markdown; charset=utf-8"}

func (a *API) addErrors() {
	a.Handle(http.MethodGet, "/errors", func(x *Exchange) {
		x.Send(http.StatusOK, markdownType, []byte(ErrorsPage()))
	})
	a.Handle(http.MethodGet, "/errors/{code}", func(x *Exchange) {
		code, ok := x.Name(0)
		if !ok {
			return
		}
		row, ok := Explain(code)
		if !ok {
			x.Fail(codeNotFound, "There is no error code "+quoted(code)+"; /errors lists all.")
			return
		}
		x.Send(http.StatusOK, markdownType, []byte(row.Text()))
	})
}

const errorsIntro = `# Errors

Every error over HTTP is an RFC 9457 problem, ` + "`application/problem+json`" + `.
Besides type, title, status and detail it has

* **code**: a word of this page, the same in every protocol. ` + "`drystone explain CODE`" + `
  and ` + "`GET /errors/CODE`" + ` print its section;
* **outcome**: what became of the request. *not_applied*: this attempt can never take effect.
  *applied*: it took its place in the log and its result is final, for example that nothing is
  there. *unknown*: it may have taken effect, or may yet;
* **request_id**: names the request: its Idempotency-Key when it had one, or else what the node
  called it. The header Drystone-Request-Id says the same;
* **retry_safe**: repeating the request as it is cannot double its effect. Whether it is of any
  use is another question, which next answers;
* **next**: what to do about it.

The seed's six calls answer the same errors in one line of text: the code, a colon, the detail.
429, 503 and 504 carry Retry-After. Codes without a status are what the command line and the Go
client say when no node answered. What is no HTTP at all is refused in a line of text, before there
is a request to speak of.
`

// ErrorsPage is docs/errors.md: an introduction, the table in short, and a section for each code.
func ErrorsPage() string {
	var b strings.Builder
	b.WriteString(errorsIntro)
	b.WriteString("\n| status | code | outcome | |\n|---|---|---|---|\n")
	for _, e := range explanations {
		b.WriteString("| " + e.statusText(" / ") + " | [" + e.Code + "](#" + e.Code + ") | " +
			strings.Join(e.Outcomes, " / ") + " | " + e.Title + " |\n")
	}
	for _, e := range explanations {
		b.WriteString("\n" + e.Text())
	}
	return b.String()
}
