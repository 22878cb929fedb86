package rsm

import (
	"io"

	"drystone/cow"
)

// A snapshot stream is: the magic, whose last byte is the version; the header; the stored replies
// in the order of storing; the node sessions; and the machine's own stream, in frames. The hash
// in the header covers all of it.
const (
	snapshotMagic   = "drystone state "
	snapshotVersion = 1
)

// frozen is a State as of one point. It is immutable and written on any goroutine.
type frozen struct {
	header  header
	keys    cow.Deque[*keyRow]
	nodes   []*nodeSession
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
	f := &frozen{header: header{
		point:       s.point,
		settingsSet: s.settingsSet,
		settings:    s.settings,
		config:      s.config,
		machineHash: s.machineHash(),
		hash:        s.Hash(),
	}}
	f.machine = s.machine.Snapshot()
	f.keys, f.nodes = s.freeze()
	return f
}

// WriteTo writes the snapshot.
func (f *frozen) WriteTo(to io.Writer) (int64, error) {
	w := NewStreamWriter(to)
	w.Write([]byte(snapshotMagic))
	w.Byte(snapshotVersion)
	f.header.write(w)
	w.Uvarint(uint64(f.keys.Len()))
	for row := range f.keys.All() {
		row.write(w)
	}
	w.Uvarint(uint64(len(f.nodes)))
	for _, session := range f.nodes {
		session.write(w)
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

func (r *keyRow) write(w *StreamWriter) {
	w.String(r.id.scope)
	w.String(r.id.key)
	w.Write(r.print[:])
	w.Uvarint(r.storedAt)
	w.Uvarint(r.index)
	w.Uvarint(r.op)
	w.Bytes(r.reply)
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
