package rsm

import (
	"io"

	"drystone/cow"
)

// A snapshot stream is: the magic, whose last byte is the version; the header; the stored replies
// in the order of storing; the node sessions; from version 2 on the kept results, the fences of
// nodes' requests and the client sessions; and the machine's own stream, in frames. The hash in the
// header covers all of it. A state is written in the lowest version that can hold it.
const (
	snapshotMagic   = "drystone state "
	snapshotVersion = 2
)

// frozen is a State as of one point. It is immutable and written on any goroutine.
type frozen struct {
	version byte
	header  header
	keys    cow.Map[uint64, *keyRow]
	nodes   []*nodeSession
	kept    cow.Map[uint64, *keptRow]
	fences  []nodeFence
	clients cow.Map[uint64, *clientSession]
	machine io.WriterTo
}

// header is the part of a snapshot that has one of each.
type header struct {
	point       Point
	settingsSet bool
	settings    Settings
	config      []byte
	machineHash uint64 // 0 without a Hasher
	hash        uint64 // State.Hash
}

// Snapshot freezes the state as of Point, in time that does not grow with it. What it returns may
// be written while Apply goes on, on another goroutine, more than once or never.
func (s *State) Snapshot() io.WriterTo {
	f := &frozen{version: s.version(), header: header{
		point:       s.point,
		settingsSet: s.settingsSet,
		settings:    s.settings,
		config:      s.config,
		machineHash: s.machineHash(),
		hash:        s.Hash(),
	}}
	f.machine = s.machine.Snapshot()
	s.freeze(f)
	return f
}

// freeze gives a snapshot what it shares with the state, and moves the state on to the next epoch.
func (s *State) freeze(f *frozen) {
	s.epoch++
	f.keys, f.kept, f.clients = s.keys.byAge, s.kept.byAge, s.clients.rows
	s.keys.byAge = f.keys.Fork()
	s.kept.byAge = f.kept.Fork()
	s.clients.rows = f.clients.Fork()
	f.nodes = append([]*nodeSession(nil), s.nodes.rows...)
	f.fences = s.fences.rows
}

// WriteTo writes the snapshot.
func (f *frozen) WriteTo(to io.Writer) (int64, error) {
	w := NewStreamWriter(to)
	w.Write([]byte(snapshotMagic))
	w.Byte(f.version)
	f.header.write(w)
	w.Uvarint(uint64(f.keys.Len()))
	for _, row := range f.keys.All() {
		writeKeyRow(w, row, f.version)
	}
	w.Uvarint(uint64(len(f.nodes)))
	for _, session := range f.nodes {
		session.write(w)
	}
	if f.version >= 2 {
		f.writeSettled(w)
	}
	frames := &frameWriter{to: w}
	if _, err := f.machine.WriteTo(frames); err != nil {
		n, _ := w.Flush()
		return n, err
	}
	frames.end()
	return w.Flush()
}

func (h *header) write(w *StreamWriter) {
	w.Uvarint(h.point.Index)
	w.Uvarint(h.point.Term)
	w.Uvarint(h.point.Op)
	w.Uvarint(h.point.LogTime)
	w.Bool(h.settingsSet)
	for _, field := range h.settings.fields() {
		w.Uvarint(*field)
	}
	w.Bytes(h.config)
	w.Uint64(h.machineHash)
	w.Uint64(h.hash)
}

func writeKeyRow(w *StreamWriter, r *keyRow, version byte) {
	w.String(r.id.scope)
	w.String(r.id.key)
	w.Write(r.print[:])
	w.Uvarint(r.storedAt)
	w.Uvarint(r.index)
	w.Uvarint(r.op)
	w.Bytes(r.reply)
	if version >= 2 {
		w.Bool(r.state == FateFenced)
	}
}

// writeSettled writes what version 2 added.
func (f *frozen) writeSettled(w *StreamWriter) {
	w.Uvarint(uint64(f.kept.Len()))
	for _, row := range f.kept.All() {
		row.id.write(w)
		w.Byte(byte(row.state))
		w.String(string(row.code))
		w.Uvarint(row.storedAt)
		w.Uvarint(row.index)
		w.Uvarint(row.op)
		w.Bytes(row.reply)
	}
	w.Uvarint(uint64(len(f.fences)))
	for _, fence := range f.fences {
		fence.nodeRequest.write(w)
		w.Uvarint(fence.storedAt)
	}
	w.Uvarint(uint64(f.clients.Len()))
	for _, session := range f.clients.All() {
		session.write(w)
	}
}

func (id nodeRequest) write(w *StreamWriter) {
	w.Uvarint(id.node)
	w.Uvarint(id.boot)
	w.Uvarint(id.serial)
}

func (c *clientSession) write(w *StreamWriter) {
	w.Uvarint(c.id)
	w.String(c.scope)
	w.Uvarint(c.usedAt)
	w.Uvarint(c.acked)
	w.Uvarint(uint64(len(c.replies)))
	for _, r := range c.replies {
		w.Uvarint(r.seq)
		w.Write(r.print[:])
		w.Bool(r.fenced)
		w.Uvarint(r.index)
		w.Uvarint(r.op)
		w.Bytes(r.reply)
	}
}

func (n *nodeSession) write(w *StreamWriter) {
	w.Uvarint(n.node)
	w.Uvarint(n.boot)
	w.Uvarint(n.number)
	w.Uvarint(n.acked)
	w.Bool(n.retired)
	w.Uvarint(n.retiredAt)
	// There are number-acked of them.
	for batch := range n.results.All() {
		w.Uvarint(uint64(len(batch.results)))
		for i := range batch.results {
			batch.results[i].write(w)
		}
	}
}

func (r *Result) write(w *StreamWriter) {
	w.Byte(byte(r.Outcome))
	w.String(string(r.Code))
	w.Bytes(r.Reply)
	w.Uvarint(r.Index)
	w.Uvarint(r.Op)
	w.Bool(r.Replayed)
	w.Uvarint(r.Serial)
}
