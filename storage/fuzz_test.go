package storage

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"drystone/disk"
	"drystone/raft"
	"drystone/snap"
)

// FuzzReceive goes on with any part of a snapshot, by any pieces. What is committed is the snapshot
// that was offered, whole; anything else is given up, and the next try begins anew.
func FuzzReceive(f *testing.F) {
	m := disk.NewMem(9)
	meta := metaOf(20, 3)
	body := bytes.Repeat([]byte("state "), 20)
	info, err := snap.Save(m.Dir(), meta, bytes.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	source, err := m.Dir().OpenRead(info.Name)
	if err != nil {
		f.Fatal(err)
	}
	file := make([]byte, info.Bytes)
	if _, err := source.ReadAt(file, 0); err != nil {
		f.Fatal(err)
	}
	half := len(file) / 2
	flipped := bytes.Clone(file[half:])
	flipped[20] ^= 1
	f.Add([]byte{}, file, uint8(7), int64(len(file)))
	f.Add(file[:half], file[half:], uint8(200), int64(len(file)))
	f.Add(file[:half], flipped, uint8(0), int64(len(file)))
	f.Add(file, []byte{}, uint8(1), int64(len(file)))
	f.Add(append(file, 0), file, uint8(64), int64(len(file)))
	f.Add([]byte("other"), file, uint8(64), int64(len(file)))
	f.Add([]byte{}, file[:half], uint8(64), int64(half))
	f.Fuzz(func(t *testing.T, part, pieces []byte, at uint8, size int64) {
		if size <= 0 {
			return // refused before
		}
		m := disk.NewMem(1)
		found, err := m.Dir().Create(snap.Part(meta).Name)
		must(t, err)
		_, err = found.WriteAt(part, 0)
		must(t, err)
		must(t, found.Datasync())
		s, _ := open(t, m, 1)
		in, err := s.Receive(meta, size)
		must(t, err)
		n, sum, err := in.Have()
		must(t, err)
		if int64(len(part)) <= size && (n != int64(len(part)) || sum != checksum(part)) {
			t.Errorf("%d bytes of %d are there", n, len(part))
		}
		whole := append(bytes.Clone(part[:min(int(n), len(part))]), pieces...)
		for b := pieces; len(b) > 0 && err == nil; {
			n := min(len(b), 1+int(at))
			err, b = in.Write(b[:n]), b[n:]
		}
		if err == nil {
			err = in.Commit(checksum(whole))
		}
		must(t, in.Close())
		var damage *disk.DamageError
		if err != nil && !errors.As(err, &damage) {
			t.Fatal(err)
		}
		good := bytes.Equal(whole, file) && size == int64(len(file))
		if good != (err == nil) || good != s.Holds(meta) {
			t.Errorf("%d bytes, of %d: %v; it is there: %v", len(whole), size, err, s.Holds(meta))
		}
		if err != nil {
			in, err := s.Receive(meta, size)
			must(t, err)
			if have(t, in) != 0 {
				t.Error("what was given up is gone on with")
			}
			must(t, in.Close())
		}
	})
}

// FuzzOpen puts any bytes over one of a directory's files. Its store opens with what was durable,
// and can be written to and opened again; or it says what is damaged.
func FuzzOpen(f *testing.F) {
	m := disk.NewMem(1)
	s, _, err := tryOpen(m, 1)
	if err != nil {
		f.Fatal(err)
	}
	for range 2 {
		err = errors.Join(err, s.Write(appendOf(1, 1, 10)))
	}
	_, saved := s.SaveSnapshot(metaOf(8, 1), contentOf(8))
	err = errors.Join(err, saved, s.Write(appendOf(2, 11, 20)), s.Release(5))
	names, listed := m.Dir().List()
	if err = errors.Join(err, listed); err != nil || len(names) < 3 {
		f.Fatal(names, err)
	}
	f.Add(uint8(0), uint16(0), []byte{})
	f.Add(uint8(0), uint16(600), make([]byte, 512))
	f.Add(uint8(1), uint16(4), []byte{0xff})
	f.Add(uint8(len(names)-1), uint16(40), []byte("not the state"))
	f.Add(uint8(2), uint16(0), make([]byte, 2048))
	f.Add(uint8(2), uint16(30_000), []byte("far behind the end"))
	f.Fuzz(func(t *testing.T, which uint8, off uint16, b []byte) {
		m := m.Clone()
		file, err := m.Dir().Open(names[int(which)%len(names)])
		must(t, err)
		_, err = file.WriteAt(b, int64(off))
		must(t, err)
		must(t, file.Datasync())
		s, r, err := tryOpen(m, 2)
		var damage *disk.DamageError
		if errors.As(err, &damage) {
			if damage.File == "" || damage.Detail == "" {
				t.Errorf("damaged: %+v", damage)
			}
			return
		}
		must(t, err)
		if r.Snapshot != nil {
			c, err := r.Snapshot()
			must(t, err)
			if _, err := io.ReadAll(c); err != nil {
				t.Errorf("a snapshot that was found whole: %v", err)
			}
			must(t, c.Close())
		}
		last := r.Raft.Snapshot.LastIncludedIndex
		for _, e := range r.Raft.Entries {
			if e.Index > last+1 {
				t.Errorf("entry %d follows entry %d", e.Index, last)
			}
			last = max(last, e.Index)
		}
		more := appendOf(max(3, r.Raft.Hard.CurrentTerm), last+1, 3)
		must(t, s.Write(more))
		m.Crash()
		_, again := open(t, m, 3)
		same := func(a, b raft.Entry) bool {
			return a.Index == b.Index && a.Term == b.Term && bytes.Equal(a.Data, b.Data)
		}
		want := append(r.Raft.Entries, more[0].Entries...)
		if !slices.EqualFunc(again.Raft.Entries, want, same) {
			t.Errorf("%d entries are found again, of %d", len(again.Raft.Entries), len(want))
		}
	})
}
