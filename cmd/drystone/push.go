package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"drystone/client"
)

func newPushCommand(g *globals) *cobra.Command {
	var bottom, mustExist bool
	c := &cobra.Command{
		Use:   "push STACK VALUE...",
		Short: "Push values; the last becomes the top",
		Long: `Push values in order, so that the last becomes the top, and print the stack's new size.
The stack is created if there is none. All values are pushed, or none.

The value - is all of standard input, byte for byte: printf adds no newline, echo does.`,
		Example: `  drystone push jobs one two
  printf 'any bytes' | drystone push jobs -
  drystone push --key order-17 jobs once`,
		Args: func(c *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return misused("STACK and VALUE are missing")
			case 1:
				return misused("VALUE is missing; - reads it from standard input")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			values, err := valueArgs(c, args[1:])
			if err != nil {
				return err
			}
			o := client.PushOptions{WriteOptions: g.write(), MustExist: mustExist}
			if bottom {
				o.End = client.Bottom
			}
			return g.call(c, func(ctx context.Context, cl *client.Client) error {
				r, err := cl.Push(ctx, args[0], values, o)
				if err != nil {
					return err
				}
				w := g.wrote(c, r.Meta)
				if g.json {
					return printJSON(c.OutOrStdout(), struct {
						Size uint64 `json:"size"`
						wrote
					}{r.Size, w})
				}
				_, err = fmt.Fprintln(c.OutOrStdout(), r.Size)
				return err
			})
		},
	}
	c.Flags().BoolVar(&bottom, "bottom", false, "push at the bottom: the last becomes the lowest")
	c.Flags().BoolVar(&mustExist, "must-exist", false, "refuse, instead of creating the stack")
	return c
}
