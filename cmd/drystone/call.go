package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"drystone/client"
)

// call runs one client command: with a client, and a context that Ctrl-C ends in words instead of
// leaving the outcome to guesses. A second Ctrl-C ends the program.
func (g *globals) call(c *cobra.Command, do func(context.Context, *client.Client) error) error {
	cl, err := client.New(client.Options{
		Endpoints: g.servers(), Token: g.token, Timeout: g.timeout,
	})
	if err != nil {
		return misused("--endpoints: %v", err)
	}
	defer cl.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	return g.callWords(do(ctx, cl))
}

// write are the options of a write. Its key is made here, so that it can be named whatever happens.
func (g *globals) write() client.WriteOptions {
	g.keyed = true
	if g.key == "" {
		g.key = client.NewKey()
	}
	return client.WriteOptions{Key: g.key}
}

// callWords turns what became of a call into words and an exit status.
func (g *globals) callWords(err error) error {
	var e *client.Error
	if !errors.As(err, &e) {
		return err
	}
	f := &failure{status: exitFailed, text: strings.TrimSuffix(e.Detail, "."), next: e.Next}
	if f.text == "" {
		f.text = e.Title
	}
	switch {
	case e.Code == "no_such_stack", e.Code == "no_such_member":
		f.status, f.next = exitNothing, ""
	case e.Outcome == client.OutcomeUnknown:
		f.status = exitUnknown
		g.explainUnknown(e, f)
	}
	if g.json {
		if e.Outcome == client.OutcomeUnknown {
			e.Next = f.next
		}
		if line, err := json.Marshal(e); err == nil {
			f.json = string(line)
		}
	}
	return f
}

// explainUnknown names a request whose outcome is unknown, and the commands that settle it.
func (g *globals) explainUnknown(e *client.Error, f *failure) {
	if g.asked != "" { // it was asked what became of another
		f.next = "This may be repeated as often as you like:\n  " + g.fenceCommand(g.asked)
		return
	}
	if g.key != "" {
		e.RequestID = g.key
	}
	f.text += "\n  The outcome of request " + e.RequestID + " is unknown: it may have taken effect, " +
		"or may yet."
	f.next = "This settles it, and never does it twice:\n  " + settles(os.Args[1:], e.RequestID)
	if g.keyed {
		f.next += "\nThis tells what became of it, and keeps it from being done later:\n  " +
			g.fenceCommand(keyName(e.RequestID))
	}
}

// otherNames are those that nodes and sessions give to requests.
var otherNames = regexp.MustCompile(`^(\d+\.\d+\.\d+$|\d+/\d+$|")`)

// keyName names a request by its key, in quotes when that looks like something else.
func keyName(key string) string {
	if otherNames.MatchString(key) {
		return client.QuoteKey(key)
	}
	return key
}

// fenceCommand is the command that settles a request without repeating it.
func (g *globals) fenceCommand(id string) string {
	words := []string{"drystone"}
	if len(g.endpoints) > 0 {
		words = append(words, "--endpoints", shellQuoted(strings.Join(g.endpoints, ",")))
	}
	words = append(words, "request", "--fence")
	if strings.HasPrefix(id, "-") {
		words = append(words, "--")
	}
	return strings.Join(append(words, shellQuoted(id)), " ")
}

// settles is the command that does a write if it has not been done: the same again, with its key.
// A token is not repeated: what is printed ends up in logs.
func settles(args []string, key string) string {
	words := []string{"drystone"}
	keyed, stdin, token := false, false, false
	for i, a := range args {
		switch {
		case a == "--token", strings.HasPrefix(a, "--token="):
			token = true
			continue
		case i > 0 && args[i-1] == "--token":
			continue
		}
		keyed = keyed || a == "--key" || strings.HasPrefix(a, "--key=")
		stdin = stdin || a == "-"
		words = append(words, shellQuoted(a))
	}
	if !keyed {
		words = slices.Insert(words, 1, "--key", key)
	}
	var with []string
	if stdin {
		with = append(with, "the same standard input")
	}
	if token {
		with = append(with, "your token, as --token or DRYSTONE_TOKEN")
	}
	line := strings.Join(words, " ")
	if len(with) > 0 {
		line += "   (with " + strings.Join(with, " and ") + ")"
	}
	return line
}

// shellQuoted is a word as a shell reads it back.
func shellQuoted(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("-_./:,=@%+", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// stdinValue is the value that the argument - stands for: all of standard input, byte for byte.
func stdinValue(in io.Reader) ([]byte, error) {
	const most = 1 << 30
	value, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, failed("standard input can't be read: %s", innermost(err))
	}
	if len(value) > most {
		return nil, failed("standard input has more than 1 GiB: no cluster takes that as one value")
	}
	return value, nil
}

// valueArgs are the values given as arguments.
func valueArgs(c *cobra.Command, args []string) ([][]byte, error) {
	var values [][]byte
	fromStdin := false
	for _, a := range args {
		if a != "-" {
			values = append(values, []byte(a))
			continue
		}
		if fromStdin {
			return nil, misused("- stands twice, but there is one standard input")
		}
		fromStdin = true
		v, err := stdinValue(c.InOrStdin())
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

// textValues are values for JSON: text, or all of them in base64 when one is no UTF-8.
func textValues(values [][]byte) (texts []string, encoding string) {
	for _, v := range values {
		if !utf8.Valid(v) {
			encoding = "base64"
		}
	}
	texts = []string{}
	for _, v := range values {
		if encoding == "" {
			texts = append(texts, string(v))
		} else {
			texts = append(texts, base64.StdEncoding.EncodeToString(v))
		}
	}
	return texts, encoding
}

// wrote is what --json tells of every write.
type wrote struct {
	Index     uint64 `json:"index"`
	RequestID string `json:"request_id"`
	Replayed  bool   `json:"replayed"`
}

func (g *globals) wrote(c *cobra.Command, m client.Meta) wrote {
	if m.Replayed && !g.json {
		c.PrintErrf("this is the answer to an earlier request with the key %s; nothing new was done\n",
			g.key)
	}
	return wrote{m.Index, g.key, m.Replayed}
}

func nothing(text string) error { return &failure{status: exitNothing, text: text} }
