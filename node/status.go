package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"drystone/raft"
	"drystone/rsm"
)

// statusPoll is how often a caller who waits for an index looks.
const statusPoll = 2 * time.Millisecond

// Status is what this node says of itself, once it has applied at least the index given; an error
// if ctx ends before.
func (n *Node) Status(ctx context.Context, applied uint64) (rsm.Status, error) {
	s := n.status()
	if s.Applied >= applied {
		return s, nil
	}
	poll := time.NewTicker(statusPoll)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return s, fmt.Errorf("node %d has applied %d of the %d entries asked for", n.config.ID,
				s.Applied, applied)
		case <-n.done:
			return s, errors.New("the node has stopped")
		case <-n.closing:
			return s, errors.New("the node is closing")
		case <-poll.C:
			if s = n.status(); s.Applied >= applied {
				return s, nil
			}
		}
	}
}

func (n *Node) status() rsm.Status {
	n.mu.Lock()
	core, id, stopped := n.core, n.identity, n.err
	waits := n.waitsFor()
	n.mu.Unlock()
	refusal := n.contacts.refusal()
	s := rsm.Status{
		Version: n.config.Version, Engine: n.config.Engine.Name, ClusterID: id.Cluster, NodeID: id.Node,
		Incarnation: id.Incarnation, Role: "follower", Settings: n.config.Settings,
		Flags: n.config.Flags, UptimeMs: uint64(time.Since(n.started).Milliseconds()),
		StateHash: fmt.Sprintf("%016x", 0), Members: []rsm.MemberStatus{},
	}
	if core == nil {
		s.Health, s.Reason = rsm.HealthBootstrapping, waits
		if refusal != "" {
			s.Reason = "this node does not take part: " + refusal
		}
		if stopped != nil {
			s.Health, s.Reason = whyStopped(stopped)
		}
		if id.Removed != "" {
			s.Health, s.Reason = rsm.HealthQuarantined, id.Removed
		}
		for _, number := range n.nodeNumbers() {
			s.Members = append(s.Members, n.member(number, true))
		}
		return s
	}
	seen, at := core.seen.Load(), core.point.Load()
	r := seen.status
	s.Role, s.Term, s.LeaderID = r.Role.String(), uint64(r.Hard.CurrentTerm), uint64(r.Leader)
	if r.Role == raft.Follower && slices.Contains(r.Members.Learners, r.ID) {
		s.Role = "learner"
	}
	// The applier may have told more lately than the loop: what is applied is committed and durable.
	s.Commit, s.Durable = max(uint64(r.Commit), at.point.Index), max(uint64(r.Durable), at.point.Index)
	s.FirstIndex, s.LastIndex = uint64(r.FirstIndex), max(uint64(r.LastIndex), at.point.Index)
	s.SnapshotIndex, s.WALBytes = uint64(r.SnapshotIndex), core.store.Bytes()
	s.Applied, s.Op, s.LogTimeMs = at.point.Index, at.point.Op, at.point.LogTime
	s.StateHash = fmt.Sprintf("%016x", at.hash)
	s.Sessions, s.Requests = at.sessions, at.requests
	if at.settingsSet {
		s.Settings = at.settings
	}
	s.Joint = len(r.Members.Next) > 0
	for _, number := range r.Members.All() {
		s.Members = append(s.Members, n.memberSeenBy(r, r.Members, number))
	}
	s.Health, s.Reason = n.verdict(core, r, at, refusal, stopped)
	if id.Removed != "" {
		s.Health, s.Reason = rsm.HealthQuarantined, id.Removed
	}
	if stopped != nil || id.Removed != "" {
		s.Role, s.LeaderID = raft.Follower.String(), 0 // whatever it was when it ended
	}
	return s
}

// member is what the handshakes told of a node.
func (n *Node) member(number uint64, voter bool) rsm.MemberStatus {
	if number == n.config.ID {
		return rsm.MemberStatus{
			ID: number, Voter: voter, Peer: n.config.AdvertisePeer, HTTP: n.config.AdvertiseHTTP,
			RESP: n.config.AdvertiseRESP,
		}
	}
	c := n.contacts.get(number)
	m := rsm.MemberStatus{ID: number, Voter: voter, Peer: c.peer, HTTP: c.http, RESP: c.resp}
	if m.Peer == "" {
		m.Peer = n.config.Cluster[number]
	}
	if c.connected {
		ms := uint64(time.Since(c.heard).Milliseconds())
		m.ContactMs = &ms
	}
	return m
}

