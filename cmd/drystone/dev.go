package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"drystone/rsm"
)

func newDevCommand(g *globals) *cobra.Command {
	f := &devFlags{}
	c := &cobra.Command{
		Use:   "dev [flags] [-- FLAGS OF EVERY NODE]",
		Short: "Run a whole cluster on this machine",
		Long: `Run a cluster of real node processes on this machine, until Ctrl-C or drystone dev down.

Data is kept and resumed by the next run. One node that dies never stops the others. The other
commands of dev act on the running cluster from another terminal.`,
		Example: `  drystone dev
  drystone dev --nodes 5 --detach
  drystone dev kill 2
  drystone dev -- --log-level debug`,
		Args: func(c *cobra.Command, args []string) error {
			if c.ArgsLenAtDash() != 0 && len(args) > 0 {
				return misused("drystone dev %s: there is no such command; dev knows kill, stop, start, "+
					"restart, pause, resume, status and down", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			for _, name := range []string{"nodes", "base-port"} {
				if n, err := c.Flags().GetInt(name); err == nil && n < 1 && c.Flags().Changed(name) {
					return misused("--%s %d: at least 1", name, n)
				}
			}
			if _, err := engineNamed(f.engine); err != nil && f.engine != "" {
				return err
			}
			f.forNodes = args
			switch {
			case f.readyFD > 0:
				return runDetached(f, c.ErrOrStderr())
			case f.detach:
				return detachDev(f, c.OutOrStdout())
			}
			return superviseDev(f, c.ErrOrStderr(), func(banner string) {
				fmt.Fprint(c.OutOrStdout(), banner)
			})
		},
	}
	c.PersistentFlags().StringVar(&f.dir, "dir", defaultDevDir, "directory of the cluster")
	c.Flags().IntVar(&f.nodes, "nodes", 0, "number of nodes (default as before, or 3)")
	c.Flags().IntVar(&f.base, "base-port", 0, "peer port of node 1; node i is 10000·(i−1) above, "+
		"HTTP one above that (default as before, or 12379)")
	c.Flags().StringVar(&f.engine, "engine", "", "which Raft, "+engineWords()+
		" (default as before, or "+engines[0].Name+")")
	c.Flags().BoolVar(&f.reset, "reset", false, "remove the data of earlier runs first")
	c.Flags().BoolVar(&f.detach, "detach", false, "return once the cluster is up; it runs on")
	c.Flags().IntVar(&f.readyFD, "ready-fd", 0, "")
	// Only ever given by dev --detach to itself.
	_ = c.Flags().MarkHidden("ready-fd")
	for _, action := range devActions {
		c.AddCommand(newDevAction(f, g, action))
	}
	c.AddCommand(newDevStatus(f, g), newDevDown(f))
	return c
}

var devActionWords = map[string]string{
	"kill":    "End a node at once (SIGKILL)",
	"stop":    "End a node gracefully (SIGTERM)",
	"start":   "Start a node that has ended",
	"restart": "Stop a node and start it",
	"pause":   "Freeze a node (SIGSTOP)",
	"resume":  "Let a frozen node go on (SIGCONT)",
}

func newDevAction(f *devFlags, g *globals, action string) *cobra.Command {
	return &cobra.Command{
		Use:   action + " N",
		Short: devActionWords[action],
		Args:  exactly("N"),
		RunE: func(c *cobra.Command, args []string) error {
			if n, err := strconv.ParseUint(args[0], 10, 32); err != nil || n == 0 {
				return misused("%q is no node number", args[0])
			}
			control, err := dialDev(f.dir)
			if err != nil {
				return err
			}
			var v devView
			if err := control.ask(http.MethodPost, "/"+args[0]+"/"+action, &v); err != nil {
				return err
			}
			if g.json {
				return printJSON(c.OutOrStdout(), v)
			}
			fmt.Fprintf(c.ErrOrStderr(), "node %d is %s\n", v.ID, v.words())
			return nil
		},
	}
}

func (v *devView) words() string {
	switch {
	case v.PID != 0:
		return fmt.Sprintf("%s (process %d)", v.State, v.PID)
	case v.Detail != "":
		return fmt.Sprintf("%s (%s)", v.State, v.Detail)
	}
	return v.State
}

func newDevDown(f *devFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End the cluster; its data is kept",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			control, err := dialDev(f.dir)
			if err != nil {
				return err
			}
			if err := control.down(); err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), "the dev cluster has ended; its data stays in %s\n", control.dir)
			return nil
		},
	}
}

func newDevStatus(f *devFlags, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the processes of the cluster",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			control, err := dialDev(f.dir)
			if err != nil {
				return err
			}
			var state devState
			if err := control.ask(http.MethodGet, "/", &state); err != nil {
				return err
			}
			return printDevStatus(c.Context(), c.OutOrStdout(), g.json, &state)
		},
	}
}

// devLine is a node of a dev cluster with what it says of itself.
type devLine struct {
	devView
	Role   string     `json:"role,omitempty"`
	Health rsm.Health `json:"health,omitempty"`
	Reason string     `json:"reason,omitempty"`
}

func printDevStatus(ctx context.Context, w io.Writer, asJSON bool, state *devState) error {
	lines := make([]devLine, len(state.Nodes))
	var each sync.WaitGroup
	for i, v := range state.Nodes {
		lines[i].devView = v
		if v.State != devRunning {
			continue
		}
		each.Go(func() {
			if s, err := askStatus(ctx, "http://"+v.HTTP, ""); err == nil {
				lines[i].Role, lines[i].Health, lines[i].Reason = s.Role, s.Health, s.Reason
			} else {
				lines[i].Reason = "does not answer"
			}
		})
	}
	each.Wait()
	if asJSON {
		return printJSON(w, struct {
			PID   int       `json:"pid"`
			Dir   string    `json:"dir"`
			Nodes []devLine `json:"nodes"`
		}{state.PID, state.Dir, lines})
	}
	t := table{header: []string{"NODE", "STATE", "PID", "HTTP", "ROLE", "HEALTH", ""}}
	for _, l := range lines {
		pid, words := "-", l.Reason
		if l.PID != 0 {
			pid = strconv.Itoa(l.PID)
		} else {
			words = l.Detail
		}
		t.add(strconv.FormatUint(l.ID, 10), l.State, pid, l.HTTP, dash(l.Role),
			dash(string(l.Health)), words)
	}
	t.print(w)
	return nil
}

// statusPatience bounds how long one node may take to say how it is.
const statusPatience = 2 * time.Second

// askStatus asks one node how it is.
func askStatus(ctx context.Context, endpoint, token string) (*rsm.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/v1/status", nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answers %s", reply.Status)
	}
	var s rsm.Status
	if err := json.NewDecoder(io.LimitReader(reply.Body, 16<<20)).Decode(&s); err != nil {
		return nil, fmt.Errorf("answers what is no status of drystone")
	}
	return &s, nil
}
