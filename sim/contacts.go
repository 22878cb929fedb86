package sim

import (
	"drystone/members"
	"drystone/raft"
	"drystone/roster"
	"drystone/wire"
)

// contact is what a node knows of a peer from their handshakes, and the connections to it and
// from it, as packages node and transport have them. Consensus is heard and spoken only over
// connections whose two ends have agreed on who they are.
type contact struct {
	id        raft.NodeID
	hello     wire.Hello // of the last handshake that both accepted
	met       bool
	directory *record // that was met
	machine   int     // on which
	trusted   bool    // its last handshake stands before the identity of now
	connected bool
	told      string // the address it told

	out, in  uint64     // serials of the connections; 0: none
	outTo    int        // the machine at the other end of out
	outIs    *record    // and its directory
	awaited  uint64     // a connection that it was let open, and has not confirmed
	awaiting wire.Hello // as whom
	dialling uint64     // a connection that is being opened; 0: none
	dialAt   int64      // the next attempt
	refusal  wire.HelloCode
}

// target is a peer that a node keeps a connection to.
type target struct {
	id      raft.NodeID
	machine int
}

const (
	dialTimeout  = 300 * ms
	refusedPause = 400 * ms
)

func (h *host) contact(id raft.NodeID) *contact {
	for _, c := range h.contacts {
		if c.id == id {
			return c
		}
	}
	c := &contact{id: id}
	h.contacts = append(h.contacts, c)
	return c
}

// hello is how this node presents itself.
func (h *host) hello(to raft.NodeID) wire.Hello {
	id := &h.identity
	return wire.Hello{
		Protocol: wire.Protocol, Cluster: id.Cluster, Node: id.Node, To: uint64(to),
		Incarnation: id.Incarnation, Boot: id.Boot, Peer: h.address,
	}
}

// dial keeps connections to the members of the configuration in force, and to all who are listened
// to, as package node does.
func (h *host) dial() {
	was := h.targets
	h.targets = nil
	switch {
	case h.identity.Removed != "" || h.asking != nil:
	case h.core == nil:
		for _, id := range h.listed {
			h.target(raft.NodeID(id), h.addresses[raft.NodeID(id)])
		}
	default:
		inForce := h.seen.status.Members
		listed := members.RosterOf(inForce)
		for _, id := range inForce.All() {
			c := h.contact(id)
			h.target(id, members.Address(inForce, listed, id, h.addresses[id], members.Contact{
				Incarnation: c.hello.Incarnation, Address: c.told, Trusted: c.trusted && c.connected,
			}))
		}
	}
	if h.core != nil && h.identity.Removed == "" {
		for _, c := range h.contacts {
			if c.trusted && c.connected {
				h.target(c.id, c.told)
			}
		}
	}
	for _, t := range was {
		if h.machineOf(t.id) < 0 { // undialled: both connections end, quietly
			c := h.contact(t.id)
			c.in, c.out, c.dialling = 0, 0, 0
		}
	}
	h.connect()
}

// toldBy is the address that a directory gave of itself; "": it has not spoken, or left.
func (h *host) toldBy(e roster.Entry) string {
	if c := h.contact(raft.NodeID(e.Node)); c.hello.Incarnation == e.Incarnation {
		return c.told
	}
	return ""
}

// target adds a peer to those dialled, at the machine of an address.
func (h *host) target(id raft.NodeID, address string) {
	machine, known := h.world.addresses[address]
	if id != h.id && known && h.machineOf(id) < 0 {
		h.targets = append(h.targets, target{id, machine})
	}
}

// machineOf is the machine at which a peer is dialled; -1: it is not dialled.
func (h *host) machineOf(id raft.NodeID) int {
	for _, t := range h.targets {
		if t.id == id {
			return t.machine
		}
	}
	return -1
}

// connect opens the connections that are missing and due, and comes again for those that are not.
func (h *host) connect() {
	w := h.world
	next := int64(0)
	for _, t := range h.targets {
		c := h.contact(t.id)
		if c.out != 0 {
			continue
		}
		if w.now >= c.dialAt {
			c.dialling = w.serial()
			c.dialAt = w.now + dialTimeout
			w.send(packet{from: h.index, to: t.machine, kind: packetHello, link: c.dialling,
				body: wire.EncodeHello(nil, h.hello(t.id))})
		}
		if next == 0 || c.dialAt < next {
			next = c.dialAt
		}
	}
	if next > 0 && (h.dialPlanned <= w.now || next < h.dialPlanned) {
		h.dialPlanned = next
		w.after(next-w.now, evDial, h, 0, 0)
	}
}

