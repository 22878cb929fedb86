package sim

import (
	"bytes"

	"drystone/raft"
	"drystone/rsm"
	"drystone/store"
)

// truth is what the log says happened: every committed entry, executed once, in order, by code
// that shares nothing with packages rsm and store but their encodings. What a client is told,
// what a reader sees and what a replica holds at the end is compared with it.
type truth struct {
	world    *world
	index    uint64
	logTime  uint64
	op       uint64
	settings rsm.Settings
	set      bool
	sessions map[session]*numbers
	ruled    map[numbered]ruled
	newest   map[uint64]uint64 // the latest boot of a node that was heard of
	keys     map[scopedKey]*execution
	stored   []*execution // keyed, in the order of storing
	bytes    uint64       // what they count
	stacks   map[string]*stackTruth
}

// session is one boot of one node.
type session struct{ node, boot uint64 }

type numbers struct {
	last  uint64
	until uint64 // log time at which it is forgotten; 0: not yet set
}

type scopedKey struct{ scope, key string }

// execution is a request that took effect.
type execution struct {
	index, op uint64
	reply     []byte
	key       scopedKey
	storedAt  uint64
	goneAt    uint64 // the entry by which its reply is stored no more; 0: it still is
}

// rowBytes is what a stored reply counts without the reply itself: with that it is what
// Settings.MaxRequestsBytes bounds.
func rowBytes(key scopedKey) uint64 { return uint64(len(key.scope)+len(key.key)) + 256 }

func (x *execution) bytes() uint64 { return rowBytes(x.key) + uint64(len(x.reply)) }

// storedBy says whether the reply is stored when an entry is applied after the execution's.
func (x *execution) storedBy(index uint64) bool {
	return x.index < index && (x.goneAt == 0 || index < x.goneAt)
}

// stackTruth is a stack with what readers could see of it at every index.
type stackTruth struct {
	exists   bool
	items    [][]byte // the top is last
	versions []version
}

type version struct {
	index  uint64
	exists bool
	size   uint64
	top    []byte
}

func newTruth(w *world) truth {
	return truth{
		world: w, settings: rsm.DefaultSettings(), sessions: map[session]*numbers{},
		ruled: map[numbered]ruled{}, newest: map[uint64]uint64{}, keys: map[scopedKey]*execution{},
		stacks: map[string]*stackTruth{},
	}
}

// apply executes the next committed entry.
func (t *truth) apply(e *raft.Entry) {
	w := t.world
	t.index = uint64(e.Index)
	if e.Kind != raft.EntryCommand {
		return
	}
	entry, err := rsm.DecodeEntry(e.Data)
	if err != nil {
		w.fail("Wire", "entry %d@%d: %v", e.Index, e.Term, err)
	}
	t.logTime = max(t.logTime, entry.Stamp)
	t.evict()
	for _, encoded := range entry.Batches {
		b, err := rsm.DecodeBatch(encoded)
		if err != nil {
			w.fail("Wire", "a batch of entry %d@%d: %v", e.Index, e.Term, err)
		}
		t.batch(&b)
	}
}

// evict drops stored replies whose time has passed.
func (t *truth) evict() {
	for len(t.stored) > 0 && t.stored[0].storedAt+t.settings.RequestRetentionMs <= t.logTime {
		delete(t.keys, t.stored[0].key)
		t.stored[0].goneAt = t.index
		t.bytes -= t.stored[0].bytes()
		t.stored = t.stored[1:]
	}
}

// batch takes a batch if it is the next of its session.
func (t *truth) batch(b *rsm.Batch) {
	id := session{b.Node, b.Boot}
	s := t.sessions[id]
	if s == nil {
		if b.Boot < t.newest[b.Node] {
			return // of a boot that never got through before the next one did
		}
		s = &numbers{}
	}
	if b.Number != s.last+1 || s.until > 0 && t.logTime >= s.until {
		t.world.reach(markRepeatedBatch)
		return
	}
	if t.sessions[id] == nil {
		t.sessions[id] = s
		if old := t.newest[b.Node]; old < b.Boot {
			if older := t.sessions[session{b.Node, old}]; older != nil {
				older.until = t.logTime + t.settings.RequestRetentionMs
			}
			t.newest[b.Node] = b.Boot
		}
	}
	s.last = b.Number
	verdicts := make([]verdict, len(b.Requests))
	for i := range b.Requests {
		verdicts[i] = t.request(b, &b.Requests[i])
	}
	t.ruled[numbered{id, b.Number}] = ruled{t.index, verdicts}
}

func (t *truth) request(b *rsm.Batch, r *rsm.Request) verdict {
	key := scopedKey{r.Identity.Scope, r.Identity.Key}
	if key.key != "" && t.keys[key] != nil {
		t.world.reach(markReplayed)
		return verdict{x: t.keys[key]}
	}
	if r.BudgetMs > 0 && int64(t.logTime) > b.Admitted+int64(r.BudgetMs) {
		t.world.reach(markExpired)
		return verdict{code: rsm.CodeExpired}
	}
	if key.key != "" && t.bytes+rowBytes(key) > t.settings.MaxRequestsBytes {
		t.world.reach(markTableFull)
		return verdict{code: rsm.CodeTableFull}
	}
	t.op++
	x := &execution{index: t.index, op: t.op, key: key, storedAt: t.logTime}
	if r.Kind == rsm.SettingsCommand {
		change, err := rsm.DecodeSettings(r.Command)
		if err != nil {
			t.world.fail("Wire", "settings: %v", err)
		}
		if !change.IfUnset || !t.set {
			t.settings, t.set = change.Settings, true
		}
		x.reply = rsm.EncodeSettings(nil, rsm.SettingsChange{Settings: t.settings})
		return verdict{x: x}
	}
	command, err := store.DecodeCommand(r.Command)
	if err != nil {
		t.world.fail("Wire", "command of entry %d: %v", t.index, err)
	}
	reply := t.execute(command)
	x.reply = store.EncodeReply(nil, reply)
	if key.key != "" {
		t.keys[key] = x
		t.stored = append(t.stored, x)
		t.bytes += x.bytes()
	}
	t.world.clients.executed(r, x)
	return verdict{x: x}
}

