package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"drystone/rsm"
)

func newStatusCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the whole cluster, with a verdict",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			o := observe(c.Context(), g)
			if !o.answered() {
				return failed("no node answers: %s", strings.Join(g.servers(), ", ")).
					withNext("Is a cluster running? `drystone dev` starts one on this machine; " +
						"--endpoints names another.")
			}
			o.judge()
			if g.json {
				return printJSON(c.OutOrStdout(), o)
			}
			o.print(c.OutOrStdout())
			return nil
		},
	}
}

// clusterView is the whole cluster as its nodes tell it.
type clusterView struct {
	Verdict string     `json:"verdict"` // ok, degraded, no_leader, bootstrapping, diverged
	Reason  string     `json:"reason"`
	Cluster string     `json:"cluster_id"`
	Leader  uint64     `json:"leader_id"`
	Term    uint64     `json:"term"`
	Nodes   []nodeView `json:"nodes"`
}

type nodeView struct {
	ID      uint64      `json:"id"` // 0: never heard of under this address
	HTTP    string      `json:"http"`
	Answers bool        `json:"answers"`
	Voter   bool        `json:"voter"`
	Learner bool        `json:"learner"`         // a member that does not count yet
	Lag     *uint64     `json:"lag,omitempty"`   // entries that its leader knows it lacks
	Error   string      `json:"error,omitempty"` // why it does not answer
	Status  *rsm.Status `json:"status,omitempty"`
}

// observe asks the nodes named, and then those that they name.
func observe(ctx context.Context, g *globals) *clusterView {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	asked := map[string]bool{}
	o := &clusterView{}
	next := g.servers()
	for len(next) > 0 {
		var fresh []string
		for _, url := range next {
			if !asked[url] {
				asked[url] = true
				fresh = append(fresh, url)
			}
		}
		next = nil
		views := make([]nodeView, len(fresh))
		var each sync.WaitGroup
		for i, url := range fresh {
			each.Go(func() { views[i] = look(ctx, url, g.token) })
		}
		each.Wait()
		for _, v := range views {
			o.add(v)
			if v.Status == nil {
				continue
			}
			for _, m := range v.Status.Members {
				if m.HTTP != "" {
					next = append(next, "http://"+strings.TrimPrefix(m.HTTP, "http://"))
				}
			}
		}
	}
	o.nameSilent()
	slices.SortStableFunc(o.Nodes, func(a, b nodeView) int {
		return int(int64(a.ID-1) - int64(b.ID-1)) // unknown ones last
	})
	return o
}

func look(ctx context.Context, url, token string) nodeView {
	v := nodeView{HTTP: strings.TrimPrefix(url, "http://")}
	s, err := askStatus(ctx, url, token)
	if err != nil {
		v.Error = networkWords(err)
		return v
	}
	v.ID, v.Answers, v.Status = s.NodeID, true, s
	return v
}

// add leaves out a node that was reached by another address before.
func (o *clusterView) add(v nodeView) {
	for _, known := range o.Nodes {
		if v.ID != 0 && known.ID == v.ID && known.Status.Incarnation == v.Status.Incarnation {
			return
		}
	}
	o.Nodes = append(o.Nodes, v)
}

// nameSilent says who is a member by the word of the node that knows best, fills in what the others
// know of nodes that don't answer, and adds members that nobody has an address of.
func (o *clusterView) nameSilent() {
	for _, teller := range o.Nodes {
		if teller.Status == nil {
			continue
		}
		for _, m := range teller.Status.Members {
			for i := range o.Nodes {
				n := &o.Nodes[i]
				if n.ID == 0 && m.HTTP != "" && n.HTTP == strings.TrimPrefix(m.HTTP, "http://") {
					n.ID = m.ID
				}
			}
		}
	}
	if best := o.knowsBest(); best != nil {
		for _, m := range best.Members {
			at := slices.IndexFunc(o.Nodes, func(n nodeView) bool { return n.ID == m.ID })
			if at < 0 {
				at = len(o.Nodes)
				o.Nodes = append(o.Nodes, nodeView{
					ID: m.ID, HTTP: m.HTTP, Error: "has not been heard of",
				})
			}
			n := &o.Nodes[at]
			n.Voter, n.Learner, n.Lag = m.Voter, !m.Voter, m.Lag
		}
	}
	// An address where nothing answers and that no node owns says nothing about the cluster, once
	// others have told who belongs to it.
	if o.answered() {
		o.Nodes = slices.DeleteFunc(o.Nodes, func(n nodeView) bool { return n.ID == 0 })
	}
}

// knowsBest is the status of the newest leader, or else of the node that has applied most: one that
// was removed, or was away, tells of members that are none any more.
func (o *clusterView) knowsBest() (best *rsm.Status) {
	rank := func(s *rsm.Status) []uint64 {
		if s.Role == "leader" {
			return []uint64{1, s.Term, s.Applied}
		}
		return []uint64{0, s.Applied, s.Term}
	}
	for _, n := range o.Nodes {
		if n.Status != nil && (best == nil || slices.Compare(rank(n.Status), rank(best)) > 0) {
			best = n.Status
		}
	}
	return best
}

func (o *clusterView) answered() bool {
	return slices.ContainsFunc(o.Nodes, func(n nodeView) bool { return n.Answers })
}

