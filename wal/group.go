package wal

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// A group is what one Append writes: a header of 48 bytes and records, from the beginning of a
// sector on. A disk that loses power may leave noise in the whole of a sector that it was writing,
// so none is shared with what was acknowledged before. Behind the last sector the writer leaves a
// header's worth of zeros, if there is room, so that an end looks like one.
const (
	headerBytes = 48
	alignBytes  = 8
	sectorBytes = 512
)

// sectorEnd is the end of the sector that ends at off or after it.
func sectorEnd(off int64) int64 { return (off + sectorBytes - 1) &^ (sectorBytes - 1) }

var (
	groupMagic = []byte("DSG1")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	noHeader   [headerBytes]byte
	noSector   [sectorBytes]byte
)

// header describes a group. Its checksum, salted by the segment's name, covers all of it.
type header struct {
	generation uint64 // of the segment: what a recycled file held before is of an older one
	number     uint64 // of the group, in the whole log, from 1
	durable    uint64 // the last group known to be durable when this was written
	length     uint64 // of the records, a multiple of 8
	payloadCRC uint32
	previous   uint32 // header checksum of the group before it; 0 for the log's first
}

// put writes the header into dst and returns its checksum.
func (h header) put(dst []byte, salt uint64) uint32 {
	copy(dst, groupMagic)
	binary.LittleEndian.PutUint64(dst[8:], h.generation)
	binary.LittleEndian.PutUint64(dst[16:], h.number)
	binary.LittleEndian.PutUint64(dst[24:], h.durable)
	binary.LittleEndian.PutUint64(dst[32:], h.length)
	binary.LittleEndian.PutUint32(dst[40:], h.payloadCRC)
	binary.LittleEndian.PutUint32(dst[44:], h.previous)
	crc := headerCRC(dst, salt)
	binary.LittleEndian.PutUint32(dst[4:], crc)
	return crc
}

// headerCRC continues the checksum of something unknown to who doesn't know the salt.
func headerCRC(b []byte, salt uint64) uint32 {
	return crc32.Update(uint32(salt)^uint32(salt>>32), castagnoli, b[8:headerBytes])
}

// readHeader reads the header of a group of the segment (gen, salt) at the beginning of b.
func readHeader(b []byte, gen, salt uint64) (h header, crc uint32, ok bool) {
	if len(b) < headerBytes || !bytes.Equal(b[:4], groupMagic) {
		return header{}, 0, false
	}
	h = header{
		generation: binary.LittleEndian.Uint64(b[8:]),
		number:     binary.LittleEndian.Uint64(b[16:]),
		durable:    binary.LittleEndian.Uint64(b[24:]),
		length:     binary.LittleEndian.Uint64(b[32:]),
		payloadCRC: binary.LittleEndian.Uint32(b[40:]),
		previous:   binary.LittleEndian.Uint32(b[44:]),
	}
	crc = binary.LittleEndian.Uint32(b[4:])
	ok = crc == headerCRC(b, salt) && h.generation == gen && h.durable < h.number &&
		h.length%alignBytes == 0
	return h, crc, ok
}

// group is one that checks out.
type group struct {
	header
	crc     uint32 // of the header
	offset  int64  // in its file
	payload []byte // aliases what was read
}

func (g *group) end() int64 { return g.offset + headerBytes + int64(g.length) }

// groupAt reads the group at off of a segment's bytes.
func groupAt(data []byte, off int64, gen, salt uint64) (group, bool) {
	if off >= int64(len(data)) {
		return group{}, false
	}
	b := data[off:]
	h, crc, ok := readHeader(b, gen, salt)
	if !ok || h.length > uint64(len(b)-headerBytes) {
		return group{}, false
	}
	payload := b[headerBytes : headerBytes+int(h.length)]
	if crc32.Checksum(payload, castagnoli) != h.payloadCRC {
		return group{}, false
	}
	return group{header: h, crc: crc, offset: off, payload: payload}, true
}

// follows says whether g is the successor of the group last.
func (g *group) follows(number uint64, crc uint32) bool {
	return g.number == number+1 && g.previous == crc
}

// declared is the highest group that any header from off on calls durable, be its group whole or
// not: that a header is there at all proves what was durable before it was written.
func declared(data []byte, off int64, gen, salt uint64) uint64 {
	var durable uint64
	for off = sectorEnd(off); off < int64(len(data)); off += sectorBytes {
		if h, _, ok := readHeader(data[off:], gen, salt); ok {
			durable = max(durable, h.durable)
		}
	}
	return durable
}
