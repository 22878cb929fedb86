package node

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"drystone/members"
	"drystone/raft"
	"drystone/rsm"
	"drystone/storage"
	"drystone/wire"
)

// joinPause is how long a node rests between two rounds of asking to be let in.
const joinPause = 500 * time.Millisecond

// letIn carries a joiner's request to the leader, from whichever member it asked.
func (n *Node) letIn(ctx context.Context, h wire.Hello) wire.HelloReply {
	id := n.self()
	if h.Cluster != "" && h.Cluster != id.Cluster {
		return wire.HelloReply{Code: wire.HelloOtherCluster, Detail: fmt.Sprintf("node %d belongs to "+
			"cluster %s, this is node %d of cluster %s", h.Node, h.Cluster, id.Node, id.Cluster)}
	}
	r := n.Administer(ctx, rsm.AdminRequest{
		Op: rsm.AdminJoin, Node: h.Node, Peer: h.Peer, Incarnation: h.Incarnation,
	})
	if r.Code != "" {
		return members.JoinRefused(r)
	}
	body, err := json.Marshal(members.NewGrant(id, h.Node, r))
	if err != nil {
		return wire.HelloReply{Code: wire.HelloNotNow, Detail: "the answer cannot be written"}
	}
	return wire.HelloReply{Grant: string(body)}
}

// asking is a node without a cluster that asks to be let into one.
type asking struct {
	refusal string // of the last who answered; guarded by the node's mu
}

// askToJoin asks the nodes of --join, or those of the first start, in turn until one lets this node
// in. What refuses it may change (member replace, a node that comes back), so it never gives up.
// Called with mu held.
func (n *Node) askToJoin() {
	if n.asking != nil || n.closed {
		return
	}
	n.asking, n.bootstrap = &asking{}, nil
	n.peers.SetPeers(nil)
	addresses := n.config.Join
	if len(addresses) == 0 {
		addresses = slices.Collect(maps.Values(n.addresses))
	}
	n.aside.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		n.aside.Go(func() {
			select {
			case <-n.closing:
				cancel()
			case <-ctx.Done():
			}
		})
		pause := time.NewTimer(0)
		defer pause.Stop()
		for {
			select {
			case <-pause.C:
			case <-ctx.Done():
				return
			}
			for _, address := range addresses {
				joined, err := n.askOne(ctx, address)
				if err != nil {
					n.fail(err)
				}
				if joined || err != nil || ctx.Err() != nil {
					return
				}
			}
			pause.Reset(joinPause)
		}
	})
}

// askOne asks one node. The error is of this node's own disk.
func (n *Node) askOne(ctx context.Context, address string) (joined bool, err error) {
	reply, err := n.peers.Join(ctx, address)
	text := ""
	switch {
	case err != nil:
		text = fmt.Sprintf("nobody answers at %s", address)
	case reply.Code != wire.HelloOK:
		text = fmt.Sprintf("node %d refuses this node: %s", reply.Hello.Node, reply.Detail)
	default:
		var g members.Grant
		if json.Unmarshal([]byte(reply.Grant), &g) == nil {
			return true, n.enter(g)
		}
		text = fmt.Sprintf("node %d answers something that cannot be read", reply.Hello.Node)
	}
	n.mu.Lock()
	news := n.asking.refusal != text && (err == nil || n.asking.refusal == "")
	if news {
		n.asking.refusal = text
	}
	n.mu.Unlock()
	if news {
		n.config.Logger.Warn("not let into the cluster yet", "cause", text)
	}
	return false, nil
}

// enter makes this node a member, durably, and opens the log.
func (n *Node) enter(g members.Grant) error {
	n.mu.Lock()
	id, err := g.Enter(n.identity)
	n.mu.Unlock()
	if err != nil {
		return err
	}
	// Before a word is said as a member: who forgets that it was let in, asks again.
	if err := storage.SaveIdentity(n.dir, id); err != nil {
		return err
	}
	n.mu.Lock()
	n.identity = id
	for node, address := range g.Addresses {
		if address != "" && node != id.Node {
			n.addresses[raft.NodeID(node)] = address
		}
	}
	n.mu.Unlock()
	n.config.Logger.Info("let into the cluster, as a learner first", "cluster", id.Cluster)
	return n.joinIfFormed()
}
