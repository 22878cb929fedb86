package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
)

// networkWords says why a node can't be reached, without the library's own words.
func networkWords(err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.As(err, &dns):
		return "the name " + dns.Name + " has no address"
	case isTimeout(err), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		strings.HasSuffix(err.Error(), "EOF"):
		return "it closed the connection"
	}
	return innermost(err)
}
