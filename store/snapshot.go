package store

import (
	"errors"
	"fmt"
	"io"

	"drystone/cow"
	"drystone/rsm"
)

// A snapshot stream is: the magic, whose last byte is the version; for each entry of the keyspace,
// in order, its type and its content; the type 0; and the hash of the whole.
const (
	snapshotMagic   = "drystone store "
	snapshotVersion = 1
)

// Types of the keyspace's entries in a snapshot.
const (
	typeEnd = iota
	typeStack
)

// maxPosition is as far as an item can get from position 0, and far from where numbers end.
const maxPosition = 1 << 62

// errContradiction is a snapshot whose parts cannot have been true together.
var errContradiction = errors.New("the snapshot contradicts itself")

// frozen is a Store as of one moment. It is immutable and written on any goroutine.
type frozen struct {
	stacks cow.Map[string, *stack]
	hash   uint64
}

// WriteTo writes the snapshot.
func (f *frozen) WriteTo(to io.Writer) (int64, error) {
	w := rsm.NewStreamWriter(to)
	w.Write([]byte(snapshotMagic))
	w.Byte(snapshotVersion)
	for name, k := range f.stacks.All() {
		w.Byte(typeStack)
		w.String(name)
		w.Uint64(uint64(k.items.Lo()))
		w.Uvarint(k.size())
		for item := range k.items.All() {
			w.String(item)
		}
	}
	w.Byte(typeEnd)
	w.Uint64(f.hash)
	return w.Flush()
}

// Restore replaces the content by what a snapshot wrote, and reads r to its end. An error leaves
// the content as it was.
func (s *Store) Restore(r io.Reader) error {
	from := rsm.NewStreamReader(r)
	fresh := New()
	if err := fresh.read(from); err != nil {
		return fmt.Errorf("restore the store: %w", err)
	}
	*s = *fresh
	return nil
}

func (s *Store) read(r *rsm.StreamReader) error {
	var magic [len(snapshotMagic)]byte
	r.Full(magic[:])
	if r.Err() == nil && string(magic[:]) != snapshotMagic {
		return fmt.Errorf("this is no snapshot of one: %w", rsm.ErrMalformed)
	}
	if version := r.Byte(); r.Err() == nil && version > snapshotVersion {
		return fmt.Errorf("version %d is unknown: %w", version, rsm.ErrNeedsUpgrade)
	} else if r.Err() == nil && version == 0 {
		return fmt.Errorf("version 0: %w", rsm.ErrMalformed)
	}
	for last := ""; r.Err() == nil; {
		kind := r.Byte()
		if kind == typeEnd {
			break
		}
		if kind != typeStack {
			r.Fail(rsm.ErrMalformed)
			break
		}
		name := r.String()
		if !validName(name) || name <= last {
			r.Fail(errContradiction)
			break
		}
		s.readStack(r, name)
		last = name
	}
	if hash := r.Uint64(); r.Err() == nil && hash != s.hash {
		r.Fail(errContradiction)
	}
	return r.End()
}

func (s *Store) readStack(r *rsm.StreamReader, name string) {
	k := s.create(name)
	s.hash -= k.hash()
	lo := int64(r.Uint64())
	if lo < -maxPosition || lo > maxPosition {
		r.Fail(errContradiction)
		return
	}
	k.items = cow.NewDequeAt[string](lo)
	for left := r.Uvarint(); left > 0 && r.Err() == nil; left-- {
		k.add(r.String(), Top)
	}
	s.changed(k)
}
