package sim

import (
	"drystone/members"
	"drystone/raft"
	"drystone/rsm"
)

// answered is what an operator was told, and has not been checked.
type answered struct {
	by      raft.NodeID
	request rsm.AdminRequest
	reply   rsm.AdminReply
	elected int // terms that had a leader when it was asked
}

// checkAnswers checks what operators were told since.
func (c *checker) checkAnswers() {
	for i := range c.answers {
		c.told(&c.answers[i])
	}
	c.answers = c.answers[:0]
}

// told checks what an operator is told: by the entry that is named, it is so.
func (c *checker) told(a *answered) {
	by, q, r := a.by, &a.request, &a.reply
	if r.Code == "" && q.Op == rsm.AdminTransfer && q.Node != 0 {
		c.toldTransfer(a)
	}
	if r.Code != "" || r.Index == 0 {
		return
	}
	at := raft.Index(r.Index)
	fail := func(what string) {
		c.world.fail(toldMembers, "n%d answers that %s of n%d is done at entry %d; %s", by, q.Op,
			q.Node, at, what)
	}
	if at > raft.Index(len(c.committed)) {
		fail("that is not committed")
	}
	f := c.configAt(at)
	member := members.IsMember(f.Members, q.Node)
	_, named := f.roster.Find(q.Node, q.Incarnation)
	switch q.Op {
	case rsm.AdminRemove:
		if member {
			fail("it is a member there")
		}
	case rsm.AdminReplace:
		if member && q.Node == uint64(by) {
			fail("it is a member there")
		}
	case rsm.AdminPromote:
		if !f.IsVoter(raft.NodeID(q.Node)) {
			fail("it is no voter there")
		}
	case rsm.AdminJoin:
		if !named || !member {
			fail("it is no member there")
		}
	case rsm.AdminAdd:
		if !f.roster.Vacant(q.Node) && !member {
			fail("its number does not wait")
		}
	}
}

// toldTransfer checks that a transfer that is told to be done was one: somebody was elected
// meanwhile, or who was to lead has led before.
func (c *checker) toldTransfer(a *answered) {
	led := len(c.leaders) > a.elected
	for _, h := range c.world.hosts {
		for term := h.seen.status.Hard.CurrentTerm; term > 0 && !led; term-- {
			o, some := c.leaders[term]
			led = some && c.world.hosts[o.machine].id == raft.NodeID(a.request.Node)
		}
	}
	if !led {
		c.world.fail(toldMembers, "n%d answers that leadership went to n%d; nobody was elected since "+
			"it was asked to, and n%d never led", a.by, a.request.Node, a.request.Node)
	}
}
