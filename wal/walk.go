package wal

import (
	"bytes"
	"fmt"
	"math"
)

// finding is where a log ends.
type finding struct {
	number uint64 // of the last group; 0: none
	crc    uint32 // its header's checksum
	file   int    // where it stands: index of survey.files
	offset int64
	raw    []byte // the group, header and all
	torn   *Damage
}

// walk visits every group of the log in order and judges how it ends. The error is a *DamageError
// if something durable is not what it was, and the finding then tells how far the walk came.
func (s *survey) walk(visit func(f *segmentFile, g group) error) (finding, error) {
	var end finding
	for i, c := range s.chain {
		f := &s.files[c]
		data, err := s.read(f)
		if err != nil {
			return end, err
		}
		if i == 0 && f.ok {
			end.number, end.crc = f.first.number-1, f.first.previous
		}
		// What stands behind the group that the next segment continues was cut in its time.
		last := uint64(math.MaxUint64)
		if i+1 < len(s.chain) {
			last = s.files[s.chain[i+1]].first.number - 1
		}
		for end.number < last {
			g, ok := groupAt(data, f.end, f.gen, f.salt)
			if !ok {
				break
			}
			if !g.follows(end.number, end.crc) {
				return end, &DamageError{File: f.name, Offset: f.end, Detail: fmt.Sprintf(
					"group %d stands where the one after %d should be", g.number, end.number)}
			}
			if err := visit(f, g); err != nil {
				return end, err
			}
			end.number, end.crc, end.file, end.offset = g.number, g.crc, c, g.offset
			f.end = min(sectorEnd(g.end()), f.size)
		}
		if i+1 < len(s.chain) {
			next := s.files[s.chain[i+1]].name
			if !f.ok {
				return end, &DamageError{File: f.name, Detail: "its first group fails to check, and " +
					next + " continues it"}
			}
			if end.number < last {
				return end, lost(f.name, f.end, end.number, last, next)
			}
			continue
		}
		end.raw = bytes.Clone(data[end.offset:f.end])
		if err := s.judge(&end, data); err != nil {
			return end, err
		}
		if short := int64(f.start.size) - f.size; short > 0 && end.torn == nil {
			// The file lost its end, between two groups. Nothing that is left says that there was
			// one more.
			end.torn = &Damage{File: f.name, Offset: f.size, Cut: short}
		}
	}
	if len(s.chain) == 0 {
		return end, s.judge(&end, nil)
	}
	return end, nil
}

// judge tells a torn tail from damage: whatever a header anywhere behind the last good group
// declares durable must have been read. data is the newest segment's.
func (s *survey) judge(end *finding, data []byte) error {
	newer := 0
	var tail *segmentFile
	if len(s.chain) > 0 {
		at := s.chain[len(s.chain)-1]
		newer, tail = at+1, &s.files[at]
		if durable := declared(data, tail.end, tail.gen, tail.salt); durable > end.number {
			return lost(tail.name, tail.end, end.number, durable, tail.name)
		}
		end.torn = tornAt(tail, data)
	}
	// Segments whose first group doesn't check: begun, and torn.
	for i := newer; i < len(s.files); i++ {
		f := &s.files[i]
		data, err := s.read(f)
		if err != nil {
			return err
		}
		h, _, ok := readHeader(data, f.gen, f.salt)
		if durable := declared(data, 0, f.gen, f.salt); durable > end.number {
			if ok && tail != nil && h.number > end.number+1 {
				return lost(tail.name, tail.end, end.number, durable, f.name)
			}
			return lost(f.name, 0, end.number, durable, f.name)
		}
		if ok {
			cut := headerBytes + min(int64(h.length), f.size-headerBytes)
			end.torn = &Damage{File: f.name, Offset: 0, Cut: cut}
		}
	}
	return nil
}

func lost(file string, off int64, number, durable uint64, witness string) error {
	return &DamageError{File: file, Offset: off, Detail: fmt.Sprintf(
		"group %d fails to check, and %s says that the log was durable up to group %d",
		number+1, witness, durable)}
}

// tornAt says whether what stands at the newest segment's end is the beginning of a group, and not
// the zeros that the last write left there.
func tornAt(f *segmentFile, data []byte) *Damage {
	rest := data[f.end:]
	b := rest[:min(len(rest), headerBytes)]
	if reserved(b) == nil {
		return nil
	}
	cut := int64(len(b))
	if h, _, ok := readHeader(b, f.gen, f.salt); ok {
		cut += min(int64(h.length), int64(len(rest)-headerBytes))
	}
	return &Damage{File: f.name, Offset: f.end, Cut: cut}
}
