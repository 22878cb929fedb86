package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"drystone/client"
)

func newSizeCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "size STACK",
		Short: "Show how many values a stack holds",
		Args:  exactly("STACK"),
		RunE: func(c *cobra.Command, args []string) error {
			return g.call(c, func(ctx context.Context, cl *client.Client) error {
				n, err := cl.Size(ctx, args[0], client.ReadOptions{})
				if err != nil {
					return err
				}
				if g.json {
					return printJSON(c.OutOrStdout(), struct {
						Size uint64 `json:"size"`
					}{n})
				}
				_, err = fmt.Fprintln(c.OutOrStdout(), n)
				return err
			})
		},
	}
}
