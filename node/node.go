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

// Node is a running member. Its methods may be called from any goroutine.
type Node struct {
	config   Config
	dir      disk.Dir
	unlock   func()
	started  time.Time
	contacts *contacts
	inbox    *inbox
	waiters  waiters
	asks     asks
	aside    sync.WaitGroup // what runs beside the core: the first start, the end of a failure

	mu        sync.Mutex
	peers     *transport.Transport   // nil until it listens
	addresses map[raft.NodeID]string // of peers: --cluster's, or what they told themselves
	identity  storage.Identity
	bootstrap *storage.Bootstrap // while the cluster forms
	asking    *asking            // while it asks to be let into a cluster; and ever after
	joining   bool               // the core is being opened, or is open: who was met is final
	core      *core              // nil until the cluster has formed
	closed    bool
	err       error
	done      chan struct{}
	closing   chan struct{} // closed with the first Close
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
	if config.UnsafeNoFsync {
		dir = disk.NoSync(dir)
	}
	return start(config, dir, unlock)
}

// start runs a node in a directory that is its own until unlock.
func start(config Config, dir disk.Dir, unlock func()) (*Node, error) {
	n := &Node{
		config: config, dir: dir, unlock: unlock, started: time.Now(),
		contacts: newContacts(), inbox: newInbox(), done: make(chan struct{}),
		closing:   make(chan struct{}),
		addresses: make(map[raft.NodeID]string),
	}
	for id, address := range config.Cluster {
		if id != config.ID {
			n.addresses[raft.NodeID(id)] = address
		}
	}
	if err := n.open(); err != nil {
		n.mu.Lock()
		n.closed = true
		n.mu.Unlock()
		n.release()
		return nil, err
	}
	return n, nil
}

func (n *Node) open() error {
	id, err := storage.OpenIdentity(n.dir, storage.Identity{
		Node: n.config.ID, Engine: n.config.Engine.Name, Incarnation: newIncarnation(),
	})
	if err != nil {
		return err
	}
	n.identity = id
	if id.Cluster == "" && len(n.config.Join) == 0 {
		n.bootstrap = storage.NewBootstrap(
			storage.PeerIdentity{Node: id.Node, Incarnation: id.Incarnation}, n.nodeNumbers())
	} else if id.Cluster != "" {
		n.warnOfOtherMembers(id)
	}
	peers, err := transport.Start(transport.Config{
		Listen: n.config.PeerListen, Listener: n.config.PeerListener, Hello: n.hello,
		Accept: n.accept, Join: n.letIn, MaxFrameBytes: maxFrameBytes, Logger: n.config.Logger,
	}, n)
	if err != nil {
		return err
	}
	// It has been calling n's methods since it listens; before they find it here they start
	// nothing, and joinIfFormed below looks at what they met.
	n.mu.Lock()
	n.peers = peers
	if id.Cluster == "" && len(n.config.Join) > 0 {
		n.askToJoin()
	} else {
		n.dial()
	}
	n.mu.Unlock()
	if id.Removed != "" {
		n.config.Logger.Warn(id.Removed + ". Stop it; its data directory is of no more use")
		return nil
	}
	return n.joinIfFormed()
}

// fail ends the node; whoever waits on Done learns it, and so do the peers, by their connections.
func (n *Node) fail(err error) {
	n.config.Logger.Error("the node stops", "cause", err)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil || n.closed {
		return
	}
	n.err = err
	close(n.done)
	// Close waits for the methods of n, and one of them may be what failed.
	n.aside.Go(n.peers.Close)
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
// Whoever still waits then is answered: not applied if the request never left this node, unknown
// otherwise. The error is ctx's, if it cut the wait short.
func (n *Node) Close(ctx context.Context) error {
	n.mu.Lock()
	select {
	case <-n.closing:
		n.mu.Unlock()
		return errors.New("the node was closed before")
	default:
	}
	close(n.closing)
	core := n.core
	n.mu.Unlock()
	var cut error
	if core != nil {
		n.inbox.put(func(p *pile) { p.drain = true })
		select {
		case <-core.drained:
		case <-core.ended:
		case <-ctx.Done():
			cut = ctx.Err()
		}
	}
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.release()
	return cut
}

// release ends everything that runs, whatever part of it was started. Nothing is started any
// more: the node is closed.
func (n *Node) release() {
	n.mu.Lock()
	peers := n.peers
	n.mu.Unlock()
	if peers != nil {
		peers.Close()
	}
	n.aside.Wait()
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
