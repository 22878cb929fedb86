package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Exit statuses.
const (
	exitOK      = 0
	exitFailed  = 1 // refused or failed: not applied, safe to repeat
	exitUsage   = 2
	exitUnknown = 3 // the outcome is unknown
	exitNothing = 4 // empty stack, missing name
	exitCorrupt = 5 // inspect
	exitTorn    = 6 // inspect
)

// failure is an error that a user reads: a sentence, what to do next, and the exit status.
type failure struct {
	status int
	text   string // a sentence without a full stop
	next   string // what to do; "" when the sentence says it all
	json   string // with --json: printed instead of the rest
}

func (f *failure) Error() string { return f.text }

// failed is a failure of status 1.
func failed(format string, args ...any) *failure {
	return &failure{status: exitFailed, text: fmt.Sprintf(format, args...)}
}

// misused is a failure of status 2: the command line, the environment or the file is wrong.
func misused(format string, args ...any) *failure {
	return &failure{status: exitUsage, text: fmt.Sprintf(format, args...)}
}

func (f *failure) withNext(format string, args ...any) *failure {
	f.next = fmt.Sprintf(format, args...)
	return f
}

// report prints an error in words and returns the exit status. An error that is no failure comes
// from the command line parser.
func report(err error, command string, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	var f *failure
	if !errors.As(err, &f) {
		f = misused("%s", parserWords(err.Error()))
	}
	if f.json != "" {
		fmt.Fprintln(stderr, f.json)
		return f.status
	}
	if f.text != "" {
		fmt.Fprintf(stderr, "drystone: %s\n", f.text)
	}
	if f.next != "" {
		fmt.Fprintf(stderr, "  %s\n", strings.ReplaceAll(f.next, "\n", "\n  "))
	}
	if f.status == exitUsage {
		fmt.Fprintf(stderr, "  `%s --help` shows how it is used\n", command)
	}
	return f.status
}

// parserWords makes the parser's terse errors a little kinder.
func parserWords(s string) string {
	head, rest, _ := strings.Cut(s, "\n")
	if strings.HasPrefix(head, "unknown shorthand flag: '") && strings.Contains(head, " in -") {
		return head + " (a value that begins with - goes after --: drystone push STACK -- -1)"
	}
	if strings.HasPrefix(head, "unknown command ") {
		// "Did you mean this?" follows, one suggestion a line.
		var similar []string
		for line := range strings.Lines(rest) {
			if name, ok := strings.CutPrefix(line, "\t"); ok {
				similar = append(similar, strings.TrimSpace(name))
			}
		}
		head = strings.Replace(head, ` for "drystone"`, "", 1)
		if len(similar) > 0 {
			head += "; did you mean " + strings.Join(similar, " or ") + "?"
		}
	}
	return head
}
