package node

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"drystone/members"
	"drystone/raft"
	"drystone/roster"
	"drystone/storage"
	"drystone/wire"
)

// contacts is what this node knows of its peers from their handshakes: hints, never facts of
// the replicated state.
type contacts struct {
	mu    sync.Mutex
	peers map[uint64]*contact
}

type contact struct {
	peer, http, resp string    // advertised
	cluster          string    // "": it had formed none
	incarnation      string    // of the directory that told all this
	heard            time.Time // zero: never
	connected        bool
	trusted          bool   // its last handshake stands before the identity of now
	refusal          string // why it does not take this node; "": it does, as far as is known
}

func newContacts() *contacts { return &contacts{peers: make(map[uint64]*contact)} }

func (c *contacts) update(id uint64, change func(*contact)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.peers[id]
	if !ok {
		p = new(contact)
		c.peers[id] = p
	}
	change(p)
}

func (c *contacts) get(id uint64) contact {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, ok := c.peers[id]; ok {
		return *p
	}
	return contact{}
}

// toldBy is the address that a directory gave of itself; "": it has not spoken, or left.
func (c *contacts) toldBy(e roster.Entry) string {
	if p := c.get(e.Node); p.incarnation == e.Incarnation {
		return p.peer
	}
	return ""
}

// heard notes that a directory of a peer spoke, and says whether it is to be listened to.
func (c *contacts) heard(id uint64, incarnation string) (trusted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.peers[id]
	if !ok || !p.trusted || p.incarnation != incarnation {
		return false
	}
	p.heard = time.Now()
	return true
}

// trusted are the addresses of all who are listened to.
func (c *contacts) trusted() map[raft.NodeID]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[raft.NodeID]string)
	for id, p := range c.peers {
		if p.trusted && p.connected && p.peer != "" {
			all[raft.NodeID(id)] = p.peer
		}
	}
	return all
}

// dismissed are those who are listened to and were members with a directory that is none any more,
// as applied or by the configuration in force.
func (c *contacts) dismissed(now *members.Standing, inForce raft.Members) (gone []raft.NodeID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	listed := members.RosterOf(inForce)
	for id, p := range c.peers {
		if p.trusted && (now.Dismissed(id, p.incarnation) ||
			!members.Speaks(inForce, listed, id, p.incarnation)) {
			gone = append(gone, raft.NodeID(id))
		}
	}
	return gone
}

// disconnected notes that all connections were closed from here.
func (c *contacts) disconnected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.peers {
		p.connected, p.trusted = false, false
	}
}

// refusal is why a peer does not take this node: the one of the lowest number that says so.
func (c *contacts) refusal() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(c.peers)) {
		if text := c.peers[id].refusal; text != "" {
			return text
		}
	}
	return ""
}

// nodeNumbers are the nodes of --cluster, ascending.
func (n *Node) nodeNumbers() []uint64 {
	if len(n.config.Cluster) == 0 {
		return []uint64{n.config.ID}
	}
	return slices.Sorted(maps.Keys(n.config.Cluster))
}

// warnOfOtherMembers says where --cluster differs from what the directory knows: the directory
// wins, the flag gives addresses only.
func (n *Node) warnOfOtherMembers(id storage.Identity) {
	if len(n.config.Cluster) == 0 || id.Admitted > 0 {
		return
	}
	var known []uint64
	for _, p := range id.Peers {
		known = append(known, p.Node)
	}
	if given := n.nodeNumbers(); !slices.Equal(known, given) {
		n.config.Logger.Warn("--cluster differs from the cluster that this directory belongs to; "+
			"the directory decides, the flag only gives addresses",
			"directory", fmt.Sprint(known), "flag", fmt.Sprint(given))
	}
}

// hello is how this node presents itself.
func (n *Node) hello() wire.Hello {
	n.mu.Lock()
	defer n.mu.Unlock()
	return wire.Hello{
		Cluster: n.identity.Cluster, Node: n.identity.Node, Incarnation: n.identity.Incarnation,
		Boot: n.identity.Boot, Peer: n.config.AdvertisePeer, HTTP: n.config.AdvertiseHTTP,
		RESP: n.config.AdvertiseRESP,
	}
}

// Met is told of every accepted handshake, whoever dialled.
func (n *Node) Met(h wire.Hello) {
	n.mu.Lock()
	defer n.mu.Unlock()
	// This node's identity may have changed since the handshake was judged.
	trusted := n.judge(h).Code == wire.HelloOK
	news := false
	n.contacts.update(h.Node, func(c *contact) {
		news = c.peer != h.Peer || !c.connected
		c.peer, c.http, c.resp, c.cluster = h.Peer, h.HTTP, h.RESP, h.Cluster
		c.incarnation = h.Incarnation
		c.heard, c.connected, c.trusted, c.refusal = time.Now(), true, trusted, ""
	})
	if trusted {
		if news {
			n.learnAddress(h)
		}
		n.meet(h)
	}
}

// learnAddress dials a member that --cluster does not name at the address it told. Called with mu
// held, as meet is.
func (n *Node) learnAddress(h wire.Hello) {
	if _, given := n.config.Cluster[h.Node]; !given && h.Peer != "" {
		n.addresses[raft.NodeID(h.Node)] = h.Peer
	}
	n.dial()
}

// Receive takes what a peer said. It waits while more is waiting here than may.
func (n *Node) Receive(from wire.Hello, messages []wire.Message) {
	if n.contacts.heard(from.Node, from.Incarnation) && n.running() != nil {
		n.inbox.receive(received{raft.NodeID(from.Node), from.Incarnation, messages})
	}
	// Otherwise it is of a cluster that this node has not joined yet; raft sends again.
}

// Lost is told when an established connection broke.
func (n *Node) Lost(from raft.NodeID) {
	n.contacts.update(uint64(from), func(c *contact) { c.connected = false })
	if n.running() != nil {
		n.inbox.put(func(p *pile) { p.lost = append(p.lost, from) })
	}
}

// Refused is told when a peer does not take this node.
func (n *Node) Refused(by raft.NodeID, r wire.HelloReply) {
	text := fmt.Sprintf("node %d refuses this node: %s", by, strings.TrimSuffix(r.Detail, "."))
	news := false
	n.contacts.update(uint64(by), func(c *contact) {
		news, c.refusal = c.refusal != text, text
	})
	if news {
		level := slog.LevelError
		if r.Code == wire.HelloNotNow {
			level = slog.LevelInfo // it joins, or starts
		}
		n.config.Logger.Log(context.Background(), level, text)
	}
	switch r.Code {
	case wire.HelloRemoved:
		// One word is enough: it speaks of an entry that is committed.
		n.removed(fmt.Sprintf("node %d", by))
	case wire.HelloVacant:
		n.mu.Lock()
		if n.bootstrap != nil && !n.joining {
			n.config.Logger.Info("the cluster expects this node to join, and so it asks to")
			n.askToJoin()
		}
		n.mu.Unlock()
	}
}
