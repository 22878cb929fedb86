package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"drystone/client"
)

func newRequestCommand(g *globals) *cobra.Command {
	var fence, forget bool
	c := &cobra.Command{
		Use:   "request ID",
		Short: "Tell what became of a write, or settle it",
		Long: `Tell what became of a write, and print the reply to it if it was applied. ID is its
idempotency key, or the request id of the error that it ended with. A key that looks like such an
id, as 1.2.3 or 1/2, goes into quotes of its own: '"1.2.3"'.

Exit status 0 says that it was applied; 1 that it was fenced: it was not applied, and never will be;
3 that it is pending, or was forgotten; 4 that nothing is known of it, and it may still come.
--fence makes an end of that: afterwards it was applied, or it never will be.`,
		Example: `  drystone request order-17
  drystone request --fence order-17`,
		Args: exactly("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			if fence && forget {
				return misused("--fence and --forget exclude each other")
			}
			id := args[0]
			g.asked = id
			return g.call(c, func(ctx context.Context, cl *client.Client) error {
				if forget {
					if err := cl.Forget(ctx, id); err != nil {
						return err
					}
					c.PrintErrf("the reply to request %s is no longer kept\n", id)
					return nil
				}
				ask := cl.Request
				if fence {
					ask = cl.Settle
				}
				fate, err := ask(ctx, id)
				if err != nil {
					return err
				}
				if err := printFate(c, g, id, fate); err != nil {
					return err
				}
				return g.fateStatus(id, fate.Outcome)
			})
		},
	}
	c.Flags().BoolVar(&fence, "fence", false, "settle it: it was applied, or it never will be")
	c.Flags().BoolVar(&forget, "forget", false, "free the reply that is kept for a repeat")
	return c
}

func printFate(c *cobra.Command, g *globals, id string, fate client.Fate) error {
	if g.json {
		return printJSON(c.OutOrStdout(), struct {
			RequestID string          `json:"request_id"`
			Outcome   string          `json:"outcome"`
			Result    json.RawMessage `json:"result,omitempty"`
			Index     uint64          `json:"index"`
		}{id, fate.Outcome, fate.Result, fate.Index})
	}
	if fate.Outcome != client.OutcomeApplied {
		return nil // the error says it
	}
	if _, err := fmt.Fprintln(c.OutOrStdout(), fate.Outcome); err != nil {
		return failed("standard output can't be written: %s", innermost(err))
	}
	if len(fate.Result) > 0 {
		return printJSON(c.OutOrStdout(), fate.Result)
	}
	return nil
}

// fateStatus is the exit status that the write itself would have had.
func (g *globals) fateStatus(id, outcome string) error {
	var f *failure
	switch outcome {
	case client.OutcomeApplied:
		return nil
	case client.OutcomeFenced:
		f = failed("request %s was not applied, and never will be", id).
			withNext("If it is wanted after all, do it under another key.")
	case client.OutcomeForgotten:
		f = &failure{
			status: exitUnknown, text: fmt.Sprintf("request %s is over, and its reply is gone", id),
			next: "Read what it would have changed.",
		}
	case client.OutcomeAbsent:
		f = &failure{
			status: exitNothing, text: fmt.Sprintf("nothing is known of request %s; it may still come", id),
			next: "This makes an end of that:\n  " + g.fenceCommand(id),
		}
	default:
		f = &failure{
			status: exitUnknown, text: fmt.Sprintf("request %s is %s", id, outcome),
			next: "This settles it:\n  " + g.fenceCommand(id),
		}
	}
	if g.json { // standard output has said it
		return &failure{status: f.status}
	}
	return f
}
