package node

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"drystone/members"
	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
	"drystone/wire"
)

// asks are the requests that wait for the leader's answer.
type asks struct {
	mu   sync.Mutex
	last uint64
	wait map[uint64]chan rsm.AdminReply
}

// add begins a question. Its number is never used again, over all boots of this node: a leader may
// answer what an earlier boot asked, and that is no answer to what this one did.
func (a *asks) add(boot uint64) (uint64, chan rsm.AdminReply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wait == nil {
		a.wait = make(map[uint64]chan rsm.AdminReply)
	}
	a.last++
	answer := make(chan rsm.AdminReply, 1)
	id := boot<<32 | a.last
	a.wait[id] = answer
	return id, answer
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
		return members.Refuse(rsm.CodeQuarantined, "%s", text).Reply()
	}
	if c == nil {
		return members.Refuse(rsm.CodeBootstrapping, "this node has not joined a cluster yet").Reply()
	}
	if q.Op == rsm.AdminList && q.Stale {
		return n.applied(ctx, c)
	}
	look := time.NewTicker(again)
	defer look.Stop()
	begun := raft.NodeID(0) // the first leader that may have begun
	for {
		if leader := c.seen.Load().status.Leader; leader != 0 {
			reply, final := n.ask(ctx, c, leader, members.Onward(q, begun, leader))
			if final {
				n.awaitApplied(ctx, c, reply.Index)
				return reply
			}
			if reply.Outcome == rsm.Unknown {
				begun = cmp.Or(begun, leader)
			}
		}
		if text := n.self().Removed; text != "" {
			return n.farewell(c, q, begun != 0, text)
		}
		select {
		case <-look.C:
		case <-c.stop:
			if text := n.self().Removed; text != "" {
				return n.farewell(c, q, begun != 0, text)
			}
			return unanswered(begun != 0, rsm.CodeDraining, "the node is stopping")
		case <-ctx.Done():
			return unanswered(begun != 0, rsm.CodeNoLeader, "no leader answered in time")
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
	out = members.Describe(s, s.Members, s.Commit, n.memberSeenBy)
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
	return members.Refuse(code, "%s", detail).Reply()
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
	id, answer := n.asks.add(c.boot)
	defer n.asks.remove(id)
	deadline, _ := ctx.Deadline()
	q.TimeoutMs = uint64(max(1, time.Until(deadline).Milliseconds()))
	body, err := json.Marshal(q)
	if err != nil {
		return members.Refuse(rsm.CodeBadCommand, "the request cannot be sent: %v", err).Reply(), true
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
	var index raft.Index
	var verdict *members.Refusal
	switch q.Op {
	case rsm.AdminList:
		// A leader that was overtaken and does not know it would list who was a member once.
		if r := n.Query(ctx, nil, rsm.ReadOptions{}); r.Code != "" {
			verdict = members.Refuse(rsm.CodeNoLeader, "node %d cannot make sure that it still leads",
				n.config.ID)
		}
	case rsm.AdminTransfer:
		verdict = n.transfer(ctx, c, q.Node)
	default:
		index, verdict = n.reconfigure(ctx, c, q)
	}
	if verdict != nil {
		return verdict.Reply()
	}
	return n.described(ctx, c, index, q)
}

// reconfigure carries out a request that changes the configuration.
func (n *Node) reconfigure(ctx context.Context, c *core, q rsm.AdminRequest) (
	raft.Index, *members.Refusal,
) {
	plan, verdict := members.PlanFor(q, c.config.ticks(c.config.Election))
	if verdict != nil {
		return 0, verdict
	}
	try, verdict := members.NeedsReach(q, plan, c.seen.Load().status)
	if verdict == nil && try {
		verdict = reachable(ctx, n.config.ID, q.Node, q.Peer)
	}
	if verdict == nil {
		verdict = n.handOverFirst(ctx, c, q, plan)
	}
	if verdict != nil {
		return 0, verdict
	}
	return n.change(ctx, c, plan)
}

// transfer hands leadership to a voter, the best one if none is named, and waits until it leads.
func (n *Node) transfer(ctx context.Context, c *core, node uint64) *members.Refusal {
	look := time.NewTicker(again)
	defer look.Stop()
	transfer := members.Transfer{To: raft.NodeID(node), Clock: c.config.clock()}
	for {
		var verdict *members.Refusal
		done := false
		stopped := c.inLoop(ctx, func(r *replica.Replica) {
			done, verdict = transfer.Step(r, c.now())
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
			return &members.Refusal{Code: rsm.CodeOutcomeUnknown,
				Detail: "the transfer was begun, and nobody leads yet", Outcome: rsm.Unknown}
		}
	}
}

// described is the membership as the leader knows it.
func (n *Node) described(ctx context.Context, c *core, index raft.Index, q rsm.AdminRequest) (
	out rsm.AdminReply,
) {
	stopped := c.inLoop(ctx, func(r *replica.Replica) {
		s := r.Status()
		out = members.Describe(s, s.Members, min(s.MembersIndex, s.Commit), n.memberSeenBy)
		out.Index = cmp.Or(uint64(index), out.Index)
		out.Generation = members.GenerationOf(s.Members, q)
	})
	if stopped != nil {
		return stopped.Reply()
	}
	return out
}

// applied is the membership that this node has applied, with or without a leader.
func (n *Node) applied(ctx context.Context, c *core) rsm.AdminReply {
	at := n.Query(ctx, nil, rsm.ReadOptions{Consistency: rsm.Stale})
	if at.Code != "" {
		return members.Refuse(at.Code, "this node cannot be read").Reply()
	}
	out := members.Describe(c.seen.Load().status, c.standing.Load().Members, raft.Index(at.Index),
		n.memberSeenBy)
	out.Term, out.StaleMs = at.Term, at.StaleMs
	return out
}
