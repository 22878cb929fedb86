package sim

import (
	"drystone/members"
	"drystone/raft"
	"drystone/replica"
	"drystone/rsm"
	"drystone/storage"
	"drystone/wire"
)

// meet counts a peer for the first start.
func (h *host) meet(hello wire.Hello) {
	if h.bootstrap == nil {
		return
	}
	_, err := h.bootstrap.Meet(storage.PeerIdentity{
		Node: hello.Node, Incarnation: hello.Incarnation,
	})
	if err != nil {
		h.world.fail("Bootstrap", "n%d meets n%d: %v", h.id, hello.Node, err)
	}
	h.formIfComplete()
}

// formIfComplete forms the cluster once this node has met all the others, unless somebody has
// formed another one with an earlier directory of one of them.
func (h *host) formIfComplete() {
	if h.bootstrap == nil || !h.bootstrap.Complete() {
		return
	}
	formed := h.bootstrap.Form(h.identity)
	for _, c := range h.contacts {
		if c.hello.Cluster != "" && c.hello.Cluster != formed.Cluster {
			return
		}
	}
	if h.failed("save the identity", storage.SaveIdentity(h.dir, formed)) {
		return
	}
	h.world.trace.line(h, "formed cluster", formed.Cluster[:8])
	h.enter(formed)
}

// enter makes this node a member, whose identity is durable as such. The connections of before were
// made when any directory was as good as another; they are made anew.
func (h *host) enter(id storage.Identity) {
	h.world.beforeStart(h)
	h.identity, h.bootstrap, h.asking = id, nil, nil
	h.world.check.identity(h)
	h.hangUp()
	h.standing = members.FirstStanding(id)
	h.open()
}

// open recovers what the directory holds and takes part in the cluster.
func (h *host) open() {
	w := h.world
	store, restored, err := storage.Open(h.dir, h.identity, storage.Options{
		SegmentBytes:   w.plan.segmentBytes,
		InitialMembers: members.First(h.identity),
		Salt:           w.random.next(),
	})
	if h.failed("open the store", err) {
		return
	}
	if restored.Torn != "" {
		w.reach(markTorn)
		w.trace.line(h, "torn tail", restored.Torn)
	}
	w.check.restored(h, &restored.Raft)
	h.gotOver(&restored)
	h.state = rsm.New(newMachine(w), rsm.Options{
		Node: uint64(h.id), Boot: h.identity.Boot,
		Config: raft.EncodeMembers(nil, restored.Raft.Snapshot.Members),
	})
	if restored.Snapshot != nil {
		content, err := restored.Snapshot()
		if h.failed("open the snapshot", err) {
			return
		}
		err = h.state.Restore(content)
		content.Close()
		if h.failed("restore the snapshot", err) {
			return
		}
		w.reach(markRestored)
		h.restoredAt = h.state.Point().Index
	}
	c := w.plan.raft
	c.ID, c.Admitted = h.id, raft.Index(h.identity.Admitted)
	c.Seed = w.random.next()
	c.Trace = w.trace.hook(h)
	h.store = store
	h.core = w.options.Engine.New(c, restored.Raft)
	h.replica = replica.New(replica.Config{
		ID: h.id, Boot: h.identity.Boot,
		MaxInflightBytes: w.plan.maxInflight, MaxEntryBytes: w.plan.maxEntry,
		RetryMs: w.plan.retryMs, TickMs: 10, Settings: w.plan.settings,
	}, h.core, h.state.Point(), h.clock())
	w.check.opened(h)
	h.publishStanding()
	w.check.applied(h, h.state)
	w.check.observe(h)
	h.dial()
	h.echoes()
	w.after(h.local(w.random.between(1, 10*ms)), evTick, h, 0, 0)
	h.loop()
}
