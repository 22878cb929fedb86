package node

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"drystone/raft"
	"drystone/replica"
	"drystone/roster"
	"drystone/rsm"
	"drystone/wire"
)

// asks are the requests that wait for the leader's answer.
type asks struct {
	mu   sync.Mutex
	last uint64
	wait map[uint64]chan rsm.AdminReply
}

func (a *asks) add() (uint64, chan rsm.AdminReply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wait == nil {
		a.wait = make(map[uint64]chan rsm.AdminReply)
	}
	a.last++
	answer := make(chan rsm.AdminReply, 1)
	a.wait[a.last] = answer
	return a.last, answer
}

func (a *asks) remove(id uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.wait, id)
}

func (a *asks) answer(id uint64, r rsm.AdminReply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.wait[id]; c != nil {
		select {
		case c <- r:
		default: // answered before
		}
	}
}

// Administer carries an operator's request to the leader, from any node, and answers by ctx's
// deadline. A request is sent again when the leader changes: none does anything twice.
func (n *Node) Administer(ctx context.Context, q rsm.AdminRequest) rsm.AdminReply {
	if _, timed := ctx.Deadline(); !timed {
		limited, cancel := context.WithTimeout(ctx, defaultTimeout)
		defer cancel()
		ctx = limited
	}
	c := n.running()
	if text := n.self().Removed; text != "" {
		return refused(refuse(rsm.CodeQuarantined, "%s", text))
	}
	if c == nil {
		return refused(refuse(rsm.CodeBootstrapping, "this node has not joined a cluster yet"))
	}
	if q.Op == rsm.AdminList && q.Stale {
		return n.applied(ctx, c)
	}
	look := time.NewTicker(again)
	defer look.Stop()
	sent := false
	for {
		if leader := c.seen.Load().status.Leader; leader != 0 {
			reply, final := n.ask(ctx, c, leader, q)
			if final {
				n.awaitApplied(ctx, c, reply.Index)
				return reply
			}
			sent = sent || reply.Outcome == rsm.Unknown
		}
		if text := n.self().Removed; text != "" {
			return n.farewell(c, q, sent, text)
		}
		select {
		case <-look.C:
		case <-c.stop:
			if text := n.self().Removed; text != "" {
				return n.farewell(c, q, sent, text)
			}
			return unanswered(sent, rsm.CodeDraining, "the node is stopping")
		case <-ctx.Done():
			return unanswered(sent, rsm.CodeNoLeader, "no leader answered in time")
		}
	}
}

// farewell answers on a node that was removed while it waited: its own removal needs no other
// witness, and the leader's answer does not reach it any more.
func (n *Node) farewell(c *core, q rsm.AdminRequest, sent bool, text string) (out rsm.AdminReply) {
	if q.Op != rsm.AdminRemove && q.Op != rsm.AdminReplace || q.Node != n.config.ID {
		return unanswered(sent, rsm.CodeQuarantined, text)
	}
	s := c.seen.Load().status
	out = n.describe(s, s.Members, s.Commit)
	out.Members = slices.DeleteFunc(out.Members, func(m rsm.MemberStatus) bool {
		return m.ID == q.Node
	})
	return out
}

func unanswered(sent bool, code rsm.Code, detail string) rsm.AdminReply {
	if sent {
		return rsm.AdminReply{
			Code: rsm.CodeOutcomeUnknown, Outcome: rsm.Unknown,
			Detail: detail + ", and one may have begun: look at the members, and ask again",
		}
	}
	return refused(refuse(code, "%s", detail))
}

func refused(r *refusal) rsm.AdminReply {
	return rsm.AdminReply{Code: r.code, Detail: r.detail, Outcome: r.outcome}
}

// ask puts a request to the node that leads, and waits as long as it does. It is not final when
// another may have to be asked.
func (n *Node) ask(ctx context.Context, c *core, leader raft.NodeID, q rsm.AdminRequest) (
	reply rsm.AdminReply, final bool,
) {
	if uint64(leader) == n.config.ID {
		reply = n.administer(ctx, c, q)
		return reply, reply.Code != rsm.CodeNoLeader || ctx.Err() != nil
	}
	id, answer := n.asks.add()
	defer n.asks.remove(id)
	deadline, _ := ctx.Deadline()
	q.TimeoutMs = uint64(max(1, time.Until(deadline).Milliseconds()))
	body, err := json.Marshal(q)
	if err != nil {
		return refused(refuse(rsm.CodeBadCommand, "the request cannot be sent: %v", err)), true
	}
	n.peers.Send(leader, []wire.Message{{Peer: rsm.AdminAsk{ID: id, Body: body}}})
	look := time.NewTicker(again)
	defer look.Stop()
	resend := time.NewTicker(c.config.Election)
	defer resend.Stop()
	for {
		select {
		case reply = <-answer:
			return reply, reply.Code != rsm.CodeNoLeader
		case <-look.C:
			if c.seen.Load().status.Leader != leader || n.self().Removed != "" {
				return rsm.AdminReply{Outcome: rsm.Unknown}, false
			}
		case <-resend.C:
			// A connection that breaks loses what was under way on it.
			if !n.contacts.get(uint64(leader)).connected {
				return rsm.AdminReply{Outcome: rsm.Unknown}, false
			}
		case <-c.stop:
			return rsm.AdminReply{Outcome: rsm.Unknown}, false
		case <-ctx.Done():
			return rsm.AdminReply{Outcome: rsm.Unknown}, false
		}
	}
}

