package sim

import (
	"cmp"
	"encoding/json"
	"slices"

	"drystone/members"
	"drystone/raft"
	"drystone/roster"
	"drystone/rsm"
)

// admin is what operators asked of a node, and what peers asked of it as the leader.
type admin struct {
	errands []*errand
	jobs    []*job
	turn    *job // the change under way: one at a time
	asked   uint64
}

// errand is a request on the node that was asked, which carries it to the leader.
type errand struct {
	request rsm.AdminRequest
	until   uint64 // ms of this node's clock
	answer  func(rsm.AdminReply)
	ended   bool

	local  bool        // this node leads, and does it itself
	id     uint64      // of the question to the leader; 0: none is under way
	leader raft.NodeID // that was asked
	begun  raft.NodeID // the first that may have begun; 0: nobody
}

// job is a request on the leader.
type job struct {
	request  rsm.AdminRequest
	until    uint64
	answer   func(rsm.AdminReply)
	change   *members.Change
	transfer *members.Transfer // itself, or before the change
}

// administer carries an operator's request to the leader, as package node does. answer is called
// once, unless this process ends.
func (h *host) administer(q rsm.AdminRequest, timeoutMs uint64, answer func(rsm.AdminReply)) {
	switch {
	case h.identity.Removed != "":
		answer(members.Refuse(rsm.CodeQuarantined, "%s", h.identity.Removed).Reply())
	case h.replica == nil:
		answer(members.Refuse(rsm.CodeBootstrapping, "this node has not joined a cluster yet").Reply())
	default:
		h.admin.errands = append(h.admin.errands,
			&errand{request: q, until: h.clock() + timeoutMs, answer: answer})
		h.wake()
	}
}

// administerDue goes on with everything that was asked. The replica may be touched.
func (h *host) administerDue(now uint64) {
	for _, e := range h.admin.errands {
		h.errandDue(e, now)
	}
	h.admin.errands = slices.DeleteFunc(h.admin.errands, func(e *errand) bool { return e.ended })
	for i := 0; i < len(h.admin.jobs); { // one may begin another
		if j := h.admin.jobs[i]; h.jobDue(j, now) {
			h.admin.jobs = slices.Delete(h.admin.jobs, i, i+1)
			continue
		}
		i++
	}
}

func (h *host) errandDue(e *errand, now uint64) {
	end := func(r rsm.AdminReply) {
		e.ended = true
		e.answer(r)
	}
	unanswered := func(code rsm.Code) rsm.AdminReply {
		if e.begun != 0 || e.local {
			return rsm.AdminReply{Code: rsm.CodeOutcomeUnknown, Outcome: rsm.Unknown}
		}
		return members.Refuse(code, "nobody answered").Reply()
	}
	s := &h.seen.status
	if e.id != 0 && (s.Leader != e.leader || !h.contact(e.leader).connected) {
		e.id, e.begun = 0, cmp.Or(e.begun, e.leader) // another may have to be asked
	}
	switch {
	case e.ended:
	case h.identity.Removed != "":
		end(unanswered(rsm.CodeQuarantined))
	case now >= e.until:
		end(unanswered(rsm.CodeNoLeader))
	case e.local || e.id != 0 || s.Leader == 0:
	case s.Leader == h.id:
		e.local = true
		h.begin(members.Onward(e.request, e.begun, h.id), e.until, func(r rsm.AdminReply) {
			if r.Code == rsm.CodeNoLeader && h.clock() < e.until {
				e.local = false
				e.refused(h.id, &r)
				return
			}
			if !e.ended {
				end(r)
			}
		})
	default:
		h.admin.asked++
		e.id, e.leader = h.identity.Boot<<32|h.admin.asked, s.Leader
		q := members.Onward(e.request, e.begun, s.Leader)
		q.TimeoutMs = max(1, e.until-now)
		h.sendPeer(s.Leader, rsm.AdminAsk{ID: e.id, Body: h.world.json(q)})
	}
}

// refused notes that one does not lead any more: it may have begun.
func (e *errand) refused(by raft.NodeID, r *rsm.AdminReply) {
	if r.Outcome == rsm.Unknown {
		e.begun = cmp.Or(e.begun, by)
	}
}

func (w *world) json(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		w.fail("Wire", "%+v: %v", v, err)
	}
	return body
}

// onAdmin takes what a peer asks of this node, or answers it. It is false for anything else.
func (h *host) onAdmin(from raft.NodeID, m rsm.PeerMessage, now uint64) bool {
	switch m := m.(type) {
	case rsm.AdminAsk:
		var q rsm.AdminRequest
		if err := json.Unmarshal(m.Body, &q); err != nil {
			h.world.fail("Wire", "an operator's request: %v", err)
		}
		h.begin(q, now+min(q.TimeoutMs, 60_000), func(r rsm.AdminReply) {
			h.sendPeer(from, rsm.AdminAnswer{ID: m.ID, Body: h.world.json(r)})
		})
	case rsm.AdminAnswer:
		var r rsm.AdminReply
		if err := json.Unmarshal(m.Body, &r); err != nil {
			h.world.fail("Wire", "an answer to an operator: %v", err)
		}
		for _, e := range h.admin.errands {
			if e.id != m.ID || e.ended {
				continue
			}
			e.id = 0
			if r.Code == rsm.CodeNoLeader {
				e.refused(e.leader, &r)
				continue
			}
			e.ended = true
			e.answer(r)
		}
	default:
		return false
	}
	return true
}

