package replica

import (
	"drystone/raft"
	"drystone/rsm"
)

// Waits says whether a request waits at this node: it was submitted here, and its result has not
// come out, whether or not its caller still waits. It takes time linear in what waits.
func (r *Replica) Waits(id rsm.RequestID) bool {
	o := &r.origin
	mine := raft.NodeID(id.Node) == r.config.ID && id.Boot == r.config.Boot
	is := func(q *rsm.Request) bool {
		who := &q.Identity
		switch {
		case id.Session != 0:
			return who.Session == id.Session && who.Seq == id.Seq && who.Scope == id.Scope
		case id.Node != 0:
			return mine && q.Serial == id.Serial
		}
		return who.Session == 0 && who.Key == id.Key && who.Scope == id.Scope
	}
	for i := o.pending.head; i < len(o.pending.requests); i++ {
		if !o.pending.waiters[i].gone && is(&o.pending.requests[i]) {
			return true
		}
	}
	for i := range o.ring {
		b, err := rsm.DecodeBatch(o.ring[i].encoded)
		assert(err == nil, "an own batch can't be decoded")
		for j := range b.Requests {
			if is(&b.Requests[j]) {
				return true
			}
		}
	}
	return false
}