// awaitApplied lets this node show what it has just reported, unless that was its own removal: it
// will not hear of it.
func (n *Node) awaitApplied(ctx context.Context, c *core, index uint64) {
	look := time.NewTicker(again)
	defer look.Stop()
	for c.point.Load().point.Index < index && n.self().Removed == "" {
		select {
		case <-look.C:
		case <-c.stop:
			return
		case <-ctx.Done():
			return
		}
	}
}

// onAdmin takes what a peer asks of this node, or answers it. It is false for anything else.
func (c *core) onAdmin(from raft.NodeID, m rsm.PeerMessage) bool {
	switch m := m.(type) {
	case rsm.AdminAsk:
		var q rsm.AdminRequest
		if json.Unmarshal(m.Body, &q) != nil {
			return true // of a later version; it waits in vain, and says so
		}
		c.goes(func() {
			ctx, cancel := context.WithTimeout(context.Background(),
				time.Duration(min(q.TimeoutMs, 60_000))*time.Millisecond)
			defer cancel()
			body, err := json.Marshal(c.host.administer(ctx, c, q))
			if err == nil {
				c.peers.Send(from, []wire.Message{{Peer: rsm.AdminAnswer{ID: m.ID, Body: body}}})
			}
		})
	case rsm.AdminAnswer:
		var r rsm.AdminReply
		if json.Unmarshal(m.Body, &r) == nil {
			c.host.asks.answer(m.ID, r)
		}
	default:
		return false
	}
	return true
}

// administer does what is asked of the leader, on it.
func (n *Node) administer(ctx context.Context, c *core, q rsm.AdminRequest) rsm.AdminReply {
	quiet := c.config.ticks(c.config.Election)
	var index raft.Index
	var verdict *refusal
	switch q.Op {
	case rsm.AdminList:
		// A leader that was overtaken and does not know it would list who was a member once.
		if r := n.Query(ctx, nil, rsm.ReadOptions{}); r.Code != "" {
			verdict = refuse(rsm.CodeNoLeader, "node %d cannot make sure that it still leads",
				n.config.ID)
		}
	case rsm.AdminAdd:
		index, verdict = n.invite(ctx, c, q)
	case rsm.AdminJoin:
		if !roster.Valid(q.Incarnation, q.Peer) || q.Incarnation == "" || q.Node == 0 {
			verdict = refuse(rsm.CodeBadCommand, "the request to join says too little of the node")
			break
		}
		if verdict = n.acceptable(ctx, c, q); verdict != nil {
			break
		}
		index, verdict = n.change(ctx, c, func(s raft.Status, r roster.Roster) (
			raft.Members, *refusal,
		) {
			return admitted(s, r, q)
		})
	case rsm.AdminPromote:
		index, verdict = n.change(ctx, c, func(s raft.Status, r roster.Roster) (
			raft.Members, *refusal,
		) {
			return promoted(s, r, q.Node, quiet)
		})
	case rsm.AdminRemove, rsm.AdminReplace:
		if verdict = n.handOverFirst(ctx, c, q); verdict != nil {
			break
		}
		index, verdict = n.change(ctx, c, func(s raft.Status, r roster.Roster) (
			raft.Members, *refusal,
		) {
			return dismissed(s, r, q.Node, q.Op == rsm.AdminReplace, quiet)
		})
	case rsm.AdminTransfer:
		verdict = n.transfer(ctx, c, q.Node)
	default:
		verdict = refuse(rsm.CodeBadCommand, "node %d does not know how to %q", n.config.ID, q.Op)
	}
	if verdict != nil {
		return refused(verdict)
	}
	return n.described(ctx, c, uint64(index), q)
}

// acceptable tries a joiner's address, before it is let in. One that is a member already has been
// tried.
func (n *Node) acceptable(ctx context.Context, c *core, q rsm.AdminRequest) *refusal {
	s := c.seen.Load().status
	to, verdict := admitted(s, rosterOf(s.Members), q)
	if verdict != nil || len(to.Voters) == 0 {
		return verdict
	}
	return reachable(ctx, n.config.ID, q.Node, q.Peer)
}

