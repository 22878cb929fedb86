package snap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"drystone/raft"
)

// A file is a head, chunks, and a foot; integers are little-endian. A chunk's checksum covers its
// number, so that two of them can't change places, and goes on from the head's, so that none can be
// another snapshot's; so does the foot's.
const (
	formatVersion = 1
	headBytes     = 16 // magic, version, length of meta, checksum of these and meta; then meta
	metaBytes     = 32 // and 8 for each member, and the directory
	chunkHead     = 8  // length, checksum; then the content
	footBytes     = 32 // a chunk head of length zero, magic, content length, chunk count, checksum
	maxChunkBytes = 1 << 20
	maxMetaBytes  = metaBytes + 8*(1<<16) + raft.MaxDirectoryBytes
)

var (
	headMagic  = []byte("DSS1")
	footMagic  = []byte("DSSF")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

func appendMeta(dst []byte, m raft.SnapshotMeta) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(m.LastIncludedIndex))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(m.LastIncludedTerm))
	lists := [...][]raft.NodeID{m.Members.Voters, m.Members.Next, m.Members.Learners}
	for _, list := range lists {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(list)))
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(m.Members.Directory)))
	for _, list := range lists {
		for _, id := range list {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(id))
		}
	}
	return append(dst, m.Members.Directory...)
}

func decodeMeta(b []byte) (raft.SnapshotMeta, error) {
	var m raft.SnapshotMeta
	if len(b) < metaBytes {
		return m, fmt.Errorf("the description is cut short")
	}
	m.LastIncludedIndex = raft.Index(binary.LittleEndian.Uint64(b))
	m.LastIncludedTerm = raft.Term(binary.LittleEndian.Uint64(b[8:]))
	rest := b[metaBytes:]
	lists := [...]*[]raft.NodeID{&m.Members.Voters, &m.Members.Next, &m.Members.Learners}
	for i, list := range lists {
		count := uint64(binary.LittleEndian.Uint32(b[16+4*i:]))
		if count > uint64(len(rest))/8 {
			return raft.SnapshotMeta{}, fmt.Errorf("the description is cut short")
		}
		for range count {
			*list = append(*list, raft.NodeID(binary.LittleEndian.Uint64(rest)))
			rest = rest[8:]
		}
	}
	directory := uint64(binary.LittleEndian.Uint32(b[28:]))
	if directory > uint64(len(rest)) {
		return raft.SnapshotMeta{}, fmt.Errorf("the description is cut short")
	}
	if directory > 0 {
		m.Members.Directory, rest = bytes.Clone(rest[:directory]), rest[directory:]
	}
	if len(rest) > 0 {
		return raft.SnapshotMeta{}, fmt.Errorf("%d bytes follow the description", len(rest))
	}
	return m, nil
}

func appendHead(dst []byte, m raft.SnapshotMeta) []byte {
	meta := appendMeta(nil, m)
	assert(len(meta) <= maxMetaBytes, "snap: more members than a reader takes")
	from := len(dst)
	dst = append(dst, headMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, formatVersion)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(meta)))
	crc := crc32.Update(crc32.Checksum(dst[from:], castagnoli), castagnoli, meta)
	dst = binary.LittleEndian.AppendUint32(dst, crc)
	return append(dst, meta...)
}

// headCRC is the checksum that a head holds. Those of the chunks and the foot go on from it.
func headCRC(head []byte) uint32 { return binary.LittleEndian.Uint32(head[12:]) }

// chunkCRC is the checksum of chunk number n.
func chunkCRC(head uint32, n uint64, content []byte) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	return crc32.Update(crc32.Update(head, castagnoli, b[:]), castagnoli, content)
}

// foot is what a file ends with.
type foot struct {
	length uint64 // of the content
	chunks uint64
}

func appendFoot(dst []byte, head uint32, f foot) []byte {
	from := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = append(dst, footMagic...)
	dst = binary.LittleEndian.AppendUint64(dst, f.length)
	dst = binary.LittleEndian.AppendUint64(dst, f.chunks)
	dst = append(dst, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(dst, crc32.Update(head, castagnoli, dst[from:]))
}

func decodeFoot(b []byte, head uint32) (foot, bool) {
	if len(b) != footBytes || string(b[4:8]) != string(footMagic) ||
		binary.LittleEndian.Uint32(b[28:]) != crc32.Update(head, castagnoli, b[:28]) {
		return foot{}, false
	}
	return foot{binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])}, true
}
