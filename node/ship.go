package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"drystone/disk"
	"drystone/raft"
	"drystone/storage"
	"drystone/transport"
	"drystone/wire"
)

// shipsMax is how many snapshots leave a node at once; more would only share the disk and the line.
const shipsMax = 2

// A peer that did not take a snapshot is offered one again after a pause that doubles.
const (
	shipPauseMin = 100 * time.Millisecond
	shipPauseMax = 5 * time.Second
)

// shipper sends snapshots to peers that need entries this log has forgotten (§7). Nothing waits
// for it: not the loop, nor the applier, nor the log's compaction. A snapshot that is overtaken
// meanwhile is sent to its end from the file that was opened.
type shipper struct {
	node   *core
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	queue    []raft.SnapshotSend // one a peer
	active   map[raft.NodeID]context.CancelFunc
	failures map[raft.NodeID]int // in a row
}

// shipped is the end of a shipment.
type shipped struct {
	to   raft.NodeID
	meta raft.SnapshotMeta
	ok   bool
}

func newShipper(c *core) *shipper {
	s := &shipper{
		node: c, active: make(map[raft.NodeID]context.CancelFunc),
		failures: make(map[raft.NodeID]int),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *shipper) stopWith() {
	<-s.node.stop
	s.cancel()
}

// push takes what the core asks for. It asks again only after it was told how the last one went,
// unless it has forgotten that: so the newer one replaces the older.
func (s *shipper) push(sends []raft.SnapshotSend) {
	if len(sends) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, send := range sends {
		s.queue = slices.DeleteFunc(s.queue, func(q raft.SnapshotSend) bool {
			return q.To == send.To
		})
		s.queue = append(s.queue, send)
		if cancel, busy := s.active[send.To]; busy {
			cancel()
		}
	}
	s.start()
}

// start begins what may begin. Called with mu held.
func (s *shipper) start() {
	for len(s.active) < shipsMax {
		at := slices.IndexFunc(s.queue, func(q raft.SnapshotSend) bool {
			return s.active[q.To] == nil
		})
		if at < 0 {
			return
		}
		send := s.queue[at]
		s.queue = slices.Delete(s.queue, at, at+1)
		ctx, cancel := context.WithCancel(s.ctx)
		s.active[send.To] = cancel
		s.node.goes(func() {
			meta, err := s.ship(ctx, send)
			cancel()
			s.report(send, meta, err)
		})
	}
}

func (s *shipper) ship(ctx context.Context, send raft.SnapshotSend) (raft.SnapshotMeta, error) {
	began := time.Now()
	o, err := s.node.store.OpenOutgoing()
	if err != nil {
		s.replaceDamaged(err)
		return raft.SnapshotMeta{}, err
	}
	defer o.Close()
	if o.Meta.LastIncludedIndex < send.AtLeast {
		return o.Meta, fmt.Errorf("the newest snapshot is of entry %d, and one of %d is needed",
			o.Meta.LastIncludedIndex, send.AtLeast)
	}
	err = s.node.peers.Ship(ctx, send.To, transport.Shipment{
		Meta: o.Meta, Bytes: o.Bytes, Content: led{o, s.node, send.Term},
	})
	var refused *transport.ShipError
	if errors.As(err, &refused) && refused.Code == wire.ShipDamaged {
		s.replaceDamaged(s.node.store.Verify(o))
	}
	if err == nil {
		s.node.logger.Info("shipped a snapshot", "peer", send.To,
			"index", o.Meta.LastIncludedIndex, "bytes", o.Bytes,
			"ms", time.Since(began).Milliseconds())
	}
	return o.Meta, err
}

// replaceDamaged has a new snapshot taken when the one on this disk is damaged: the state is whole.
func (s *shipper) replaceDamaged(err error) {
	var damage *disk.DamageError
	if errors.As(err, &damage) {
		s.node.logger.Error("a snapshot on this disk is damaged; a new one is taken", "cause", err)
		s.node.applier.snapshot.again.Store(true)
		s.node.applier.kick()
	}
}

// errDeposed ends a shipment: the next leader sees to that peer.
var errDeposed = errors.New("this node does not lead in that term any more")

// led is the content of a snapshot, as long as its sender's term lasts.
type led struct {
	*storage.Outgoing
	node *core
	term raft.Term
}

func (l led) ReadAt(b []byte, off int64) (int, error) {
	if l.node.seen.Load().status.Hard.CurrentTerm > l.term {
		return 0, errDeposed
	}
	return l.Outgoing.ReadAt(b, off)
}

// report tells the core how a shipment ended; a failure after a pause, since it asks again at once.
func (s *shipper) report(send raft.SnapshotSend, meta raft.SnapshotMeta, err error) {
	s.mu.Lock()
	delete(s.active, send.To)
	if err == nil {
		delete(s.failures, send.To)
	} else {
		s.failures[send.To]++
	}
	failures := s.failures[send.To]
	s.start()
	s.mu.Unlock()
	if err != nil {
		if s.ctx.Err() != nil || s.replaced(send.To) {
			return
		}
		pause := min(shipPauseMin<<min(failures-1, 10), shipPauseMax)
		s.node.logger.Warn("a snapshot was not shipped", "peer", send.To, "cause", err,
			"again_in", pause)
		again := time.NewTimer(pause)
		defer again.Stop()
		select {
		case <-again.C:
		case <-s.ctx.Done():
			return
		}
	}
	if s.replaced(send.To) {
		return
	}
	s.node.inbox.put(func(p *pile) {
		p.shipped = append(p.shipped, shipped{send.To, meta, err == nil})
	})
}

// replaced says that the core has asked anew meanwhile: the end of the older one would be taken for
// that of the newer.
func (s *shipper) replaced(to raft.NodeID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active[to] != nil ||
		slices.ContainsFunc(s.queue, func(q raft.SnapshotSend) bool { return q.To == to })
}