// serial names a connection.
func (w *world) serial() uint64 {
	w.links++
	return w.links
}

// judge decides on a peer's hello: what every node decides alike, then the node.
func (h *host) judge(hello wire.Hello) wire.HelloReply {
	if h.contact(raft.NodeID(hello.Node)).stale(&hello) {
		return wire.HelloReply{Code: wire.HelloWiped, Detail: "set back to an older copy"}
	}
	return h.judgeMember(hello)
}

func (h *host) judgeMember(hello wire.Hello) wire.HelloReply {
	return members.Self{
		Identity: h.identity, Asking: h.asking != nil, Listed: h.listed, Standing: h.standing,
		InForce: h.seen.status.Members,
	}.Judge(hello)
}

// stale says whether a hello comes from behind a boot that was met already.
func (c *contact) stale(hello *wire.Hello) bool {
	return c.met && hello.Incarnation == c.hello.Incarnation && hello.Boot < c.hello.Boot
}

func (h *host) decodeHello(p *packet) wire.Hello {
	hello, err := wire.DecodeHello(p.body)
	if err != nil {
		h.world.fail("Wire", "n%d cannot decode a hello: %v", h.id, err)
	}
	return hello
}

// onHello is the acceptor's side of a handshake.
func (h *host) onHello(p packet) {
	w := h.world
	hello := h.decodeHello(&p)
	verdict := h.judge(hello)
	w.noteRefusal(h, w.hosts[p.from], hello, verdict.Code)
	if verdict.Code == wire.HelloOK {
		if h.identity.Cluster != "" && !w.check.known[hello.Incarnation] {
			w.fail(oldDirectory, "n%d takes n%d with a directory that no configuration names", h.id,
				hello.Node)
		}
		c := h.contact(raft.NodeID(hello.Node))
		c.awaited, c.awaiting = p.link, hello
	}
	verdict.Hello = h.hello(raft.NodeID(hello.Node))
	w.send(packet{from: h.index, to: p.from, kind: packetHelloReply, link: p.link,
		body: wire.EncodeHelloReply(nil, verdict)})
}

// onHelloReply is the dialer's.
func (h *host) onHelloReply(p packet) {
	w := h.world
	reply, err := wire.DecodeHelloReply(p.body)
	if err != nil {
		w.fail("Wire", "n%d cannot decode an answer to its hello: %v", h.id, err)
	}
	var c *contact
	for _, t := range h.targets {
		if d := h.contact(t.id); d.dialling == p.link {
			c = d
		}
	}
	if c == nil {
		return
	}
	c.dialling = 0
	if reply.Code != wire.HelloOK {
		c.dialAt = w.now + w.random.between(refusedPause/2, refusedPause)
		h.onRefused(c, reply.Code)
		h.connect()
		return
	}
	ours := h.judge(reply.Hello)
	w.noteRefusal(h, w.hosts[p.from], reply.Hello, ours.Code)
	if ours.Code == wire.HelloOK && reply.Hello.Node != uint64(c.id) {
		ours.Code = wire.HelloWrongNode
	}
	if ours.Code != wire.HelloOK {
		c.dialAt = w.now + w.random.between(refusedPause/2, refusedPause)
		w.send(packet{from: h.index, to: p.from, kind: packetRefusal, link: p.link,
			body: wire.EncodeHelloReply(nil, ours)})
		h.connect()
		return
	}
	w.send(packet{from: h.index, to: p.from, kind: packetConfirm, link: p.link})
	h.establish(c, p.from, reply.Hello)
	c.out, c.outTo, c.outIs, c.refusal = p.link, p.from, c.directory, wire.HelloOK
	h.onMet(c)
}

// onConfirm opens a connection for its acceptor.
func (h *host) onConfirm(from int, link uint64) {
	for _, c := range h.contacts {
		if c.awaited != link {
			continue
		}
		hello := c.awaiting
		c.awaited = 0
		if c.stale(&hello) {
			return
		}
		h.establish(c, from, hello)
		c.in = link
		h.onMet(c)
		if c.out == 0 { // it lives: dial now
			c.dialAt = h.world.now
			h.connect()
		}
		return
	}
}

