// Package node runs one member of a cluster: it gives a replica its clock, disk and network,
// and callers a way in. It is the only room below the fronts, with transport, that starts
// goroutines.
package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"drystone/disk"
	"drystone/raft"
	"drystone/storage"
	"drystone/transport"
)

// Engine is the Raft this node runs; a directory belongs to one for ever.
const Engine = "native"

// Node is a running member. Its methods may be called from any goroutine.
type Node struct {
	config   Config
	dir      disk.Dir
	unlock   func()
	started  time.Time
	peers    *transport.Transport
	contacts *contacts
	inbox    *inbox
	waiters  waiters

	mu        sync.Mutex
	identity  storage.Identity
	bootstrap *storage.Bootstrap // while the cluster forms
	refusal   string             // why a peer does not take this node as a member
	core      *core              // nil until the cluster has formed
	starting  bool
	closed    bool
	err       error
	done      chan struct{}
}

// Start opens the data directory, listens for peers and begins to take part. It returns before a
// leader is known, and on a first start before the cluster has formed: see Status. Errors are
// those of the configuration, the directory (in use, of another node or engine, damaged) and the
// peer address (in use).
func Start(config Config) (*Node, error) {
	if err := config.setDefaults(); err != nil {
		return nil, err
	}
	dir, err := disk.OS(config.Dir)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", config.Dir, err)
	}
	unlock, err := disk.Lock(config.Dir)
	if err != nil {
		return nil, err
	}
	n := &Node{
		config: config, dir: dir, unlock: func() { unlock() }, started: time.Now(),
		contacts: newContacts(), inbox: newInbox(), done: make(chan struct{}),
	}
	if config.UnsafeNoFsync {
		n.dir = disk.NoSync(dir)
	}
	if err := n.open(); err != nil {
		n.release()
		return nil, err
	}
	return n, nil
}

func (n *Node) open() error {
	id, err := storage.OpenIdentity(n.dir, storage.Identity{
		Node: n.config.ID, Engine: Engine, Incarnation: newIncarnation(),
	})
	if err != nil {
		return err
	}
	n.identity = id
	if id.Cluster == "" {
		n.bootstrap = storage.NewBootstrap(
			storage.PeerIdentity{Node: id.Node, Incarnation: id.Incarnation}, n.nodeNumbers())
	} else {
		n.warnOfOtherMembers(id)
	}
	n.peers, err = transport.Start(transport.Config{
		Listen: n.config.PeerListen, Hello: n.hello, Logger: n.config.Logger,
	}, n)
	if err != nil {
		return err
	}
	addresses := make(map[raft.NodeID]string)
	for id, address := range n.config.Cluster {
		if id != n.config.ID {
			addresses[raft.NodeID(id)] = address
		}
	}
	n.peers.SetPeers(addresses)
	return n.joinIfFormed()
}

// joinIfFormed starts the core once this node knows its cluster.
func (n *Node) joinIfFormed() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.core != nil || n.closed {
		return nil
	}
	if n.identity.Cluster == "" {
		if !n.bootstrap.Complete() {
			return nil
		}
		formed := n.bootstrap.Form(n.identity)
		// The others' incarnations are durable before this node votes: from here on a wiped
		// directory is told from the one that voted before.
		if err := storage.SaveIdentity(n.dir, formed); err != nil {
			return err
		}
		n.identity, n.bootstrap = formed, nil
		n.config.Logger.Info("the cluster has formed", "cluster", formed.Cluster)
	}
	core, err := openCore(&n.config, n.dir, n.identity, n.peers, n.inbox, &n.waiters, n.fail)
	if err != nil {
		return err
	}
	n.core = core
	return nil
}

// fail ends the node; whoever waits on Done learns it.
func (n *Node) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err == nil && !n.closed {
		n.err = err
		n.config.Logger.Error("the node stops", "cause", err)
		close(n.done)
	}
}

// Done is closed when the node stopped by itself; Err says why.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err is why the node stopped by itself, nil while it runs.
func (n *Node) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// Close refuses new requests, waits until those under way are answered or ctx ends, and stops.
func (n *Node) Close(ctx context.Context) error {
	core := n.running()
	if core != nil && n.Err() == nil {
		n.inbox.put(func(p *pile) { p.drain = true })
		select {
		case <-core.drained:
		case <-core.stop:
		case <-ctx.Done():
		}
	}
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return errors.New("the node was closed before")
	}
	n.closed = true
	n.mu.Unlock()
	n.release()
	return ctx.Err()
}

// release ends everything that runs, whatever part of it was started.
func (n *Node) release() {
	if n.peers != nil {
		n.peers.Close()
	}
	if core := n.running(); core != nil {
		core.close()
	}
	n.unlock()
}

// running is the core, or nil while the cluster forms.
func (n *Node) running() *core {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.core
}

var _ transport.Handler = (*Node)(nil)
