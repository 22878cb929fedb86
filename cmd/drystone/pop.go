package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"drystone/client"
)

func newPopCommand(g *globals) *cobra.Command {
	var (
		count  uint64
		bottom bool
		wait   time.Duration
	)
	c := &cobra.Command{
		Use:   "pop STACK",
		Short: "Take values off a stack",
		Long: `Take values off the top of a stack and print them, one a line, in the order taken.
Exit status 4 says that there was nothing to take.`,
		Example: `  drystone pop jobs
  drystone pop jobs --count 10
  drystone pop jobs --bottom`,
		Args: exactly("STACK"),
		RunE: func(c *cobra.Command, args []string) error {
			if count == 0 {
				return misused("--count 0: at least 1")
			}
			if c.Flags().Changed("wait") {
				return misused("--wait is not in this version: pop answers at once")
			}
			o := client.PopOptions{WriteOptions: g.write(), Count: count}
			if bottom {
				o.End = client.Bottom
			}
			return g.call(c, func(ctx context.Context, cl *client.Client) error {
				r, err := cl.Pop(ctx, args[0], o)
				if err != nil {
					return err
				}
				if err := printPopped(c, g, r); err != nil {
					return err
				}
				if r.Empty {
					return nothing(fmt.Sprintf("stack %q is empty", args[0]))
				}
				return nil
			})
		},
	}
	c.Flags().Uint64Var(&count, "count", 1, "take up to so many")
	c.Flags().BoolVar(&bottom, "bottom", false, "take from the bottom")
	c.Flags().DurationVar(&wait, "wait", 0, "wait for a value (not in this version)")
	return c
}

func printPopped(c *cobra.Command, g *globals, r client.Popped) error {
	w := g.wrote(c, r.Meta)
	if !g.json {
		return printValues(c.OutOrStdout(), r.Values)
	}
	texts, encoding := textValues(r.Values)
	return printJSON(c.OutOrStdout(), struct {
		Values   []string `json:"values"`
		Encoding string   `json:"encoding,omitempty"`
		Empty    bool     `json:"empty"`
		Size     uint64   `json:"size"`
		wrote
	}{texts, encoding, r.Empty, r.Size, w})
}