// memberSeenBy adds what a leader knows of a peer's log.
func (n *Node) memberSeenBy(r raft.Status, of raft.Members, id raft.NodeID) rsm.MemberStatus {
	m := n.member(uint64(id), of.IsVoter(id))
	for _, p := range r.Progress {
		if p.ID == id {
			match := uint64(p.Match)
			lag := uint64(r.LastIndex - min(p.Match, r.LastIndex))
			m.Match, m.Lag = &match, &lag
		}
	}
	return m
}

// waitsFor says why the cluster has not formed yet. Called with mu held.
func (n *Node) waitsFor() string {
	if n.asking != nil && n.identity.Cluster == "" {
		if n.asking.refusal != "" {
			return "this node asks to join: " + n.asking.refusal
		}
		return "this node asks to join the cluster"
	}
	if n.bootstrap == nil || n.joining {
		return "the data directory is being opened"
	}
	missing := n.bootstrap.Missing()
	if len(missing) == 0 {
		by := n.dividedBy(n.bootstrap.Form(n.identity).Cluster)
		if by == 0 {
			return "everybody has been met, and the cluster forms"
		}
		return fmt.Sprintf("node %d has formed cluster %s with other data directories than those "+
			"met by this node: one was emptied meanwhile. If node %d holds no data yet, empty its "+
			"directory too, and the first start goes on", by, n.contacts.get(by).cluster, by)
	}
	var names []string
	for _, id := range missing {
		names = append(names, fmt.Sprintf("node %d", id))
	}
	return "the first start waits for " + strings.Join(names, ", ") +
		": a new cluster begins once every node of --cluster has met every other"
}

func whyStopped(err error) (rsm.Health, string) {
	health := rsm.HealthQuarantined
	if errors.Is(err, rsm.ErrNeedsUpgrade) {
		health = rsm.HealthNeedsUpgrade
	}
	return health, "the node has stopped: " + err.Error()
}

// verdict is the node's health and a sentence that explains it.
func (n *Node) verdict(c *core, r raft.Status, at *published, refusal string, stopped error) (
	rsm.Health, string,
) {
	if stopped != nil {
		return whyStopped(stopped)
	}
	if c.full.log.Load() {
		return rsm.HealthDiskFull, fmt.Sprintf("no space is left for the log in %s: this node "+
			"acknowledges nothing until there is", n.config.Dir)
	}
	if d := c.writer.stalledFor(); d > n.config.DiskTimeout {
		return rsm.HealthDiskStalled, fmt.Sprintf("a write to %s has not finished for %v",
			n.config.Dir, d.Round(time.Millisecond))
	}
	if r.Leader == 0 {
		return rsm.HealthNoLeader, n.whyNoLeader(r, refusal)
	}
	if at.point.Term < uint64(r.Hard.CurrentTerm) {
		return rsm.HealthDegraded, fmt.Sprintf("node %d leads; this node is catching up, at entry "+
			"%d", r.Leader, at.point.Index)
	}
	if c.full.any() {
		return rsm.HealthDiskFull, fmt.Sprintf("no space is left in %s for a snapshot or the next "+
			"log segment; the log still has some", n.config.Dir)
	}
	if away := n.away(r); len(away) > 0 {
		return rsm.HealthDegraded, fmt.Sprintf("node %d leads; %s not connected to this node",
			r.Leader, strings.Join(away, " and "))
	}
	return rsm.HealthOK, fmt.Sprintf("node %d leads", r.Leader)
}

// away are the voters that this node has no connection to.
func (n *Node) away(r raft.Status) (names []string) {
	for _, id := range r.Members.Voters {
		if id != r.ID && !n.contacts.get(uint64(id)).connected {
			names = append(names, fmt.Sprintf("node %d", id))
		}
	}
	return names
}

func (n *Node) whyNoLeader(r raft.Status, refusal string) string {
	if refusal != "" {
		return "no leader is known, and " + refusal
	}
	voters := len(r.Members.Voters)
	reached := voters - len(n.away(r))
	needed := voters/2 + 1
	if reached < needed {
		return fmt.Sprintf("no leader: this node reaches %d of %d voters, itself included, and %d "+
			"are needed", reached, voters, needed)
	}
	return fmt.Sprintf("no leader yet: %d of %d voters are in reach, an election is due", reached,
		voters)
}
