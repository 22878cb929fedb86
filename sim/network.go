package sim

// packet is what travels between machines: an encoded message, a snapshot, or a part of a
// handshake.
type packet struct {
	from, to  int // machines
	kind      packetKind
	link      uint64  // the connection's serial
	directory *record // of a message's sender
	addressee *record // and of the one it was meant for
	body      []byte
	snapshot  *shipment
}

type packetKind uint8

const (
	packetMessage    packetKind = iota // a wire.Message
	packetSnapshot                     // a snapshot's bytes
	packetHello                        // a wire.Hello: opens a connection
	packetHelloReply                   // a wire.HelloReply: the acceptor's verdict
	packetConfirm                      // the dialer agrees
	packetRefusal                      // a wire.HelloReply: the dialer does not
	packetReset                        // there is no such connection
	packetJoin                         // a wire.Hello: a directory asks to be let in
	packetJoinReply                    // a wire.HelloReply, with a grant if it is
	packetLost                         // what never arrives
)

// network carries packets between nodes. It loses, repeats, reorders and holds back as the plan
// says, and cuts links in one direction or both while a partition lasts.
type network struct {
	random  random
	packets []packet
	free    []uint32
	cut     [hostsMax][hostsMax]bool
	clogged [hostsMax][hostsMax]int64 // nothing arrives before
	last    [hostsMax][hostsMax]int64 // when the newest packet of a link arrives
	old     [32]packet                // of long ago, to be delivered again
	sent    uint64
	lost    uint64
}

func (n *network) put(p packet) uint32 {
	if k := len(n.free); k > 0 {
		slot := n.free[k-1]
		n.free = n.free[:k-1]
		n.packets[slot] = p
		return slot
	}
	n.packets = append(n.packets, p)
	return uint32(len(n.packets) - 1)
}

func (n *network) take(slot uint64) packet {
	p := n.packets[slot]
	n.packets[slot] = packet{}
	n.free = append(n.free, uint32(slot))
	return p
}

// send puts a packet on its way.
func (w *world) send(p packet) {
	n := &w.net
	n.sent++
	if n.cut[p.from][p.to] {
		n.lost++
		return
	}
	if w.healing {
		w.carry(p, n.random.spread(300)+50)
		return
	}
	if n.random.chance(w.plan.loss) {
		n.lost++
		return
	}
	w.carry(p, w.plan.delayMin+n.random.spread(w.plan.delayMean))
	if p.kind != packetMessage {
		return
	}
	if n.random.chance(w.plan.duplicate) {
		w.carry(p.copy(), w.plan.delayMin+n.random.spread(4*w.plan.delayMean))
	}
	if n.random.chance(w.plan.replay) {
		slot := &n.old[n.random.below(len(n.old))]
		if slot.body != nil {
			w.reach(markReplay)
			w.carry(slot.copy(), w.plan.delayMin)
		}
		*slot = p.copy()
	}
}

// copy has bytes of its own: what a receiver does to a message, its repeat must not show.
func (p packet) copy() packet {
	p.body = append([]byte(nil), p.body...)
	return p
}

func (w *world) carry(p packet, delay int64) {
	n := &w.net
	arrives := max(w.now+delay, n.clogged[p.from][p.to])
	last := &n.last[p.from][p.to]
	if !w.plan.reorder || w.healing {
		arrives = max(arrives, *last)
	}
	*last = max(*last, arrives)
	w.always(arrives-w.now, evDeliver, p.to, uint64(n.put(p)), 0)
}

// partition cuts links in one of the ways in which clusters are cut: one node alone, two parts,
// two parts that share one node, and each of them perhaps in one direction only.
func (w *world) partition() {
	n := &w.net
	size := len(w.hosts)
	var side [hostsMax]int
	bridge := -1
	switch n.random.below(3) {
	case 0:
		side[n.random.below(size)] = 1
	case 1:
		for i := range size {
			side[i] = n.random.below(2)
		}
	case 2:
		for i := range size {
			side[i] = n.random.below(2)
		}
		bridge = n.random.below(size)
	}
	oneWay := n.random.below(3) == 0
	for from := range size {
		for to := range size {
			apart := side[from] != side[to] && from != bridge && to != bridge
			if oneWay && side[from] == 0 {
				apart = false
			}
			n.cut[from][to] = apart
		}
	}
}

// isolate cuts one node off, from all it hears, all it says, or both.
func (w *world) isolate(h *host) {
	way := w.net.random.below(4)
	for i := range w.hosts {
		if i != h.index {
			w.net.cut[h.index][i] = way != 1
			w.net.cut[i][h.index] = way != 2
		}
	}
}

func (n *network) mend() { n.cut = [hostsMax][hostsMax]bool{} }

// holdTo holds back what is sent to a machine.
func (n *network) holdTo(to int, until int64) {
	for from := range n.clogged {
		n.clogged[from][to] = max(n.clogged[from][to], until)
	}
}

// held reports whether a link still keeps what was sent long ago, and so what is sent behind it.
func (n *network) held(now int64) bool {
	for from := range n.last {
		for to := range n.last[from] {
			if n.last[from][to] > now+10*ms {
				return true
			}
		}
	}
	return false
}

func (n *network) unclog() { n.clogged = [hostsMax][hostsMax]int64{} }
