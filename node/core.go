package node

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"drystone/disk"
	"drystone/members"
	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
	"drystone/storage"
	"drystone/transport"
	"drystone/wire"
)

// core is a node that belongs to a cluster: one goroutine that touches the replica (the loop),
// one that touches the log's files (the writer), one that touches the state (the applier).
type core struct {
	config  *Config
	logger  *slog.Logger
	boot    uint64
	started time.Time // log time and deadlines count from here, monotonically
	store   *storage.Store
	replica *replica.Replica // the loop's alone
	inbox   *inbox
	waiters *waiters
	writer  *writer
	applier *applier
	shipper *shipper
	peers   sender

	host *Node // whose core this is

	inForce members.InForce // the loop's alone

	point    atomic.Pointer[published]        // what the applier last told
	standing atomic.Pointer[members.Standing] // and the membership as of then, when it changes
	seen     atomic.Pointer[observed]         // what the loop last told

	stop     chan struct{}
	stopOnce sync.Once
	running  sync.WaitGroup
	failed   func(error)
	spare    chan struct{} // asks for a spare segment
	drained  chan struct{} // closed once everything under way is answered, after a drain
	ended    chan struct{} // closed behind the loop's last answer
	full     fullDisk
	changing chan struct{} // holds one: the change of membership under way
}

// sender is the transport as a core needs it.
type sender interface {
	Send(to raft.NodeID, messages []wire.Message)
	Ship(ctx context.Context, to raft.NodeID, s transport.Shipment) error
}

// published is the applied state as others may see it.
type published struct {
	point       rsm.Point
	hash        uint64
	settings    rsm.Settings
	settingsSet bool
	sessions    uint64
	requests    uint64
}

// observed is the consensus as others may see it.
type observed struct {
	status  raft.Status
	logTime uint64
}

// openCore recovers what the directory holds and starts the three goroutines.
func openCore(host *Node, dir disk.Dir, id storage.Identity, peers sender, box *inbox,
	w *waiters, failed func(error),
) (*core, error) {
	c := &host.config
	store, restored, err := storage.Open(dir, id, storage.Options{
		SegmentBytes:   c.SegmentBytes,
		Salt:           salt(),
		InitialMembers: members.First(id),
	})
	if err != nil {
		return nil, err
	}
	n := &core{
		host: host, changing: make(chan struct{}, 1),
		config: c, logger: c.Logger, boot: id.Boot, started: time.Now(), store: store,
		inbox: box, waiters: w, peers: peers, failed: failed, stop: make(chan struct{}),
		spare:   make(chan struct{}, 1),
		drained: make(chan struct{}), ended: make(chan struct{}),
	}
	if err := n.restore(id, restored); err != nil {
		store.Close()
		return nil, err
	}
	n.goes(n.loop)
	n.goes(func() { n.writer.run(n.stop) })
	n.goes(func() { n.applier.run(n.stop) })
	n.goes(n.keepSpare)
	n.goes(n.shipper.stopWith)
	n.goes(func() { host.steward(n) })
	return n, nil
}

// restore makes state and consensus of what the directory held.
func (n *core) restore(id storage.Identity, restored storage.Restored) error {
	c := n.config
	if restored.Torn != "" {
		c.Logger.Warn("the log ended in an unfinished write, which was cut; nothing acknowledged "+
			"was in it", "where", restored.Torn)
	}
	state := rsm.New(c.Machine(), rsm.Options{
		Node: c.ID, Boot: id.Boot,
		Config: raft.EncodeMembers(nil, restored.Raft.Snapshot.Members),
	})
	if restored.Snapshot != nil {
		content, err := restored.Snapshot()
		if err != nil {
			return err
		}
		err = state.Restore(content)
		content.Close()
		if err != nil {
			return fmt.Errorf("restore the snapshot of entry %d: %w",
				restored.Raft.Snapshot.LastIncludedIndex, err)
		}
	}
	if err := members.Legible(restored.Raft.Entries, restored.Raft.Snapshot.Members); err != nil {
		return err
	}
	engine := c.Engine.New(c.raftConfig(id), restored.Raft)
	n.replica = replica.New(replica.Config{
		ID: raft.NodeID(c.ID), Boot: id.Boot,
		MaxInflightBytes: int(c.MaxInflight), MaxEntryBytes: maxEntryBytes,
		RetryMs:  uint64(c.Election.Milliseconds()),
		TickMs:   uint64(max(1, c.tick().Milliseconds())),
		Settings: c.Settings,
	}, engine, state.Point(), n.now())
	n.writer = newWriter(n)
	n.applier = newApplier(n, state)
	n.shipper = newShipper(n)
	n.publish(state)
	n.observe(n.now())
	return nil
}

// goes starts a goroutine that close waits for.
func (n *core) goes(f func()) {
	n.running.Add(1)
	go func() {
		defer n.running.Done()
		f()
	}()
}

// now is the node's monotonic clock in ms.
func (n *core) now() uint64 { return uint64(time.Since(n.started).Milliseconds()) }

// fail stops the node: what it cannot do right it must not go on doing.
func (n *core) fail(err error) {
	n.halt()
	n.failed(err)
}

// halt ends the goroutines: whoever waits is answered with what is known.
func (n *core) halt() { n.stopOnce.Do(func() { close(n.stop) }) }

func (n *core) close() {
	n.halt()
	n.running.Wait()
	n.store.Close()
}

func (n *core) publish(s *rsm.State) {
	n.publishStanding(s)
	settings, set := s.Settings()
	n.point.Store(&published{
		point: s.Point(), hash: s.Hash(), settings: settings, settingsSet: set,
		sessions: s.Sessions(), requests: s.Requests(),
	})
}

func (n *core) observe(now uint64) {
	n.seen.Store(&observed{status: n.replica.Status(), logTime: n.replica.LogTime(now)})
}
