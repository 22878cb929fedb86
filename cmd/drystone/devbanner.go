package main

import (
	"fmt"
	"strings"
	"time"
)

// banner is what dev prints once: where things are, and what to try.
func (s *supervisor) banner(took time.Duration) string {
	var b strings.Builder
	nodes, url := s.record.Nodes, "http://"+s.record.Nodes[0].HTTP
	dir := dirFlag(s.dir)
	victim := nodes[len(nodes)-1].ID
	fmt.Fprintf(&b, "drystone: %s up after %d ms; data in %s\n\n",
		plural(len(nodes), "node"), took.Milliseconds(), s.dir)
	for _, n := range nodes {
		fmt.Fprintf(&b, "  node %-3d http://%s\n", n.ID, n.HTTP)
	}
	fmt.Fprintf(&b, "\n  status      %s/v1/status\n", url)
	fmt.Fprintf(&b, "  push        curl -d 10 %s/v1/stacks/jobs/push\n", url)
	fmt.Fprintf(&b, "  pop         drystone pop jobs%s\n", s.endpointsFlag())
	fmt.Fprintf(&b, "  kill a node drystone dev kill %d%s   (and start %d, pause %d, resume %d)\n",
		victim, dir, victim, victim, victim)
	fmt.Fprintf(&b, "  look        drystone dev status%s\n", dir)
	fmt.Fprintf(&b, "  end         Ctrl-C, or drystone dev down%s\n\n", dir)
	return b.String()
}

// endpointsFlag is what the client commands need to find this cluster.
func (s *supervisor) endpointsFlag() string {
	if dirFlag(s.dir) == "" {
		return "" // they look into the default directory
	}
	return " --endpoints http://" + s.record.Nodes[0].HTTP
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
