package node

import (
	"drystone/members"
	"drystone/storage"
	"drystone/wire"
)

// joinIfFormed starts the core once this node knows its cluster. Of several callers one does it.
func (n *Node) joinIfFormed() error {
	n.mu.Lock()
	id, formed := n.membership()
	if !formed || n.joining || n.closed || n.peers == nil {
		n.mu.Unlock()
		return nil
	}
	n.joining = true
	forms := n.identity.Cluster == ""
	n.mu.Unlock()
	if forms {
		if err := n.form(id); err != nil {
			return err
		}
	}
	core, err := openCore(n, n.dir, id, n.peers, n.inbox, &n.waiters, n.fail)
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.core = core
	n.dial()
	n.mu.Unlock()
	return nil
}

// membership is this node's identity as a member, and whether it may be one: it was already, or
// it has met everybody, and nobody has formed another cluster with an earlier directory of one of
// them. Called with mu held.
func (n *Node) membership() (storage.Identity, bool) {
	if n.identity.Cluster != "" {
		return n.identity, true
	}
	if n.bootstrap == nil || !n.bootstrap.Complete() {
		return storage.Identity{}, false
	}
	id := n.bootstrap.Form(n.identity)
	return id, n.dividedBy(id.Cluster) == 0
}

// dividedBy is a peer that has formed another cluster than the one given; 0: nobody has.
func (n *Node) dividedBy(cluster string) uint64 {
	for _, number := range n.nodeNumbers() {
		if c := n.contacts.get(number).cluster; c != "" && c != cluster {
			return number
		}
	}
	return 0
}

// form makes this node a member for good.
func (n *Node) form(id storage.Identity) error {
	// The others' incarnations are durable before this node votes: from here on a wiped
	// directory is told from the one that voted before.
	if err := storage.SaveIdentity(n.dir, id); err != nil {
		return err
	}
	n.config.Logger.Info("the cluster has formed", "cluster", id.Cluster)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.identity, n.bootstrap = id, nil
	// The connections of before were accepted when any directory was as good as another. They are
	// made anew, under the identity of now, before a word of consensus is said or heard.
	n.peers.SetPeers(nil)
	n.contacts.disconnected()
	n.peers.SetPeers(n.addresses)
	return nil
}

// meet counts a peer for the first start, and begins it when nobody is missing.
func (n *Node) meet(h wire.Hello) {
	if n.bootstrap == nil || n.joining || n.closed {
		return
	}
	_, err := n.bootstrap.Meet(storage.PeerIdentity{Node: h.Node, Incarnation: h.Incarnation})
	if err != nil {
		n.config.Logger.Warn("a peer cannot be counted for the first start", "peer", h.Node,
			"cause", err)
	}
	if _, formed := n.membership(); !formed || n.peers == nil {
		return
	}
	n.aside.Go(func() {
		if err := n.joinIfFormed(); err != nil {
			n.fail(err)
		}
	})
}

// Check decides whether a peer may talk to this node, before a term or message of it is looked
// at.
func (n *Node) Check(h wire.Hello) wire.HelloReply {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.judge(h)
}

// judge is Check with mu held.
func (n *Node) judge(h wire.Hello) wire.HelloReply {
	self := members.Self{
		Identity: n.identity, Asking: n.asking != nil, Listed: n.nodeNumbers(),
		Standing: n.standing(),
	}
	if n.core != nil {
		self.InForce = n.core.seen.Load().status.Members
	}
	return self.Judge(h)
}
