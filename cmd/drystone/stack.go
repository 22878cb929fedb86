package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"drystone/client"
)

// itemsPage is how many names or values are asked for at a time.
const itemsPage = 1000

func newStackCommand(g *globals) *cobra.Command {
	c := family(&cobra.Command{Use: "stack", Short: "Create, delete, list and read stacks"})
	c.AddCommand(newStackCreate(g), newStackDelete(g), newStackList(g), newStackItems(g))
	return c
}

func newStackCreate(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "create STACK",
		Short: "Create a stack; one that stands is left alone",
		Args:  exactly("STACK"),
		RunE: func(c *cobra.Command, args []string) error {
			return g.call(c, func(ctx context.Context, cl *client.Client) error {
				r, err := cl.CreateStack(ctx, args[0], g.write())
				if err != nil {
					return err
				}
				w := g.wrote(c, r.Meta)
				if g.json {
					return printJSON(c.OutOrStdout(), struct {
						Name    string `json:"name"`
						Size    uint64 `json:"size"`
						Created bool   `json:"created"`
						wrote
					}{args[0], r.Size, r.Created, w})
				}
				if r.Created {
					c.PrintErrf("stack %q was created\n", args[0])
				} else {
					c.PrintErrf("stack %q stood already; it holds %s\n", args[0], plural(int(r.Size), "value"))
				}
				return nil
			})
		},
	}
}

func newStackDelete(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "delete STACK",
		Short: "Delete a stack with its values",
		Args:  exactly("STACK"),
		RunE: func(c *cobra.Command, args []string) error {
			return g.call(c, func(ctx context.Context, cl *client.Client) error {
				meta, err := cl.DeleteStack(ctx, args[0], g.write())
				if err != nil {
					return err
				}
				w := g.wrote(c, meta)
				if g.json {
					return printJSON(c.OutOrStdout(), struct {
						Deleted bool `json:"deleted"`
						wrote
					}{true, w})
				}
				c.PrintErrf("stack %q was deleted\n", args[0])
				return nil
			})
		},
	}
}

func newStackList(g *globals) *cobra.Command {
	var (
		o     client.ListOptions
		sizes bool
	)
	c := &cobra.Command{
		Use:   "list",
		Short: "List stacks by name",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return g.call(c, func(ctx context.Context, cl *client.Client) error {
				left, all := o.Limit, o.Limit == 0
				for all || left > 0 {
					o.Limit = itemsPage
					if !all {
						o.Limit = min(left, itemsPage)
					}
					r, err := cl.ListStacks(ctx, o)
					if err != nil {
						return err
					}
					for _, s := range r.Stacks {
						if err := printStack(c, g, s, sizes); err != nil {
							return err
						}
					}
					if o.After = r.Next; r.Next == "" {
						return nil
					}
					left -= min(left, uint64(len(r.Stacks)))
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&o.Prefix, "prefix", "", "only names that begin with this")
	c.Flags().StringVar(&o.After, "after", "", "only names after this")
	c.Flags().Uint64Var(&o.Limit, "limit", 0, "at most so many (default all)")
	c.Flags().BoolVar(&sizes, "sizes", false, "sizes too, after a tab")
	return c
}

func printStack(c *cobra.Command, g *globals, s client.Stack, sizes bool) error {
	switch {
	case g.json:
		return printJSON(c.OutOrStdout(), s)
	case sizes:
		_, err := fmt.Fprintf(c.OutOrStdout(), "%s\t%d\n", s.Name, s.Size)
		return err
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), s.Name)
	return err
}

func newStackItems(g *globals) *cobra.Command {
	var offset, limit uint64
	c := &cobra.Command{
		Use:   "items STACK",
		Short: "Show a stack's values from the top, and leave them there",
		Args:  exactly("STACK"),
		RunE: func(c *cobra.Command, args []string) error {
			return g.call(c, func(ctx context.Context, cl *client.Client) error {
				left, all := limit, limit == 0
				for first, size := true, uint64(0); all || left > 0; first = false {
					page := uint64(itemsPage)
					if !all {
						page = min(page, left)
					}
					r, err := cl.Items(ctx, args[0], offset, page, client.ReadOptions{})
					if err != nil {
						return err
					}
					if !first && r.Size != size {
						c.PrintErrln("note: the stack changed while it was read; values may be missing or doubled")
					}
					size = r.Size
					if err := printItems(c, g, r); err != nil {
						return err
					}
					n := uint64(len(r.Values))
					offset += n
					left -= min(left, n)
					if n == 0 || offset >= r.Size {
						return nil
					}
				}
				return nil
			})
		},
	}
	c.Flags().Uint64Var(&offset, "offset", 0, "skip so many from the top")
	c.Flags().Uint64Var(&limit, "limit", 0, "at most so many (default all)")
	return c
}

func printItems(c *cobra.Command, g *globals, r client.ListedItems) error {
	if !g.json {
		return printValues(c.OutOrStdout(), r.Values)
	}
	texts, encoding := textValues(r.Values)
	return printJSON(c.OutOrStdout(), struct {
		Values   []string `json:"values"`
		Encoding string   `json:"encoding,omitempty"`
		Size     uint64   `json:"size"`
		Index    uint64   `json:"index"`
	}{texts, encoding, r.Size, r.Index})
}
