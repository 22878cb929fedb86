package wal

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"drystone/disk"
)

// survey is which of a directory's files make up the log, found from their first groups alone.
type survey struct {
	dir   disk.Dir
	files []segmentFile // by generation
	chain []int         // the log, oldest first: indexes of files
	buf   []byte
}

// segmentFile is a file that is named like a segment.
type segmentFile struct {
	name  string
	gen   uint64
	salt  uint64
	size  int64
	first group // its first group
	start start // and the record that begins it
	ok    bool  // they check out
	end   int64 // of the last group that counts; set by walk
}

// look reads the directory. Each segment names the one it continues, so the newest that checks out
// leads to all of the log; what it does not lead to was never part of it, or is missing.
func look(dir disk.Dir) (*survey, error) {
	names, err := dir.List()
	if err != nil {
		return nil, fmt.Errorf("list log: %w", err)
	}
	s := &survey{dir: dir}
	for _, name := range names {
		gen, salt, ok := parseSegmentName(name)
		if !ok {
			continue
		}
		f := segmentFile{name: name, gen: gen, salt: salt}
		if err := f.readFirst(dir); err != nil {
			return nil, err
		}
		s.files = append(s.files, f)
	}
	slices.SortStableFunc(s.files, func(a, b segmentFile) int {
		switch {
		case a.gen < b.gen:
			return -1
		case a.gen > b.gen:
			return 1
		}
		return 0
	})
	return s, s.link()
}

// readFirst reads the file's first group.
func (f *segmentFile) readFirst(dir disk.Dir) error {
	file, err := dir.OpenRead(f.name)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	defer file.Close()
	if f.size, err = file.Size(); err != nil {
		return fmt.Errorf("open segment %s: %w", f.name, err)
	}
	b := make([]byte, min(f.size, headerBytes))
	if err := readFull(file, b, 0); err != nil {
		return fmt.Errorf("read segment %s: %w", f.name, err)
	}
	h, _, ok := readHeader(b, f.gen, f.salt)
	if !ok || h.length > uint64(f.size-headerBytes) {
		return nil
	}
	b = append(b, make([]byte, h.length)...)
	if err := readFull(file, b[headerBytes:], headerBytes); err != nil {
		return fmt.Errorf("read segment %s: %w", f.name, err)
	}
	if f.first, f.ok = groupAt(b, 0, f.gen, f.salt); !f.ok {
		return nil
	}
	r, _, err := decodeRecord(f.first.payload)
	if err == nil && r.kind != recordStart {
		err = fmt.Errorf("segment begins with a record of kind %d", r.kind)
	}
	if err != nil {
		return &DamageError{File: f.name, Offset: headerBytes, Detail: err.Error()}
	}
	f.start, f.first.payload = r.start, nil
	return nil
}

// link finds the chain.
func (s *survey) link() error {
	at := len(s.files) - 1
	for at >= 0 && !s.files[at].ok {
		at--
	}
	if at < 0 {
		return nil
	}
	newest := at
	for at >= 0 {
		s.chain = append(s.chain, at)
		if !s.files[at].ok {
			break // walk will say what is wrong with it
		}
		at = s.find(s.files[at].start.previous)
	}
	slices.Reverse(s.chain)
	// Segments go oldest first. One that is older than the chain and whole was cut off from it.
	oldest := &s.files[s.chain[0]]
	if !oldest.ok {
		return nil
	}
	for i := range s.files[:newest] {
		f := &s.files[i]
		if f.ok && f.gen < oldest.gen {
			return &DamageError{File: oldest.name, Detail: fmt.Sprintf(
				"it continues generation %d, which is missing, while %s is there",
				oldest.start.previous, f.name)}
		}
	}
	return nil
}

func (s *survey) find(gen uint64) int {
	return slices.IndexFunc(s.files, func(f segmentFile) bool { return f.gen == gen })
}

// read reads a whole segment; the bytes are good until the next read.
func (s *survey) read(f *segmentFile) ([]byte, error) {
	file, err := s.dir.OpenRead(f.name)
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	defer file.Close()
	if int64(cap(s.buf)) < f.size {
		s.buf = make([]byte, f.size)
	}
	b := s.buf[:f.size]
	if err := readFull(file, b, 0); err != nil {
		return nil, fmt.Errorf("read segment %s: %w", f.name, err)
	}
	return b, nil
}

// readFull fills b. A file that ends earlier than its size said is an error.
func readFull(file disk.File, b []byte, off int64) error {
	n, err := file.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("byte %d: %w", off+int64(n), err)
}