// establish notes who is met. A new process behind a number means that the old one's connections
// are dead, also where nothing has told so yet.
func (h *host) establish(c *contact, machine int, hello wire.Hello) {
	peer := h.world.hosts[machine]
	if c.met && (c.hello.Boot != hello.Boot || c.hello.Incarnation != hello.Incarnation) {
		lost := c.connected && (c.in != 0 || c.out != 0)
		c.in, c.out = 0, 0
		if lost {
			h.onLost(c)
		}
	}
	h.world.check.met(h, hello.Incarnation)
	c.hello, c.met, c.machine = hello, true, machine
	c.directory = h.world.check.directories[hello.Incarnation]
	if x := &peer.disks; x.rolledBack && hello.Boot == x.copyBoot+1 {
		h.world.fail(oldDirectory, "n%d takes n%d, whose directory was set back to boot %d", h.id,
			peer.id, hello.Boot)
	}
}

// onMet is told of every handshake that both sides accepted.
func (h *host) onMet(c *contact) {
	// This node's identity may have changed since the handshake was judged.
	c.trusted = h.judgeMember(c.awaitedAs(h)).Code == wire.HelloOK
	c.told, c.connected = c.hello.Peer, true
	if !c.trusted {
		return
	}
	if h.core == nil || h.machineOf(c.id) != c.machine {
		if !h.lists(c.id) {
			h.addresses[c.id] = c.told
		}
		h.dial()
	}
	h.meet(c.hello)
}

// awaitedAs is the peer's hello as it was addressed to this node.
func (c *contact) awaitedAs(h *host) wire.Hello {
	hello := c.hello
	hello.To = uint64(h.id)
	return hello
}

// lists says whether people told this node where a number is.
func (h *host) lists(id raft.NodeID) bool {
	for _, n := range h.listed {
		if n == uint64(id) {
			return true
		}
	}
	return false
}

// onRefused is told when a peer does not take this node.
func (h *host) onRefused(c *contact, code wire.HelloCode) {
	w := h.world
	if c.refusal != code {
		c.refusal = code
		w.trace.refused(h, c.id, code)
	}
	switch code {
	case wire.HelloRemoved:
		h.removed(0)
	case wire.HelloVacant:
		if h.bootstrap != nil && h.core == nil {
			h.askToJoin()
		}
	}
}

// hangUp closes all connections from here.
func (h *host) hangUp() {
	h.targets = nil
	for _, c := range h.contacts {
		c.in, c.out, c.dialling, c.awaited = 0, 0, 0, 0
		c.connected, c.trusted = false, false
		c.dialAt = 0
	}
}

// onReset is told that a connection to a machine is none, or was never accepted.
func (h *host) onReset(link uint64) {
	w := h.world
	for _, c := range h.contacts {
		switch link {
		case c.dialling:
			c.dialling = 0
			c.dialAt = w.now + w.random.between(20*ms, 100*ms)
			h.connect()
			return
		case c.out:
			c.out, c.dialAt = 0, w.now
			h.onLost(c)
			h.connect()
			return
		}
	}
	h.asking.onReset(link)
}

// breaks ends the connections with a machine that are not newer than the one named.
func (h *host) breaks(machine int, last uint64) {
	for _, c := range h.contacts {
		broken := c.machine == machine && c.in != 0 && c.in <= last
		if broken {
			c.in = 0
		}
		if c.outTo == machine && c.out != 0 && c.out <= last {
			c.out, c.dialAt, broken = 0, h.world.now, true
		}
		if broken {
			h.onLost(c)
			h.connect()
		}
	}
}

// onLost is told when an established connection broke.
func (h *host) onLost(c *contact) {
	c.connected = false
	if h.replica == nil {
		return
	}
	h.world.trace.lost(h, c.id)
	h.pile.lost = append(h.pile.lost, c.id)
	h.wake()
}

// accepts says whether a message is of a peer that this node listens to. What comes over no
// connection is answered by a reset. Late copies of what a trusted directory said do pass: the
// simulated network is worse than the real one.
func (h *host) accepts(p *packet) (raft.NodeID, bool) {
	for _, c := range h.contacts {
		if c.awaited == p.link {
			h.onConfirm(p.from, p.link) // it speaks, so it has agreed
			break
		}
	}
	for _, c := range h.contacts {
		if c.trusted && c.directory == p.directory && p.addressee == h.record {
			return c.id, true
		}
	}
	h.world.send(packet{from: h.index, to: p.from, kind: packetReset, link: p.link})
	return 0, false
}

// onRefusal is told when a dialer does not take the acceptor.
func (h *host) onRefusal(p packet) {
	reply, err := wire.DecodeHelloReply(p.body)
	if err != nil {
		h.world.fail("Wire", "n%d cannot decode a refusal: %v", h.id, err)
	}
	for _, c := range h.contacts {
		if c.awaited == p.link {
			c.awaited = 0
			h.onRefused(c, reply.Code)
			return
		}
	}
}