func (t *truth) stack(name string) *stackTruth {
	s := t.stacks[name]
	if s == nil {
		s = &stackTruth{}
		t.stacks[name] = s
	}
	return s
}

func (t *truth) execute(command store.Command) store.Reply {
	switch c := command.(type) {
	case store.CreateStack:
		s := t.stack(c.Stack)
		created := !s.exists
		s.exists = true
		t.seen(s)
		return store.Reply{Created: created, Size: uint64(len(s.items))}
	case store.DeleteStack:
		s := t.stack(c.Stack)
		if !s.exists {
			return store.Reply{Code: store.NoSuchStack}
		}
		s.exists, s.items = false, nil
		t.seen(s)
		return store.Reply{}
	case store.Push:
		return t.push(&c)
	case store.Pop:
		return t.pop(&c)
	}
	t.world.fail("Simulator", "a command that the truth does not know")
	return store.Reply{}
}

func (t *truth) push(c *store.Push) store.Reply {
	for _, v := range c.Values {
		if uint64(len(v)) > t.settings.MaxValueBytes {
			return store.Reply{Code: store.TooLarge}
		}
	}
	s := t.stack(c.Stack)
	if !s.exists && c.MustExist {
		return store.Reply{Code: store.NoSuchStack}
	}
	created := !s.exists
	s.exists = true
	for _, v := range c.Values {
		if c.End == store.Top {
			s.items = append(s.items, v)
		} else {
			s.items = append([][]byte{v}, s.items...)
		}
	}
	t.seen(s)
	return store.Reply{Created: created, Size: uint64(len(s.items))}
}

func (t *truth) pop(c *store.Pop) store.Reply {
	s := t.stack(c.Stack)
	if !s.exists {
		return store.Reply{Code: store.NoSuchStack}
	}
	var values [][]byte
	for range min(c.Count, uint64(len(s.items))) {
		last := len(s.items) - 1
		if c.End == store.Top {
			values = append(values, s.items[last])
			s.items = s.items[:last]
		} else {
			values = append(values, s.items[0])
			s.items = s.items[1:]
		}
	}
	t.seen(s)
	return store.Reply{Size: uint64(len(s.items)), Values: values}
}

// seen notes what a reader at this index sees of a stack.
func (t *truth) seen(s *stackTruth) {
	v := version{index: t.index, exists: s.exists, size: uint64(len(s.items))}
	if n := len(s.items); n > 0 {
		v.top = s.items[n-1]
	}
	if n := len(s.versions); n > 0 && s.versions[n-1].index == t.index {
		s.versions[n-1] = v
		return
	}
	s.versions = append(s.versions, v)
}

// at is what a reader sees of a stack once entry index is applied.
func (t *truth) at(name string, index uint64) version {
	s := t.stacks[name]
	if s == nil {
		return version{}
	}
	lo, hi := 0, len(s.versions)
	for lo < hi {
		if mid := (lo + hi) / 2; s.versions[mid].index <= index {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return version{}
	}
	return s.versions[lo-1]
}

// shows says whether a reply to GetStack is what a reader at index must see.
func (v *version) shows(r *store.Reply, withTop bool) bool {
	if !v.exists {
		return r.Code == store.NoSuchStack
	}
	if r.Code != store.OK || r.Size != v.size {
		return false
	}
	if !withTop || v.size == 0 {
		return len(r.Values) == 0
	}
	return len(r.Values) == 1 && bytes.Equal(r.Values[0], v.top)
}

// compare checks a replica's whole content, by its own queries, against the truth.
func (t *truth) compare(h *host) {
	w := t.world
	for i := range w.plan.stacks {
		name := w.clients.names[i]
		encoded := h.state.Query(store.EncodeQuery(nil, store.Items{Stack: name, Limit: 1 << 40}))
		r, err := store.DecodeReply(encoded)
		if err != nil {
			w.fail("Wire", "n%d: items of %s: %v", h.id, name, err)
		}
		s := t.stacks[name]
		if s == nil || !s.exists {
			if r.Code != store.NoSuchStack {
				w.fail("Equal State", "n%d has stack %s, which should not exist", h.id, name)
			}
			continue
		}
		if len(r.Values) != len(s.items) {
			w.fail("Equal State", "n%d: stack %s has %d items, not %d", h.id, name,
				len(r.Values), len(s.items))
		}
		for k, v := range r.Values {
			if !bytes.Equal(v, s.items[len(s.items)-1-k]) {
				w.fail("Equal State", "n%d: item %d of stack %s differs", h.id, k, name)
			}
		}
	}
}
