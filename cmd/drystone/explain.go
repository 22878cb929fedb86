package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"drystone/httpapi"
)

func newExplainCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "explain [CODE]",
		Short: "Explain an error code, or list all",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return exactly("CODE")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listCodes(c, g)
			}
			e, ok := httpapi.Explain(args[0])
			if !ok {
				f := &failure{status: exitNothing, text: fmt.Sprintf("there is no code %q", args[0])}
				return f.withNext("`drystone explain` lists them all.")
			}
			if g.json {
				return printJSON(c.OutOrStdout(), explanationJSON(e))
			}
			_, err := fmt.Fprint(c.OutOrStdout(), e.Text())
			return err
		},
	}
	c.ValidArgsFunction = func(_ *cobra.Command, args []string, start string) (
		[]string, cobra.ShellCompDirective,
	) {
		var codes []string
		for _, e := range httpapi.Explanations() {
			if len(args) == 0 && strings.HasPrefix(e.Code, start) {
				codes = append(codes, e.Code+"\t"+e.Title)
			}
		}
		return codes, cobra.ShellCompDirectiveNoFileComp
	}
	return c
}

func listCodes(c *cobra.Command, g *globals) error {
	if g.json {
		for _, e := range httpapi.Explanations() {
			if err := printJSON(c.OutOrStdout(), explanationJSON(e)); err != nil {
				return err
			}
		}
		return nil
	}
	t := table{header: []string{"CODE", "STATUS", "OUTCOME", "TITLE"}}
	for _, e := range httpapi.Explanations() {
		t.add(e.Code, strings.Trim(fmt.Sprint(e.Statuses), "[]"), strings.Join(e.Outcomes, ", "),
			e.Title)
	}
	t.print(c.OutOrStdout())
	return nil
}

func explanationJSON(e httpapi.Explanation) any {
	return struct {
		Code     string   `json:"code"`
		Statuses []int    `json:"statuses"`
		Title    string   `json:"title"`
		Outcomes []string `json:"outcomes"`
		Cause    string   `json:"cause"`
		Fate     string   `json:"fate"`
		Next     string   `json:"next"`
	}{e.Code, e.Statuses, e.Title, e.Outcomes, e.Cause, e.Fate, e.Next}
}