// invite lets a number be taken by the next node that asks to join under it.
func (n *Node) invite(ctx context.Context, c *core, q rsm.AdminRequest) (raft.Index, *refusal) {
	if q.Node == 0 || !roster.Valid("", q.Peer) {
		return 0, refuse(rsm.CodeBadCommand, "a member has a number from 1 and an address")
	}
	look := func(s raft.Status, r roster.Roster) (raft.Members, *refusal) {
		if isMember(s.Members, q.Node) {
			return raft.Members{}, refuse(rsm.CodeMemberExists, "node %d is a member", q.Node)
		}
		next, err := r.Invite(q.Node, q.Peer, false)
		if err != nil {
			return raft.Members{}, refuse(rsm.CodeNumberUsed, "node %d was removed, and numbers are "+
				"never used again: choose another", q.Node)
		}
		return with(slices.Clone(s.Members.Voters), slices.Clone(s.Members.Learners), next), nil
	}
	s := c.seen.Load().status
	if _, verdict := look(s, rosterOf(s.Members)); verdict != nil {
		return 0, verdict
	}
	if q.Peer != "" {
		if verdict := reachable(ctx, n.config.ID, q.Node, q.Peer); verdict != nil {
			return 0, verdict
		}
	}
	return n.change(ctx, c, look)
}

// transfer hands leadership to a voter, the best one if none is named, and waits until it leads.
func (n *Node) transfer(ctx context.Context, c *core, node uint64) *refusal {
	to := raft.NodeID(node)
	look := time.NewTicker(again)
	defer look.Stop()
	var began time.Time
	for {
		var verdict *refusal
		done := false
		stopped := c.inLoop(ctx, func(r *replica.Replica) {
			s := r.Status()
			quiet := c.config.ticks(c.config.Election)
			if began.IsZero() {
				if to == 0 {
					to = heir(s, quiet, nil)
				}
				verdict, done = n.beginTransfer(r, s, to, quiet)
				began = time.Now()
				return
			}
			done = s.Leader != 0 && s.Leader != s.ID
			if s.Role == raft.Leader && time.Since(began) > 2*c.config.Election {
				verdict = refuse(rsm.CodeTransferFailed, "node %d did not take over within an election "+
					"timeout; node %d leads on", to, s.ID)
			}
		})
		if stopped != nil {
			verdict = stopped
		}
		if verdict != nil || done {
			return verdict
		}
		select {
		case <-look.C:
		case <-c.stop:
		case <-ctx.Done():
			return &refusal{rsm.CodeOutcomeUnknown, "the transfer was begun, and nobody leads yet",
				rsm.Unknown}
		}
	}
}

func (n *Node) beginTransfer(r *replica.Replica, s raft.Status, to raft.NodeID, quiet int) (
	verdict *refusal, done bool,
) {
	at := slices.IndexFunc(s.Progress, func(p raft.Progress) bool { return p.ID == to })
	switch {
	case s.Role != raft.Leader:
		return errNotLeader, false
	case to == s.ID:
		return nil, true
	case to == 0:
		return refuse(rsm.CodeNotVoter, "no other voter answers, so there is nobody to lead"), false
	case !s.Members.IsVoter(to) || at < 0:
		return refuse(rsm.CodeNotVoter, "node %d is no voter of this cluster, so it cannot lead", to),
			false
	case s.Progress[at].QuietTicks > quiet:
		return refuse(rsm.CodeMemberUnreachable, "node %d does not answer node %d, which leads", to,
			s.ID), false
	}
	if r.Transfer(to) != nil {
		return errNotLeader, false
	}
	return nil, false
}

// described is the membership as the leader knows it.
func (n *Node) described(ctx context.Context, c *core, index uint64, q rsm.AdminRequest) (
	out rsm.AdminReply,
) {
	stopped := c.inLoop(ctx, func(r *replica.Replica) {
		s := r.Status()
		out = n.describe(s, s.Members, min(s.MembersIndex, s.Commit))
		out.Index = cmp.Or(index, out.Index)
		if e, ok := rosterOf(s.Members).Find(q.Node, q.Incarnation); ok {
			out.Generation = e.Generation
		}
	})
	if stopped != nil {
		return refused(stopped)
	}
	return out
}

// applied is the membership that this node has applied, with or without a leader.
func (n *Node) applied(ctx context.Context, c *core) rsm.AdminReply {
	at := n.Query(ctx, nil, rsm.ReadOptions{Consistency: rsm.Stale})
	if at.Code != "" {
		return refused(refuse(at.Code, "this node cannot be read"))
	}
	out := n.describe(c.seen.Load().status, c.standing.Load().members, raft.Index(at.Index))
	out.Term, out.StaleMs = at.Term, at.StaleMs
	return out
}

// describe makes an answer of a configuration and what this node knows of its members.
func (n *Node) describe(s raft.Status, m raft.Members, index raft.Index) rsm.AdminReply {
	out := rsm.AdminReply{
		Outcome: rsm.Applied, Leader: uint64(s.Leader), Joint: m.Joint(),
		Term: uint64(s.Hard.CurrentTerm), Index: uint64(index),
	}
	for _, id := range m.All() {
		out.Members = append(out.Members, n.memberSeenBy(s, m, id))
	}
	listed := rosterOf(m)
	for _, e := range listed {
		vacant := listed.Vacant(e.Node)
		switch {
		case vacant && !slices.Contains(out.Invited, e.Node):
			out.Invited = append(out.Invited, e.Node)
		case !vacant && !isMember(m, e.Node) && !slices.Contains(out.Removed, e.Node):
			out.Removed = append(out.Removed, e.Node)
		}
	}
	return out
}
