package node

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"drystone/raft"
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
	heard            time.Time // zero: never
	connected        bool
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
	if len(n.config.Cluster) == 0 {
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

// Check decides whether a peer may talk to this node, before a term or message of it is looked
// at.
func (n *Node) Check(h wire.Hello) wire.HelloReply {
	n.mu.Lock()
	id := n.identity
	n.mu.Unlock()
	refuse := func(code wire.HelloCode, format string, args ...any) wire.HelloReply {
		return wire.HelloReply{Code: code, Detail: fmt.Sprintf(format, args...)}
	}
	if h.To != id.Node {
		return refuse(wire.HelloWrongNode, "this is node %d, not node %d: an address of --cluster "+
			"points to the wrong node", id.Node, h.To)
	}
	if h.Node == id.Node {
		return refuse(wire.HelloWrongNode, "both sides are node %d: two nodes were started with one "+
			"--id", id.Node)
	}
	if id.Cluster == "" {
		if !slices.Contains(n.nodeNumbers(), h.Node) {
			return refuse(wire.HelloNotMember, "node %d is not in the --cluster list of node %d",
				h.Node, id.Node)
		}
		return wire.HelloReply{Code: wire.HelloOK}
	}
	if h.Cluster != "" && h.Cluster != id.Cluster {
		return refuse(wire.HelloOtherCluster, "node %d belongs to cluster %s, this is node %d of "+
			"cluster %s", h.Node, h.Cluster, id.Node, id.Cluster)
	}
	at := slices.IndexFunc(id.Peers, func(p storage.PeerIdentity) bool { return p.Node == h.Node })
	if at < 0 {
		return refuse(wire.HelloNotMember, "node %d is no member of cluster %s", h.Node, id.Cluster)
	}
	if id.Peers[at].Incarnation != h.Incarnation {
		return refuse(wire.HelloWiped, "node %d comes with another data directory than the one "+
			"that belongs to cluster %s: what it had acknowledged and voted for is gone, so it must "+
			"not vote in the old one's place. If the old directory is lost, run "+
			"`drystone member replace %d`", h.Node, id.Cluster, h.Node)
	}
	return wire.HelloReply{Code: wire.HelloOK}
}

// Met is told of every accepted handshake, whoever dialled.
func (n *Node) Met(h wire.Hello) {
	n.contacts.update(h.Node, func(c *contact) {
		c.peer, c.http, c.resp = h.Peer, h.HTTP, h.RESP
		c.heard, c.connected = time.Now(), true
	})
	n.mu.Lock()
	complete := false
	if n.bootstrap != nil && !n.starting {
		_, err := n.bootstrap.Meet(storage.PeerIdentity{
			Node: h.Node, Incarnation: h.Incarnation,
		})
		if err != nil {
			n.config.Logger.Warn("a peer cannot be counted for the first start", "peer", h.Node,
				"cause", err)
		}
		complete = n.bootstrap.Complete()
		n.starting = complete
	}
	n.mu.Unlock()
	if complete {
		go func() {
			if err := n.joinIfFormed(); err != nil {
				n.fail(err)
			}
		}()
	}
}

// Receive takes what a peer said.
func (n *Node) Receive(from raft.NodeID, messages []wire.Message) {
	n.contacts.update(uint64(from), func(c *contact) { c.heard = time.Now() })
	if n.running() == nil {
		return // a cluster that this node has not joined yet; raft sends again
	}
	n.inbox.put(func(p *pile) { p.received = append(p.received, received{from, messages}) })
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
	n.mu.Lock()
	first := n.refusal != text
	n.refusal = text
	n.mu.Unlock()
	if first {
		n.config.Logger.Error(text)
	}
}
