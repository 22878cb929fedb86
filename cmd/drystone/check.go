package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"drystone/torture/check"
	"drystone/torture/history"
)

func newCheckCommand() *cobra.Command {
	limit := time.Minute
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "Judge the history of a torture run",
		Long: `Judge the history that drystone torture wrote: whether each acknowledged push is there once or
was popped once, whether repeats under one key got one answer, whether indexes never go back, and
whether all answers are linearizable, stack by stack. What breaks is shown in a page of HTML beside
the file.

Exit status: 0 all of it holds; 1 something does not; 3 not decided in time, which is no verdict;
5 the file is damaged or no history.`,
		Example: "  drystone check torture-7.jsonl",
		Args:    exactly("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			if limit < time.Millisecond {
				return misused("--limit %v is too short", limit)
			}
			h, err := readHistory(args[0])
			if err != nil {
				return err
			}
			r := check.All(h, limit)
			printVerdict(c.OutOrStdout(), h, r)
			return judged(args[0], r, limit)
		},
	}
	c.Flags().DurationVar(&limit, "limit", limit, "how long to search for orders, all stacks together")
	return c
}

func readHistory(path string) (*history.History, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, failed("%s: %s", path, fileWords(err))
	}
	defer f.Close()
	h, err := history.Read(f)
	var bad *history.Error
	switch {
	case errors.As(err, &bad):
		return nil, &failure{
			status: exitCorrupt, text: fmt.Sprintf("%s is no whole history: %s", path, bad),
			next: "A history is what `drystone torture` writes when it ends. Nothing was judged.",
		}
	case err != nil:
		return nil, failed("%s can't be read: %s", path, fileWords(err))
	}
	return h, nil
}

// printVerdict says what was looked at, and of each property whether it holds.
func printVerdict(out io.Writer, h *history.History, r *check.Report) {
	fmt.Fprintf(out, "%s of %s and %s, engine %s, seed %d, %s in %.1fs\n",
		plural(r.Ops, "request"), plural(h.Header.Clients, "client"), plural(h.Header.Nodes, "node"),
		h.Header.Engine, h.Header.Seed, plural(len(h.Faults), "fault"), float64(h.End.AtNs)/1e9)
	if h.End.Interrupted {
		fmt.Fprintln(out, "the run was interrupted: stacks were not read at its end")
	}
	if r.Unread > 0 {
		fmt.Fprintf(out, "%s not read whole at the end: what is lost there was not looked for\n",
			plural(r.Unread, "stack"))
	}
	broken := map[string][]string{}
	for _, p := range r.Problems {
		broken[p.Property] = append(broken[p.Property], p.Text)
	}
	t := table{header: []string{"  PROPERTY", "VERDICT", ""}}
	for _, x := range []struct{ property, holds string }{
		{check.Once, fmt.Sprintf("%s acknowledged, each there once or popped once",
			plural(r.Pushes, "value"))},
		{check.Repeats, fmt.Sprintf("%s under a key, all with the first answer",
			plural(r.Repeated, "repeat"))},
		{check.Monotone, "no index goes back"},
		{check.Linearizable, fmt.Sprintf("%s, the longest of %s; %s of unknown outcome",
			plural(r.Stacks, "stack"), plural(r.Longest, "operation"), plural(r.Open, "operation"))},
	} {
		switch texts := broken[x.property]; {
		case len(texts) > 0:
			t.add("  "+x.property, "BROKEN", texts[0])
			for _, text := range texts[1:min(len(texts), 5)] {
				t.add("", "", text)
			}
			if len(texts) > 5 {
				t.add("", "", fmt.Sprintf("and %d more", len(texts)-5))
			}
		case x.property == check.Linearizable && len(r.Undecided) > 0:
			t.add("  "+x.property, "not decided", strings.Join(r.Undecided, ", "))
		default:
			t.add("  "+x.property, "holds", x.holds)
		}
	}
	t.print(out)
}

// judged is the verdict as an exit status, with a picture of what broke.
func judged(path string, r *check.Report, limit time.Duration) error {
	if len(r.Problems) > 0 {
		f := failed("the history breaks what drystone promises: %s", r.Problems[0])
		picture := path + ".html"
		page, err := os.Create(picture)
		if err != nil {
			return f.withNext("%s can't be written: %s", picture, fileWords(err))
		}
		defer page.Close()
		stacks, err := r.Picture(page)
		switch {
		case err != nil:
			return f.withNext("%s can't be written: %s", picture, fileWords(err))
		case len(stacks) == 0:
			os.Remove(picture)
			return f
		}
		return f.withNext("%s shows %s in time: open it in a browser", picture, listWords(stacks))
	}
	if len(r.Undecided) > 0 {
		return &failure{
			status: exitUnknown,
			text: fmt.Sprintf("not decided: the search for an order did not end within %v on %s", limit,
				listWords(r.Undecided)),
			next: "That is no verdict. --limit gives it longer; many outcomes that were never known " +
				"on one stack can make it hopeless.",
		}
	}
	return nil
}
