package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"drystone/client"
	"drystone/rsm"
)

func newMemberCommand(g *globals) *cobra.Command {
	c := family(&cobra.Command{Use: "member", Short: "List, add, replace and remove the nodes"})
	c.AddCommand(
		&cobra.Command{
			Use: "list", Short: "Who belongs to the cluster", Args: noArguments,
			Long: `Who belongs to the cluster, as its leader knows it. If none answers within half of
--timeout, it is what one node has applied, and standard error says so.`,
			RunE: func(c *cobra.Command, _ []string) error {
				return g.members(c, "", func(ctx context.Context, cl *client.Client) (
					client.Members, error,
				) {
					return g.listMembers(ctx, c, cl)
				})
			},
		},
		&cobra.Command{
			Use: "add N ADDRESS", Short: "Let a node join under a number, as a learner first",
			Long: `Let a node join under a number. It is running with --join already, and answers at
that peer address; a node that is let in by nobody in particular needs no such word, and joins by
itself when it is started with --join.`,
			Args: exactly("N", "ADDRESS"),
			RunE: func(c *cobra.Command, args []string) error {
				return g.changeMember(c, args[0], "node %d may join", func(ctx context.Context,
					cl *client.Client, id uint64,
				) (client.Members, error) {
					return cl.AddMember(ctx, id, args[1])
				})
			},
		},
		&cobra.Command{
			Use: "promote N", Short: "Make a learner that has caught up a voter now",
			Args: exactly("N"),
			RunE: func(c *cobra.Command, args []string) error {
				return g.changeMember(c, args[0], "node %d is a voter", func(ctx context.Context,
					cl *client.Client, id uint64,
				) (client.Members, error) {
					return cl.PromoteMember(ctx, id)
				})
			},
		},
		&cobra.Command{
			Use: "remove N", Short: "Remove a node for good; its number is never used again",
			Args: exactly("N"),
			RunE: func(c *cobra.Command, args []string) error {
				return g.changeMember(c, args[0], "node %d was removed", func(ctx context.Context,
					cl *client.Client, id uint64,
				) (client.Members, error) {
					return cl.RemoveMember(ctx, id)
				})
			},
		},
		&cobra.Command{
			Use: "replace N", Short: "Let a node whose data directory is lost come back empty",
			Long: `Remove the data directory that node N had, and let a node with an empty one join
under the same number: start it with --join. It is a learner until it has everything.`,
			Args: exactly("N"),
			RunE: func(c *cobra.Command, args []string) error {
				const done = "node %d may join with an empty directory: start it with --join"
				return g.changeMember(c, args[0], done, func(ctx context.Context,
					cl *client.Client, id uint64,
				) (client.Members, error) {
					return cl.ReplaceMember(ctx, id)
				})
			},
		},
	)
	return c
}

// listMembers asks the leader, and without one whoever answers.
func (g *globals) listMembers(ctx context.Context, c *cobra.Command, cl *client.Client) (
	client.Members, error,
) {
	half, cancel := context.WithTimeout(ctx, g.timeout/2)
	defer cancel()
	m, err := cl.Members(half, client.ReadOptions{})
	var e *client.Error
	if !errors.As(err, &e) || e.Code != string(rsm.CodeNoLeader) {
		return m, err
	}
	stale, failed := cl.Members(ctx, client.ReadOptions{Stale: true})
	if failed != nil {
		return m, err
	}
	c.PrintErrf("no leader answers; this is what %s has applied, up to index %d\n", stale.Endpoint,
		stale.Index)
	return stale, nil
}

func newLeaderCommand(g *globals) *cobra.Command {
	c := family(&cobra.Command{Use: "leader", Short: "Hand leadership over"})
	c.AddCommand(&cobra.Command{
		Use: "transfer [N]", Short: "Hand leadership to node N, or to the best of the others",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return exactly("N")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			var to uint64
			if len(args) == 1 {
				var err error
				if to, err = memberNumber(args[0]); err != nil {
					return err
				}
			}
			return g.members(c, "leadership was handed over", func(ctx context.Context,
				cl *client.Client,
			) (client.Members, error) {
				return cl.TransferLeadership(ctx, to)
			})
		},
	})
	return c
}

func memberNumber(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, misused("%q is no node number: a whole number from 1 is needed", text)
	}
	return n, nil
}

func (g *globals) changeMember(c *cobra.Command, text, done string,
	do func(context.Context, *client.Client, uint64) (client.Members, error),
) error {
	id, err := memberNumber(text)
	if err != nil {
		return err
	}
	return g.members(c, fmt.Sprintf(done, id), func(ctx context.Context, cl *client.Client) (
		client.Members, error,
	) {
		return do(ctx, cl, id)
	})
}

// members does one thing, and prints the members as they are then: alone, they are what was asked
// for; after a change they are a courtesy.
func (g *globals) members(c *cobra.Command, done string,
	do func(context.Context, *client.Client) (client.Members, error),
) error {
	return g.call(c, func(ctx context.Context, cl *client.Client) error {
		m, err := do(ctx, cl)
		if err != nil {
			return err
		}
		if g.json {
			return printJSON(c.OutOrStdout(), struct {
				Members []client.Member `json:"members"`
				Leader  uint64          `json:"leader_id"`
				Joint   bool            `json:"joint"`
				Invited []uint64        `json:"invited"`
				Removed []uint64        `json:"removed"`
				Index   uint64          `json:"index"`
			}{m.Members, m.Leader, m.Joint, m.Invited, m.Removed, m.Index})
		}
		if done != "" {
			c.PrintErrln(done)
			return nil
		}
		return printMembers(c, m)
	})
}

func printMembers(c *cobra.Command, m client.Members) error {
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tROLE\tPEER\tHTTP\tLAG")
	for _, x := range m.Members {
		role, lag := "learner", "-"
		switch {
		case x.ID == m.Leader:
			role = "leader"
		case x.Voter:
			role = "voter"
		}
		if x.Lag != nil && x.ID != m.Leader {
			lag = strconv.FormatUint(*x.Lag, 10)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", x.ID, role, x.Peer, x.HTTP, lag)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if m.Joint {
		c.PrintErrln("a change is under way")
	}
	if len(m.Invited) > 0 {
		c.PrintErrf("%s may join\n", nodeWords(m.Invited))
	}
	if len(m.Removed) > 0 {
		c.PrintErrf("removed, and never used again: %s\n", nodeWords(m.Removed))
	}
	return nil
}
