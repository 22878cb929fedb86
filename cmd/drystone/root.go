package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// globals are the flags that every client command takes.
type globals struct {
	endpoints []string
	json      bool
	key       string
	timeout   time.Duration
	token     string
	keyed     bool   // the command is a write that the log knows by its key
	asked     string // the request that a command asks about; "" for none
}

const defaultTimeout = 10 * time.Second

// run is the whole program: arguments in, exit status out.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	c, err := root.ExecuteC()
	return report(err, c.CommandPath(), stderr)
}

func newRoot() *cobra.Command {
	g := &globals{}
	root := &cobra.Command{
		Use:   "drystone",
		Short: "Stacks that survive the loss of machines",
		Long: `drystone keeps stacks on a cluster of nodes that agree by Raft: what was acknowledged
survives the loss of a minority of them.

Values go to standard output, one a line; everything else goes to standard error.
Exit status: 0 applied or read; 1 refused or failed, nothing was done, safe to repeat;
2 usage; 3 outcome unknown; 4 nothing there.`,
		Example: `  drystone dev                   a cluster on this machine
  drystone push jobs "one" "two"
  drystone pop jobs`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			c.SetOut(c.ErrOrStderr())
			if err := c.Help(); err != nil {
				return err
			}
			return &failure{status: exitUsage, text: "a command is needed"}
		},
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return g.check(c) },
	}
	root.SetFlagErrorFunc(flagWords)
	p := root.PersistentFlags()
	p.StringSliceVar(&g.endpoints, "endpoints", nil,
		"nodes to ask, by comma (default the dev cluster's)")
	p.BoolVar(&g.json, "json", false, "answer in JSON")
	p.StringVar(&g.key, "key", "", "idempotency key: makes repeating a write safe")
	p.DurationVar(&g.timeout, "timeout", defaultTimeout, "answer within this, at most 1m")
	p.StringVar(&g.token, "token", "", "bearer token")
	p.SortFlags = false

	root.AddGroup(&cobra.Group{ID: "run", Title: "Run:"},
		&cobra.Group{ID: "use", Title: "Use:"}, &cobra.Group{ID: "change", Title: "Change:"},
		&cobra.Group{ID: "look", Title: "Look:"})
	group := func(id string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	group("run", newDevCommand(g), newServeCommand())
	group("use", newPushCommand(g), newPopCommand(g), newTopCommand(g), newSizeCommand(g),
		newStackCommand(g), newRequestCommand(g))
	group("change", newMemberCommand(g), newLeaderCommand(g))
	group("look", newStatusCommand(g), newInspectCommand(g), newExplainCommand(g), newSimCommand(),
		newTortureCommand(), newCheckCommand())
	root.AddCommand(newVersionCommand(g))
	return root
}

// check completes the global flags from the environment and bounds them.
func (g *globals) check(c *cobra.Command) error {
	given := func(name string) bool {
		f := c.Flags().Lookup(name)
		return f != nil && f.Changed
	}
	if v := os.Getenv("DRYSTONE_ENDPOINTS"); v != "" && !given("endpoints") {
		g.endpoints = strings.Split(v, ",")
	}
	if v := os.Getenv("DRYSTONE_TOKEN"); v != "" && !given("token") {
		g.token = v
	}
	if v := os.Getenv("DRYSTONE_TIMEOUT"); v != "" && !given("timeout") {
		d, err := time.ParseDuration(v)
		if err != nil {
			return misused("DRYSTONE_TIMEOUT=%q in the environment: a duration is needed, such as 10s", v)
		}
		g.timeout = d
	}
	if g.timeout < time.Millisecond || g.timeout > time.Minute {
		return misused("--timeout %v: 1ms to 1m", g.timeout)
	}
	if given("key") && !validKey(g.key) {
		return misused("--key %q: 1 to 128 visible ASCII characters are needed", g.key)
	}
	for i, e := range g.endpoints {
		e = strings.TrimSuffix(strings.TrimSpace(e), "/")
		if !strings.Contains(e, "://") {
			e = "http://" + e
		}
		address, ok := strings.CutPrefix(e, "http://")
		if !ok {
			return misused("--endpoints %s: http://host:port is needed", g.endpoints[i])
		}
		if _, err := checkAddress(address); err != nil {
			return misused("--endpoints %v", err)
		}
		g.endpoints[i] = e
	}
	return nil
}

func validKey(key string) bool {
	for _, b := range []byte(key) {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return len(key) >= 1 && len(key) <= 128
}

// servers are the nodes to ask: those named, or those of the dev cluster in this directory, or
// those that one with the default ports would have.
func (g *globals) servers() []string {
	if len(g.endpoints) > 0 {
		return g.endpoints
	}
	var urls []string
	if r, err := readDevRecord(defaultDevDir); err == nil && r != nil {
		for _, n := range r.Nodes {
			urls = append(urls, "http://"+n.HTTP)
		}
	}
	if len(urls) == 0 {
		urls = []string{"http://127.0.0.1:12380", "http://127.0.0.1:22380", "http://127.0.0.1:32380"}
	}
	return urls
}

// flagWords turns the parser's errors into ours.
func flagWords(_ *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	if errors.As(err, &value) {
		return misused("--%s %s: %s", value.GetFlag().Name, value.GetValue(),
			valueWords(value.GetFlag(), errors.Unwrap(err)))
	}
	return misused("%s", parserWords(err.Error()))
}

func unknownCommand(c *cobra.Command, name string) error {
	f := misused("there is no command %q", name)
	c.SuggestionsMinimumDistance = 2 // letters that may be wrong
	if near := c.SuggestionsFor(name); len(near) > 0 {
		f.text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return f
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misused("%q is too much: this command takes no arguments", args[0])
	}
	return nil
}

// exactly wants one argument for each name.
func exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return misused("%s is missing", strings.Join(names[len(args):], " and "))
		}
		if len(args) > len(names) {
			return misused("%q is too much: %s is all this command takes", args[len(names)],
				strings.Join(names, " "))
		}
		return nil
	}
}

// family is a command that only holds others.
func family(c *cobra.Command) *cobra.Command {
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(c, args[0])
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		var names []string
		for _, sub := range c.Commands() {
			names = append(names, sub.Name())
		}
		return misused("%s needs one of %s", c.CommandPath(), strings.Join(names, ", "))
	}
	return c
}
