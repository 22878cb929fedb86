package snap

import (
	"encoding/binary"
	"io"

	"drystone/disk"
	"drystone/raft"
)

// syncBytes is written between syncs: a snapshot must not leave gigabytes of dirty pages, nor a few
// megabytes, for the log's next sync to wait behind.
const syncBytes = 1 << 20

// write writes a whole snapshot and makes it durable; it returns the file's length.
func write(file disk.File, meta raft.SnapshotMeta, content io.WriterTo) (int64, error) {
	w := &writer{file: file, buf: appendHead(nil, meta)}
	w.head = headCRC(w.buf)
	w.open()
	if _, err := content.WriteTo(w); err != nil {
		return 0, err
	}
	if err := w.close(); err != nil {
		return 0, err
	}
	return w.written, nil
}

// writer gathers content into chunks and chunks into writes.
type writer struct {
	file    disk.File
	buf     []byte
	chunk   int    // where the open chunk begins in buf
	head    uint32 // checksum of the head
	foot    foot
	written int64
	synced  int64
}

// open begins a chunk.
func (w *writer) open() {
	w.chunk = len(w.buf)
	w.buf = append(w.buf, make([]byte, chunkHead)...)
}

// seal ends the open chunk; an empty one leaves no trace.
func (w *writer) seal() {
	content := w.buf[w.chunk+chunkHead:]
	if len(content) == 0 {
		w.buf = w.buf[:w.chunk]
		return
	}
	binary.LittleEndian.PutUint32(w.buf[w.chunk:], uint32(len(content)))
	binary.LittleEndian.PutUint32(w.buf[w.chunk+4:], chunkCRC(w.head, w.foot.chunks, content))
	w.foot.chunks++
	w.foot.length += uint64(len(content))
}

func (w *writer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		room := w.chunk + chunkHead + maxChunkBytes - len(w.buf)
		part := p[:min(room, len(p))]
		w.buf, p = append(w.buf, part...), p[len(part):]
		if len(part) == room {
			w.seal()
			if err := w.flush(); err != nil {
				return n - len(p), err
			}
			w.open()
		}
	}
	return n, nil
}

func (w *writer) close() error {
	w.seal()
	w.buf = appendFoot(w.buf, w.head, w.foot)
	if err := w.flush(); err != nil {
		return err
	}
	return w.file.Datasync()
}

func (w *writer) flush() error {
	n, err := w.file.WriteAt(w.buf, w.written)
	w.written += int64(n)
	if err != nil {
		return err
	}
	w.buf = w.buf[:0]
	if w.written-w.synced < syncBytes {
		return nil
	}
	w.synced = w.written
	return w.file.Datasync()
}