// begin takes a request as the leader.
func (h *host) begin(q rsm.AdminRequest, until uint64, answer func(rsm.AdminReply)) {
	j := &job{request: q, until: until, answer: answer}
	clock := h.memberClock()
	if q.Op == rsm.AdminTransfer {
		j.transfer = &members.Transfer{To: raft.NodeID(q.Node), Clock: clock}
		h.admin.jobs = append(h.admin.jobs, j)
		return
	}
	plan, verdict := members.PlanFor(q, clock.Quiet)
	if verdict == nil {
		var try bool
		try, verdict = members.NeedsReach(q, plan, h.core.Status())
		if verdict == nil && try {
			verdict = h.reachable(q)
		}
	}
	if verdict != nil {
		answer(verdict.Reply())
		return
	}
	j.change = &members.Change{Next: plan, Where: h.addressBook()}
	if s := h.core.Status(); members.HandsOverFirst(q, s) {
		if _, verdict = plan(s, members.RosterOf(s.Members)); verdict != nil && !verdict.Passing {
			answer(verdict.Reply())
			return
		}
		j.transfer = &members.Transfer{Clock: clock}
	}
	h.admin.jobs = append(h.admin.jobs, j)
}

// memberClock is what a leader measures its members with.
func (h *host) memberClock() members.Clock {
	ticks := h.world.plan.raft.ElectionTicks
	return members.Clock{Election: uint64(ticks) * 10, Quiet: ticks}
}

// jobDue goes on with a request on the leader, and says whether it is done with.
func (h *host) jobDue(j *job, now uint64) (done bool) {
	if j.transfer != nil {
		ended, verdict := j.transfer.Step(h.replica, now)
		if verdict == nil && !ended && now >= j.until {
			verdict = &members.Refusal{Code: rsm.CodeOutcomeUnknown, Outcome: rsm.Unknown}
		}
		if verdict == nil && !ended {
			return false
		}
		if j.change == nil {
			h.finish(j, 0, verdict)
			return true
		}
		if verdict == nil {
			h.finish(j, 0, members.NotLeader)
			return true
		}
		j.transfer = nil // nobody takes over: it removes itself
	}
	if h.admin.turn == nil {
		h.admin.turn = j
	}
	var index raft.Index
	var verdict *members.Refusal
	if h.admin.turn == j {
		index, verdict = j.change.Step(h.replica)
	}
	if index == 0 && verdict == nil && now >= j.until {
		verdict = j.change.Overdue()
	}
	if index == 0 && verdict == nil {
		return false
	}
	if h.admin.turn == j {
		h.admin.turn = nil
	}
	h.finish(j, index, verdict)
	return true
}

func (h *host) finish(j *job, index raft.Index, verdict *members.Refusal) {
	if verdict != nil {
		h.world.noteVerdict(verdict)
		j.answer(verdict.Reply())
		return
	}
	s := h.core.Status()
	out := members.Describe(s, s.Members, min(s.MembersIndex, s.Commit),
		func(_ raft.Status, m raft.Members, id raft.NodeID) rsm.MemberStatus {
			held, _ := members.RosterOf(m).Holder(uint64(id))
			return rsm.MemberStatus{ID: uint64(id), Peer: h.whereIs(held)}
		})
	out.Index = cmp.Or(uint64(index), out.Index)
	out.Generation = members.GenerationOf(s.Members, j.request)
	j.answer(out)
}

// reachable tries a joiner's address: a connection takes a way there and a way back.
func (h *host) reachable(q rsm.AdminRequest) *members.Refusal {
	w := h.world
	machine, known := w.addresses[q.Peer]
	if known {
		to := w.hosts[machine]
		if to.up && !w.net.cut[h.index][machine] && !w.net.cut[machine][h.index] {
			return nil
		}
	}
	w.reach(markUnreachable)
	return members.Refuse(rsm.CodeMemberUnreachable, "no connection to n%d", q.Node)
}

// addressBook is what this node knows of where numbers are, for the roster.
func (h *host) addressBook() members.Addresses {
	return members.Addresses{
		Told: func(e roster.Entry) string {
			if e.Node == uint64(h.id) && e.Incarnation != "" {
				return h.address
			}
			return h.toldBy(e)
		},
		Given: func(node uint64) string {
			if h.lists(raft.NodeID(node)) {
				return h.world.hosts[node-1].address
			}
			return ""
		},
	}
}

// whereIs is the best address known for a member.
func (h *host) whereIs(held roster.Entry) string {
	book := h.addressBook()
	return cmp.Or(book.Told(held), book.Given(held.Node))
}
