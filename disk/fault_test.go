package disk

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

// durableFile is a disk with a durable file of sectors full of one byte.
func durableFile(t *testing.T, seed uint64, name string, sectors int, fill byte) (*Mem, File) {
	t.Helper()
	m := NewMem(seed)
	f := create(t, m.Dir(), name)
	write(t, f, 0, string(bytes.Repeat([]byte{fill}, sectors*sectorBytes)))
	check(t, f.Datasync())
	check(t, m.Dir().Sync())
	return m, f
}

// TestGarble: noise covers whole sectors, only those that a write would have changed, and nothing
// that the file does not reach.
func TestGarble(t *testing.T) {
	noise, around := 0, 0
	for seed := range uint64(300) {
		m, f := durableFile(t, seed, "a", 4, 'o')
		m.SetGarble(100)
		write(t, f, sectorBytes+100, strings.Repeat("n", sectorBytes))
		write(t, f, 0, strings.Repeat("o", sectorBytes))
		m.Crash()
		b := read(t, m.Dir(), "a")
		if len(b) != 4*sectorBytes {
			t.Fatalf("seed %d: %d bytes", seed, len(b))
		}
		for i := range 4 {
			s := b[i*sectorBytes : (i+1)*sectorBytes]
			garbled := bytes.Count(s, []byte("o"))+bytes.Count(s, []byte("n")) < sectorBytes/2
			if garbled && i != 1 && i != 2 {
				t.Fatalf("seed %d: sector %d is garbled", seed, i)
			}
			if garbled {
				noise++
				if i == 1 && s[0] != 'o' || i == 2 && s[sectorBytes-1] != 'o' {
					around++
				}
			}
		}
	}
	if noise < 100 || around < 90 {
		t.Errorf("%d sectors garbled, %d of them beyond the write", noise, around)
	}
}

// TestWriteLost: a Datasync that pretends; the page cache goes along with it.
func TestWriteLost(t *testing.T) {
	whole := 0
	for seed := range uint64(100) {
		m, f := durableFile(t, seed, "a", 4, 'o')
		m.Arm(WriteLost, "b")
		m.Arm(WriteLost, "a")
		write(t, f, 0, strings.Repeat("n", 3*sectorBytes))
		check(t, f.Datasync())
		if got := read(t, m.Dir(), "a"); bytes.Count(got, []byte("n")) != 3*sectorBytes {
			t.Fatalf("seed %d: it shows at once", seed)
		}
		s := m.Struck()
		if len(s) != 1 || s[0].Fault != WriteLost || s[0].Place.File != "a" || len(m.Struck()) > 0 {
			t.Fatalf("seed %d: %v", seed, s)
		}
		m.Evict()
		got := read(t, m.Dir(), "a")
		at, n := s[0].Place.Offset, s[0].Place.Length
		if n != sectorBytes && n != 3*sectorBytes ||
			bytes.Count(got, []byte("n")) != 3*sectorBytes-int(n) ||
			bytes.Count(got[at:at+n], []byte("o")) != int(n) {
			t.Fatalf("seed %d: %v", seed, s)
		}
		if n > sectorBytes {
			whole++
		}
	}
	if whole < 20 || whole > 80 {
		t.Errorf("%d of 100 lost as a whole", whole)
	}
}

// TestWriteMisdirected: the right place stays, another changes, and no file gets longer.
func TestWriteMisdirected(t *testing.T) {
	elsewhere := map[string]int{}
	for seed := range uint64(100) {
		m, f := durableFile(t, seed, "a", 4, 'o')
		g := create(t, m.Dir(), "b")
		write(t, g, 0, strings.Repeat("o", 3*sectorBytes))
		check(t, g.Datasync())
		check(t, m.Dir().Sync())
		m.Arm(WriteMisdirected, "")
		write(t, f, 10, strings.Repeat("n", 100))
		check(t, f.Datasync())
		m.Crash()
		s := m.Struck()[0]
		a, b := read(t, m.Dir(), "a"), read(t, m.Dir(), "b")
		if len(a) != 4*sectorBytes || len(b) != 3*sectorBytes || s.To.Offset%sectorBytes != 10 {
			t.Fatalf("seed %d: %v, %d and %d bytes", seed, s, len(a), len(b))
		}
		there := map[string][]byte{"a": a, "b": b}[s.To.File][s.To.Offset:][:s.To.Length]
		if bytes.Count(a[10:110], []byte("o")) != 100 || bytes.Count(there, []byte("n")) != 100 {
			t.Fatalf("seed %d: %v", seed, s)
		}
		elsewhere[s.To.File]++
	}
	if elsewhere["a"] < 20 || elsewhere["b"] < 20 {
		t.Errorf("%v", elsewhere)
	}
}

