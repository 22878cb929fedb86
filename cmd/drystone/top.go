package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"drystone/client"
)

func newTopCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "top STACK",
		Short: "Show the top value",
		Long: `Print the value on top of a stack and leave it there. Exit status 4 says that there is
none.`,
		Args: exactly("STACK"),
		RunE: func(c *cobra.Command, args []string) error {
			return g.call(c, func(ctx context.Context, cl *client.Client) error {
				r, err := cl.Top(ctx, args[0], client.ReadOptions{})
				if err != nil {
					return err
				}
				if err := printTop(c, g, r); err != nil {
					return err
				}
				if r.Empty {
					return nothing(fmt.Sprintf("stack %q is empty", args[0]))
				}
				return nil
			})
		},
	}
}

func printTop(c *cobra.Command, g *globals, r client.Topmost) error {
	switch {
	case g.json:
		texts, encoding := textValues([][]byte{r.Value})
		return printJSON(c.OutOrStdout(), struct {
			Value    string `json:"value"`
			Encoding string `json:"encoding,omitempty"`
			Empty    bool   `json:"empty"`
			Size     uint64 `json:"size"`
			Index    uint64 `json:"index"`
		}{texts[0], encoding, r.Empty, r.Size, r.Index})
	case r.Empty:
		return nil
	}
	return printValues(c.OutOrStdout(), [][]byte{r.Value})
}
