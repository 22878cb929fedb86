package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// portPatience is how long a busy port is tried again before it is named: the process that held
// it may just be ending.
const portPatience = 3 * time.Second

// listen binds a TCP address. A port in use is tried again for a while, then named with whoever
// holds it.
func listen(ctx context.Context, what, address string) (net.Listener, error) {
	ctx, cancel := context.WithTimeout(ctx, portPatience)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	var config net.ListenConfig
	for {
		l, err := config.Listen(context.Background(), "tcp", address)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, bindWords(what, address, err)
		}
		select {
		case <-ctx.Done():
			return nil, bindWords(what, address, err)
		case <-again.C:
		}
	}
}

// bindWords says why an address can't be listened on.
func bindWords(what, address string, err error) error {
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		f := failed("port %s (%s) is in use by %s", port, what, portHolder(port))
		return f.withNext("End that program, or choose another port.")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return failed("%s address %s does not belong to this machine", what, address)
	case errors.Is(err, syscall.EACCES):
		return failed("%s address %s: this user may not listen on port %s", what, address, port)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return failed("%s address %s: the name %s has no address here", what, address, dns.Name)
	}
	return failed("%s address %s can't be listened on: %s", what, address, innermost(err))
}

// innermost is the error at the bottom of a chain, mostly the system's own word.
func innermost(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}

// portHolder names the process that listens on a TCP port, as far as this user may see.
func portHolder(port string) string {
	unknown := "another program"
	n, err := strconv.Atoi(port)
	if err != nil {
		return unknown
	}
	socket := listeningSocket(n)
	if socket == "" {
		return unknown
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != socket {
			continue
		}
		pid := strings.Split(link, "/")[2]
		command, _ := os.ReadFile("/proc/" + pid + "/cmdline")
		words := strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " "))
		if words == "" {
			return "process " + pid
		}
		if len(words) > 80 {
			words = words[:80] + "…"
		}
		return fmt.Sprintf("process %s (%s)", pid, words)
	}
	return unknown
}

// listeningSocket finds the kernel's name of the socket that listens on a port: "socket:[123]".
func listeningSocket(port int) string {
	const stateListen = "0A"
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			field := strings.Fields(line)
			if len(field) < 10 || field[3] != stateListen {
				continue
			}
			_, hex, _ := strings.Cut(field[1], ":")
			if n, err := strconv.ParseUint(hex, 16, 16); err == nil && int(n) == port {
				return "socket:[" + field[9] + "]"
			}
		}
	}
	return ""
}
