package raft

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The command that every script begins with.

// cmdCluster starts nodes as their disks left them.
func (s *script) cmdCluster(args []string) error {
	s.nodes, s.net, s.held = nil, nil, nil
	s.cut, s.leaders, s.applied = map[[2]NodeID]bool{}, map[Term]NodeID{}, map[Index]Term{}
	s.config = Config{Seed: 1, HeartbeatTicks: 3, ElectionTicks: 10}
	given := map[string]string{}
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		given[key] = value
	}
	take := func(key string, set func(uint64)) error {
		value, ok := given[key]
		delete(given, key)
		if !ok {
			return nil
		}
		n, err := parseNumber(value)
		set(n)
		return err
	}
	into := func(field *int) func(uint64) { return func(n uint64) { *field = int(n) } }
	err := errors.Join(
		take("nodes", func(n uint64) {
			for id := range n {
				s.nodes = append(s.nodes, &player{id: NodeID(id + 1), script: s})
			}
		}),
		take("seed", func(n uint64) { s.config.Seed = n }),
		take("heartbeat", into(&s.config.HeartbeatTicks)),
		take("election", into(&s.config.ElectionTicks)),
		take("stall", into(&s.config.DiskTicks)),
		take("append_bytes", into(&s.config.MaxAppendBytes)),
		take("inflight", into(&s.config.MaxInflight)),
		take("inflight_bytes", into(&s.config.InflightBytes)),
		take("trailing", into(&s.config.TrailingBytes)),
		take("apply_bytes", into(&s.config.MaxApplyBytes)),
	)
	if err != nil {
		return err
	}
	if len(s.nodes) == 0 {
		return errors.New("a cluster has nodes=3, for one")
	}
	if err := s.furnish(given); err != nil {
		return err
	}
	for _, p := range s.nodes {
		if !listed(given["down"], p.id) {
			p.start()
		}
	}
	return nil
}

// listed reports whether a list like n1,n2 has a node.
func listed(list string, id NodeID) bool {
	return slices.Contains(strings.Split(list, ","), node(id))
}

// furnish puts logs, terms and votes on the disks.
func (s *script) furnish(given map[string]string) error {
	members := Members{}
	for _, p := range s.nodes {
		list := &members.Voters
		if listed(given["learners"], p.id) {
			list = &members.Learners
		}
		*list = append(*list, p.id)
	}
	if given["members"] != "" {
		var err error
		if members, err = parseMembers(given["members"]); err != nil {
			return err
		}
	}
	// each reads "n1:x n2,n3:y", or a value for all.
	each := func(key string, set func(p *player, value string) error) error {
		for _, part := range strings.Fields(given[key]) {
			who, value, ok := strings.Cut(part, ":")
			if !ok {
				who, value = "all", part
			}
			some, err := s.some([]string{who})
			if err != nil {
				return err
			}
			for _, p := range some {
				if err := set(p, value); err != nil {
					return fmt.Errorf("%s: %w", key, err)
				}
			}
		}
		delete(given, key)
		return nil
	}
	for _, p := range s.nodes {
		p.snap.Members = members
	}
	err := errors.Join(
		each("snapshot", func(p *player, v string) error {
			at, err := parsePosition(v)
			p.snap.LastIncludedIndex, p.snap.LastIncludedTerm = at.Index, at.Term
			p.hard.CurrentTerm = at.Term
			return err
		}),
		each("log", func(p *player, v string) (err error) {
			p.entries, err = parseLog(v)
			if n := len(p.entries); n > 0 {
				p.hard.CurrentTerm = p.entries[n-1].Term
			}
			return err
		}),
		each("term", func(p *player, v string) error {
			n, err := parseNumber(v)
			p.hard.CurrentTerm = Term(n)
			return err
		}),
		each("vote", func(p *player, v string) (err error) {
			p.hard.VotedFor, err = parseNode(v)
			return err
		}),
		each("disk", func(p *player, v string) error { p.manual = true; return oneOf(v, "manual") }),
		each("apply", func(p *player, v string) error { p.slow = true; return oneOf(v, "manual") }),
	)
	for key := range given {
		if !slices.Contains([]string{"down", "learners", "members"}, key) {
			err = errors.Join(err, fmt.Errorf("a cluster has no %q", key))
		}
	}
	return err
}

func oneOf(value string, allowed ...string) error {
	if !slices.Contains(allowed, value) {
		return fmt.Errorf("%q is not one of %v", value, allowed)
	}
	return nil
}