// judge reaches the verdict. The first that applies counts.
func (o *clusterView) judge() {
	var voters, up int
	var silent, waiting, unwell, others []string
	for _, n := range o.Nodes {
		name := fmt.Sprintf("node %d", n.ID)
		if n.Voter {
			voters++
		} else {
			others = append(others, n.asideWords())
			continue
		}
		if n.Status == nil {
			silent = append(silent, name)
			continue
		}
		if n.Voter {
			up++
		}
		s := n.Status
		if s.ClusterID != "" {
			o.Cluster = s.ClusterID
		}
		if s.Role == "leader" && s.Term > o.Term {
			o.Leader, o.Term = s.NodeID, s.Term
		}
		switch s.Health {
		case rsm.HealthOK:
		case rsm.HealthBootstrapping:
			waiting = append(waiting, name+": "+s.Reason)
		default:
			unwell = append(unwell, fmt.Sprintf("%s is %s: %s", name, s.Health, s.Reason))
		}
	}
	majority := voters/2 + 1
	count := fmt.Sprintf("%d of %s answer", up, plural(voters, "voter"))
	switch {
	case len(o.strangers()) > 0:
		o.Verdict = "diverged"
		o.Reason = "the endpoints belong to different clusters: " + strings.Join(o.strangers(), "; ")
	case o.diverged() != "":
		o.Verdict, o.Reason = "diverged", o.diverged()
	case len(waiting) > 0:
		o.Verdict, o.Reason = "bootstrapping", strings.Join(waiting, "; ")
	case up < majority:
		o.Verdict = "no_leader"
		o.Reason = fmt.Sprintf("%s and %d are needed: writes and linearizable reads are refused; %s "+
			"must come back", count, majority, listWords(silent))
	case o.Leader == 0:
		o.Verdict, o.Reason = "no_leader", count+", but none leads"
		if len(unwell) > 0 {
			o.Reason += ": " + strings.Join(unwell, "; ")
		}
	case len(silent) > 0:
		o.Verdict = "degraded"
		o.Reason = fmt.Sprintf("node %d leads; %s; %s, and %s", o.Leader, listWords(silent)+" silent",
			count, spareWords(up-majority))
	case len(unwell) > 0:
		o.Verdict, o.Reason = "degraded", strings.Join(unwell, "; ")
	default:
		o.Verdict = "ok"
		o.Reason = fmt.Sprintf("node %d leads; %s, and %s", o.Leader, count, spareWords(up-majority))
	}
	o.Reason = strings.Join(append([]string{o.Reason}, others...), "; ")
}

// asideWords tells of a node that counts for nothing: a learner, or no member.
func (n *nodeView) asideWords() string {
	behind := ""
	if n.Lag != nil && *n.Lag > 0 {
		behind = fmt.Sprintf(", behind by %d", *n.Lag)
	}
	switch {
	case !n.Learner && n.Status != nil:
		return fmt.Sprintf("node %d is no member: %s", n.ID, n.Status.Reason)
	case !n.Learner:
		return fmt.Sprintf("node %d is no member", n.ID)
	case n.Status == nil:
		return fmt.Sprintf("node %d is a learner%s, and silent: it counts for nothing", n.ID, behind)
	}
	return fmt.Sprintf("node %d is a learner%s: it becomes a voter once it has caught up", n.ID,
		behind)
}

func spareWords(n int) string {
	switch n {
	case 0:
		return "none of them may fail"
	case 1:
		return "1 of them may fail"
	}
	return fmt.Sprintf("%d of them may fail", n)
}

func listWords(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// strangers lists the clusters, when there is more than one.
func (o *clusterView) strangers() (out []string) {
	seen := map[string]bool{}
	for _, n := range o.Nodes {
		if n.Status != nil && n.Status.ClusterID != "" && !seen[n.Status.ClusterID] {
			seen[n.Status.ClusterID] = true
			out = append(out, fmt.Sprintf("%s is of %s", n.HTTP, n.Status.ClusterID))
		}
	}
	if len(out) == 1 {
		return nil
	}
	return out
}

// diverged says which nodes have applied the same entries and hold another state.
func (o *clusterView) diverged() string {
	for i, a := range o.Nodes {
		for _, b := range o.Nodes[i+1:] {
			if a.Status != nil && b.Status != nil && a.Status.Applied == b.Status.Applied &&
				a.Status.StateHash != b.Status.StateHash && a.Status.Applied > 0 {
				return fmt.Sprintf("nodes %d and %d have both applied entry %d and hold different "+
					"states (%s, %s): one of them is wrong", a.ID, b.ID, a.Status.Applied,
					a.Status.StateHash, b.Status.StateHash)
			}
		}
	}
	return ""
}

func (o *clusterView) print(w io.Writer) {
	t := table{header: []string{
		"NODE", "HTTP", "ROLE", "TERM", "APPLIED", "COMMIT", "LOG", "HEALTH", "",
	}}
	for _, n := range o.Nodes {
		id := "?"
		if n.ID != 0 {
			id = strconv.FormatUint(n.ID, 10)
		}
		s := n.Status
		if s == nil {
			role := "-"
			if n.Learner {
				role = "learner"
			}
			t.add(id, dash(n.HTTP), role, "-", "-", "-", "-", "silent", n.Error)
			continue
		}
		var notes []string
		if s.Health != rsm.HealthOK {
			notes = append(notes, s.Reason)
		}
		if s.Engine != engines[0].Name {
			notes = append(notes, "engine "+s.Engine)
		}
		number := func(v uint64) string { return strconv.FormatUint(v, 10) }
		t.add(id, n.HTTP, s.Role, number(s.Term), number(s.Applied), number(s.Commit),
			sizeWords(s.WALBytes), string(s.Health), strings.Join(notes, "; "))
	}
	t.print(w)
	fmt.Fprintf(w, "\n%s: %s\n", o.Verdict, o.Reason)
	voters := 0
	for _, n := range o.Nodes {
		if n.Voter {
			voters++
		}
	}
	if voters > 0 && voters%2 == 0 {
		fmt.Fprintf(w, "note: %s\n", evenWords(voters))
	}
}
