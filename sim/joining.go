package sim

import (
	"encoding/json"

	"drystone/members"
	"drystone/rsm"
	"drystone/storage"
	"drystone/wire"
)

const (
	joinPause   = 500 * ms
	joinTimeout = 6 * second // of one who is asked
)

// asking is a node without a cluster that asks to be let into one, one node after the other, and
// never gives up: what refuses it may change.
type asking struct {
	machines []int
	next     int
	link     uint64 // of the question under way; 0: none
	refusal  wire.HelloCode
	host     *host
}

// askToJoin begins to ask the nodes of --join, or those of the first start.
func (h *host) askToJoin() {
	h.bootstrap = nil
	h.hangUp()
	h.asking = &asking{machines: h.seeds, host: h}
	if len(h.seeds) == 0 {
		for _, n := range h.listed {
			h.asking.machines = append(h.asking.machines, int(n)-1)
		}
	}
	h.world.after(0, evAsk, h, 0, 0)
}

// onAskTimer asks the next node, unless the last one may answer still.
func (h *host) onAskTimer(link uint64) {
	a, w := h.asking, h.world
	if a == nil || a.link != link {
		return
	}
	if a.next == len(a.machines) {
		a.next, a.link = 0, 0
		w.after(h.local(joinPause), evAsk, h, 0, 0)
		return
	}
	to := a.machines[a.next]
	a.next++
	if to == h.index {
		a.link = 0
		h.onAskTimer(0)
		return
	}
	hello := h.hello(0)
	hello.Features |= wire.FeatureJoin
	a.link = w.serial()
	w.send(packet{from: h.index, to: to, kind: packetJoin, link: a.link,
		body: wire.EncodeHello(nil, hello)})
	w.after(h.local(joinTimeout), evAsk, h, a.link, 0)
}

// onReset is told that nobody listens where it asked.
func (a *asking) onReset(link uint64) {
	if a != nil && a.link == link {
		a.host.world.after(20*ms, evAsk, a.host, link, 0)
	}
}

// onJoin answers a directory that asks to be let in: it carries the question to the leader.
func (h *host) onJoin(p packet) {
	w := h.world
	hello := h.decodeHello(&p)
	answer := func(r wire.HelloReply) {
		r.Hello = h.hello(0)
		w.noteRefusal(h, w.hosts[p.from], hello, r.Code)
		w.send(packet{from: h.index, to: p.from, kind: packetJoinReply, link: p.link,
			body: wire.EncodeHelloReply(nil, r)})
	}
	if hello.Node == uint64(h.id) {
		answer(wire.HelloReply{Code: wire.HelloWrongNode, Detail: "this is that node too"})
		return
	}
	h.administer(rsm.AdminRequest{
		Op: rsm.AdminJoin, Node: hello.Node, Peer: hello.Peer, Incarnation: hello.Incarnation,
	}, uint64((joinTimeout-second)/ms), func(r rsm.AdminReply) {
		if r.Code != "" {
			answer(members.JoinRefused(r))
			return
		}
		body, err := json.Marshal(members.NewGrant(h.identity, hello.Node, r))
		if err != nil {
			w.fail("Wire", "a grant: %v", err)
		}
		answer(wire.HelloReply{Grant: string(body)})
	})
}

// onJoinReply makes this node a member, or asks the next one.
func (h *host) onJoinReply(p packet) {
	a, w := h.asking, h.world
	reply, err := wire.DecodeHelloReply(p.body)
	if err != nil {
		w.fail("Wire", "n%d cannot decode an answer to its request to join: %v", h.id, err)
	}
	if a == nil || a.link != p.link {
		return
	}
	if reply.Code != wire.HelloOK {
		if a.refusal != reply.Code {
			a.refusal = reply.Code
			w.trace.refused(h, w.hosts[p.from].id, reply.Code)
		}
		h.onAskTimer(p.link)
		return
	}
	var g members.Grant
	if err := json.Unmarshal([]byte(reply.Grant), &g); err != nil {
		w.fail("Wire", "a grant: %v", err)
	}
	id, err := g.Enter(h.identity)
	if err != nil {
		w.fail("Identity", "n%d is let into a cluster that cannot be: %v", h.id, err)
	}
	if h.failed("save the identity", storage.SaveIdentity(h.dir, id)) {
		return
	}
	for _, n := range w.sortedNumbers(g.Addresses) {
		if address := g.Addresses[uint64(n)]; address != "" && n != h.id {
			h.addresses[n] = address
		}
	}
	w.reach(markAdmitted)
	if h.replaces != 0 {
		w.reach(h.replaces)
	}
	w.trace.line(h, "is let into the cluster")
	h.enter(id)
}
