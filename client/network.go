package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// errorOf makes an Error of a reply that is no success.
func errorOf(endpoint string, status int, header http.Header, body []byte) *Error {
	e := &Error{}
	if !strings.HasPrefix(header.Get("Content-Type"), "application/problem+json") ||
		json.Unmarshal(body, e) != nil || e.Code == "" || !isOutcome(e.Outcome) {
		e = strange(endpoint, status, fmt.Sprintf("%s answers %d %s, but not in the words of "+
			"drystone: something else listens there, or stands in between.", endpoint, status,
			http.StatusText(status)))
	}
	e.Status, e.Endpoint, e.retryAfter = status, endpoint, retryAfter(header)
	return e
}

func isOutcome(s string) bool {
	return s == OutcomeApplied || s == OutcomeNotApplied || s == OutcomeUnknown
}

// strange is an answer of something that is not drystone: whatever it passed the request on to,
// it does not say.
func strange(endpoint string, status int, detail string) *Error {
	return &Error{
		Code: CodeNotDrystone, Title: "Something else answered", Status: status,
		Outcome: OutcomeUnknown, Endpoint: endpoint, RetrySafe: true, Detail: detail,
		Next: "Check the address of the endpoint, and any proxy on the way.",
	}
}

// unreached says in words why an endpoint gave no answer.
func unreached(endpoint string, sent bool, err error) *Error {
	e := &Error{
		Code: CodeUnreachable, Title: "No connection", Outcome: OutcomeNotApplied, RetrySafe: true,
		Endpoint: endpoint, Detail: endpoint + " " + inWords(err) + ".", hopeless: hopeless(err),
		Next: "Check that the nodes run (drystone dev status) and that the endpoints are theirs.",
	}
	if sent {
		e.Code, e.Title, e.Outcome = CodeNoAnswer, "No answer", OutcomeUnknown
		e.Next = "Repeat it."
	}
	return e
}

// hopeless says whether an error is of how the addresses are written, or of trust.
func hopeless(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return errors.As(err, &certificate) || errors.As(err, &record) ||
		errors.Is(err, http.ErrSchemeMismatch)
}

// inWords translates what the network says.
func inWords(err error) string {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refuses the connection: nothing listens there"
	case errors.As(err, &dns):
		return "has a host name that cannot be resolved"
	case errors.As(err, &certificate):
		return "shows a certificate that is not trusted: " + certificate.Err.Error()
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "does not speak TLS: its address may begin with http:// instead of https://"
	case errors.As(err, &alert):
		return "breaks off the TLS handshake: " + alert.Error()
	case errors.Is(err, context.Canceled):
		return "was not waited for: the caller left"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "did not answer in time"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, errNotMet):
		return "broke the connection before it had answered"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "cannot be reached from here"
	case strings.Contains(err.Error(), "malformed HTTP"):
		return "answers, but not in HTTP"
	}
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next // the innermost says it without the request around it
	}
	return "could not be asked: " + err.Error()
}
