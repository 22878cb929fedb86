package sim

import (
	"drystone/raft"
	"drystone/rsm"
	"drystone/wire"
)

// echo is what comes late of a boot that is over: the first that it said to its peers about
// requests, and what they answered to its questions. It comes to who it was meant for, once the
// next boot is under way, the answers just when that one asks.
type echo struct {
	said, answers []packet // of this boot
	late          []packet // answers to the boot before
}

const (
	echoSaid    = 12
	echoAnswers = 48
	echoWithin  = 5 * second
)

// remember keeps what the host says to a peer, if it may come again in its next boot, or in the
// peer's.
func (h *host) remember(p packet, m rsm.PeerMessage) {
	w, x := h.world, &h.echo
	if w.healing || !w.plan.echo {
		return
	}
	switch m.(type) {
	case rsm.ReadAnswer, rsm.AdminAnswer:
		if to := &w.hosts[p.to].echo; len(to.answers) < echoAnswers {
			to.answers = append(to.answers, p.copy())
		}
		return
	case rsm.ReadAsk, rsm.AdminAsk:
		if len(x.late) > 0 {
			w.reach(markEcho)
			w.carry(x.late[0], w.plan.delayMin)
			x.late = x.late[1:]
		}
	}
	if len(x.said) < echoSaid {
		x.said = append(x.said, p.copy())
	}
}

// echoes lets come what the boot before left, now that the next one begins.
func (h *host) echoes() {
	w, x := h.world, &h.echo
	for _, p := range x.said {
		if !w.healing && p.directory == h.record {
			w.reach(markEcho)
			w.carry(p, w.random.between(0, echoWithin))
		}
	}
	*x = echo{late: x.answers}
}

// sendPeer sends a message about requests or reads.
func (h *host) sendPeer(to raft.NodeID, m rsm.PeerMessage) {
	if p, ok := h.send(to, wire.Message{Peer: m}); ok {
		h.remember(p, m)
	}
}