// TestSyncFails: what a failed sync dropped reads back, the next one reports success, and it is
// gone all the same.
func TestSyncFails(t *testing.T) {
	m, f := durableFile(t, 1, "a", 1, 'o')
	m.Arm(SyncFails, "a")
	write(t, f, 0, "new")
	if err := f.Datasync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	check(t, f.Datasync())
	if got := read(t, m.Dir(), "a"); string(got[:3]) != "new" {
		t.Errorf("%q before the page cache is dropped", got[:3])
	}
	m.Evict()
	if got := read(t, m.Dir(), "a"); string(got[:3]) != "ooo" {
		t.Errorf("%q after", got[:3])
	}
}

func TestShortWrite(t *testing.T) {
	m, f := durableFile(t, 1, "a", 1, 'o')
	m.Arm(WriteShort, "")
	n, err := f.WriteAt(bytes.Repeat([]byte{'n'}, 100), 0)
	if n >= 100 || !errors.Is(err, syscall.EIO) {
		t.Fatal(n, err)
	}
	if got := bytes.Count(read(t, m.Dir(), "a"), []byte("n")); got != n {
		t.Errorf("%d bytes written, %d said", got, n)
	}
	write(t, f, 0, "again")
}

func TestUnreadable(t *testing.T) {
	m, f := durableFile(t, 1, "a", 3, 'o')
	check(t, m.Unreadable("a", sectorBytes, sectorBytes, 1))
	b := make([]byte, 3*sectorBytes)
	if n, err := f.ReadAt(b[:sectorBytes], 0); n != sectorBytes || err != nil {
		t.Error(n, err)
	}
	if n, err := f.ReadAt(b[:sectorBytes], 2*sectorBytes); n != sectorBytes || err != nil {
		t.Error(n, err)
	}
	if n, err := f.ReadAt(b, 0); n != sectorBytes || !errors.Is(err, syscall.EIO) {
		t.Error(n, err)
	}
	if n, err := f.ReadAt(b, 0); n != len(b) || err != nil {
		t.Error("once was said:", n, err)
	}
	check(t, m.Unreadable("a", 5, 1, 0))
	m.Crash()
	f, err := m.Clone().Dir().Open("a")
	check(t, err)
	for range 3 {
		if n, err := f.ReadAt(b, 0); n != 5 || !errors.Is(err, syscall.EIO) {
			t.Error("for ever was said:", n, err)
		}
	}
	m, f = durableFile(t, 1, "a", 1, 'o')
	m.Arm(ReadFails, "")
	if n, err := f.ReadAt(b[:1], 0); n != 0 || !errors.Is(err, syscall.EIO) {
		t.Error(n, err)
	}
	if n, err := f.ReadAt(b[:1], 0); n != 1 || err != nil {
		t.Error(n, err)
	}
	if err := m.Unreadable("none", 0, 1, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestQuota(t *testing.T) {
	m, f := durableFile(t, 1, "a", 1, 'o')
	d := m.Dir()
	m.SetQuota(sectorBytes + 100)
	if m.Used() != sectorBytes {
		t.Fatal(m.Used())
	}
	write(t, f, 0, strings.Repeat("n", sectorBytes))
	n, err := f.WriteAt(make([]byte, 200), sectorBytes)
	if n != 100 || !errors.Is(err, syscall.ENOSPC) || !IsFull(Full(err)) {
		t.Fatal(n, err)
	}
	_, err = d.Create("b")
	for _, err := range []error{err, d.Rename("a", "c"), f.Truncate(5000)} {
		if !errors.Is(err, syscall.ENOSPC) {
			t.Error(err)
		}
	}
	write(t, f, 0, "overwriting needs no room")
	check(t, f.Truncate(sectorBytes))
	create(t, d, "b")
	check(t, d.Remove("a"))
	if m.Used() != 0 {
		t.Error(m.Used())
	}
	m.SetQuota(0)
	write(t, create(t, d, "c"), 0, strings.Repeat("n", 5000))
}

func TestWipeAndRestore(t *testing.T) {
	m, f := durableFile(t, 1, "a", 1, 'o')
	image := m.Clone()
	write(t, f, 0, "new")
	check(t, f.Datasync())
	create(t, m.Dir(), "b")
	check(t, m.Dir().Sync())
	m.Restore(image)
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, ErrCrashed) {
		t.Error(err)
	}
	for range 2 {
		if names, err := m.Dir().List(); err != nil || len(names) != 1 {
			t.Error(names, err)
		}
		if got := read(t, m.Dir(), "a"); got[0] != 'o' {
			t.Errorf("%q", got[:3])
		}
		m.Crash()
	}
	m.Wipe()
	if names, err := m.Dir().List(); err != nil || len(names) > 0 {
		t.Error(names, err)
	}
	if got := read(t, image.Dir(), "a"); got[0] != 'o' {
		t.Error("the image changed")
	}
}

// TestDisarm: what is armed for another file, or not any more, does not strike.
func TestDisarm(t *testing.T) {
	m, f := durableFile(t, 1, "a", 1, 'o')
	m.Arm(WriteShort, "b")
	write(t, f, 0, "whole")
	m.Arm(WriteShort, "a")
	m.Disarm()
	write(t, f, 0, "whole")
	if len(m.Struck()) > 0 {
		t.Error("it struck")
	}
}
