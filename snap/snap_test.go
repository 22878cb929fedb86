package snap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"

	"drystone/disk"
	"drystone/raft"
)

// content writes itself in parts of the given size.
type content struct {
	data []byte
	part int
}

func (c content) WriteTo(w io.Writer) (n int64, err error) {
	for b := c.data; len(b) > 0 && err == nil; {
		var m int
		m, err = w.Write(b[:min(len(b), c.part)])
		n, b = n+int64(m), b[m:]
	}
	return n, err
}

func text(n int) content {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return content{b, 1 + n/3}
}

func metaOf(index raft.Index, term raft.Term) raft.SnapshotMeta {
	return raft.SnapshotMeta{LastIncludedIndex: index, LastIncludedTerm: term,
		Members: raft.Members{Voters: []raft.NodeID{1, 2, 3}, Next: []raft.NodeID{3, 4},
			Learners: []raft.NodeID{5}, Directory: []byte("who")}}
}

func save(t *testing.T, d disk.Dir, meta raft.SnapshotMeta, c content) Info {
	t.Helper()
	info, err := Save(d, meta, c)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func readAll(d disk.Dir, info Info) (raft.SnapshotMeta, []byte, error) {
	meta, r, err := Open(d, info)
	if err != nil {
		return meta, nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return meta, b, err
}

func TestRoundTrip(t *testing.T) {
	sizes := []int{0, 1, 100, maxChunkBytes - 1, maxChunkBytes, maxChunkBytes + 1, 3 * maxChunkBytes,
		syncBytes + 5}
	for i, n := range sizes {
		m := disk.NewMem(1)
		c := text(n)
		want := metaOf(raft.Index(i+1), 7)
		info := save(t, m.Dir(), want, c)
		m.Crash()
		list, err := List(m.Dir())
		if err != nil || len(list) != 1 || list[0] != info {
			t.Fatalf("%d bytes: %v, %v; saved %v", n, list, err, info)
		}
		meta, got, err := readAll(m.Dir(), info)
		if err != nil || !bytes.Equal(got, c.data) || fmt.Sprint(meta) != fmt.Sprint(want) {
			t.Errorf("%d bytes: %d read, %v, %v", n, len(got), meta, err)
		}
		if err := Verify(m.Dir(), info); err != nil {
			t.Error(err)
		}
	}
}

func TestOnRealDisk(t *testing.T) {
	d, err := disk.OS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := text(100_000)
	for range 2 { // the second replaces the first
		info := save(t, d, metaOf(4, 2), c)
		if _, got, err := readAll(d, info); err != nil || !bytes.Equal(got, c.data) {
			t.Fatal(len(got), err)
		}
	}
	list, err := List(d)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if err := Remove(d, list[0]); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(d, list[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestNewestFirst: by number, not as strings of different lengths (9, 10, 99, 100).
func TestNewestFirst(t *testing.T) {
	d := disk.NewMem(1).Dir()
	for _, index := range []raft.Index{9, 100, 10, 99, 1 << 40} {
		save(t, d, metaOf(index, 1), text(1))
	}
	save(t, d, metaOf(99, 2), text(1))
	for _, name := range []string{"snap-1-1", "snap-", "snap-0000000000000007-000000000000000g",
		FileName(metaOf(500, 1)) + ".old"} {
		if _, err := d.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	list, err := List(d)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range list {
		got = append(got, fmt.Sprintf("%d@%d", i.Index, i.Term))
	}
	if want := "1099511627776@1 100@1 99@2 99@1 10@1 9@1"; strings.Join(got, " ") != want {
		t.Errorf("%v", got)
	}
}

// TestEveryFlippedByte: none goes unnoticed.
func TestEveryFlippedByte(t *testing.T) {
	m := disk.NewMem(1)
	info := save(t, m.Dir(), metaOf(4, 2), text(700))
	for off := range info.Bytes {
		if err := m.Flip(info.Name, off, 1<<(off%8)); err != nil {
			t.Fatal(err)
		}
		var damage *DamageError
		err := Verify(m.Dir(), info)
		if !errors.As(err, &damage) || damage.File != info.Name || damage.Offset > off {
			t.Fatalf("byte %d: %v", off, err)
		}
		if err := m.Flip(info.Name, off, 1<<(off%8)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Verify(m.Dir(), info); err != nil {
		t.Fatal(err)
	}
}

func TestEveryTruncation(t *testing.T) {
	m := disk.NewMem(1)
	info := save(t, m.Dir(), metaOf(4, 2), text(300))
	f, err := m.Dir().Open(info.Name)
	if err != nil {
		t.Fatal(err)
	}
	var damage *DamageError
	if _, err := f.WriteAt([]byte{0}, info.Bytes); err != nil {
		t.Fatal(err)
	}
	if err := Verify(m.Dir(), info); !errors.As(err, &damage) {
		t.Errorf("a byte too many: %v", err)
	}
	for size := info.Bytes - 1; size >= 0; size-- {
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		if err := Verify(m.Dir(), info); !errors.As(err, &damage) {
			t.Fatalf("%d of %d bytes: %v", size, info.Bytes, err)
		}
	}
}

// TestSwappedChunks: each is whole, but not in its place.
func TestSwappedChunks(t *testing.T) {
	m := disk.NewMem(1)
	c := text(3 * maxChunkBytes)
	info := save(t, m.Dir(), metaOf(4, 2), c)
	f, err := m.Dir().Open(info.Name)
	if err != nil {
		t.Fatal(err)
	}
	const chunk = chunkHead + maxChunkBytes
	from := int64(len(appendHead(nil, metaOf(4, 2))))
	b := make([]byte, 2*chunk)
	if _, err := f.ReadAt(b, from); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(append(b[chunk:2*chunk:2*chunk], b[:chunk]...), from); err != nil {
		t.Fatal(err)
	}
	var damage *DamageError
	if err := Verify(m.Dir(), info); !errors.As(err, &damage) || damage.Offset != from {
		t.Error(err)
	}
}

// TestAnothersName: a snapshot under another's name is not believed.
func TestAnothersName(t *testing.T) {
	d := disk.NewMem(1).Dir()
	info := save(t, d, metaOf(4, 2), text(9))
	other := Info{Name: FileName(metaOf(5, 2)), Index: 5, Term: 2}
	if err := d.Rename(info.Name, other.Name); err != nil {
		t.Fatal(err)
	}
	var damage *DamageError
	if err := Verify(d, other); !errors.As(err, &damage) {
		t.Error(err)
	}
}

// TestCrashAtEveryOperation: a snapshot is whole or not there, an older one never suffers, and what
// a crash leaves can be cleaned and saved again.
func TestCrashAtEveryOperation(t *testing.T) {
	for seed := range uint64(20) {
		for n := 1; ; n++ {
			m := disk.NewMem(seed<<16 + uint64(n))
			old := save(t, m.Dir(), metaOf(4, 2), text(900))
			left := n
			m.SetHook(func(op disk.Op) error {
				if op.Kind.Changes() {
					if left--; left == 0 {
						return disk.ErrCrashed
					}
				}
				return nil
			})
			_, saveErr := Save(m.Dir(), metaOf(8, 2), text(5000))
			m.SetHook(nil)
			if saveErr != nil && !errors.Is(saveErr, disk.ErrCrashed) {
				t.Fatal(saveErr)
			}
			m.Crash()
			d := m.Dir()
			if err := Clean(d); err != nil {
				t.Fatal(err)
			}
			list, err := List(d)
			if err != nil || !slices.Contains(list, old) || len(list) > 2 {
				t.Fatalf("seed %d, operation %d: %v, %v", seed, n, list, err)
			}
			if saveErr == nil && len(list) != 2 {
				t.Fatalf("seed %d: what was saved is gone", seed)
			}
			for _, info := range list {
				if err := Verify(d, info); err != nil {
					t.Fatalf("seed %d, operation %d: %v", seed, n, err)
				}
			}
			names, err := d.List()
			if err != nil || len(names) != len(list) {
				t.Fatalf("seed %d, operation %d: %v stay", seed, n, names)
			}
			info := save(t, d, metaOf(8, 2), text(5000))
			if err := Verify(d, info); err != nil {
				t.Fatal(err)
			}
			if saveErr == nil {
				break
			}
		}
	}
}

// TestFailedSave: any error leaves the directory without the snapshot and without the rest of it.
func TestFailedSave(t *testing.T) {
	for _, kind := range []disk.OpKind{disk.OpCreate, disk.OpWrite, disk.OpDatasync} {
		m := disk.NewMem(1)
		m.SetHook(func(op disk.Op) error {
			if op.Kind == kind {
				return syscall.ENOSPC
			}
			return nil
		})
		_, err := Save(m.Dir(), metaOf(4, 2), text(10))
		names, listErr := m.Dir().List()
		if !errors.Is(err, syscall.ENOSPC) || !disk.IsFull(err) || listErr != nil || len(names) > 0 {
			t.Errorf("%v: %v, %v", kind, err, names)
		}
	}
	broken := errors.New("broken")
	m := disk.NewMem(1)
	if _, err := Save(m.Dir(), metaOf(4, 2), failing{broken}); !errors.Is(err, broken) {
		t.Error(err)
	}
	if list, err := List(m.Dir()); err != nil || len(list) > 0 {
		t.Error(list, err)
	}
}

// TestPieceOfAnother: a piece of another snapshot is noticed, though its own checksum is right and
// it stands where such a piece belongs: a disk may write to the wrong file, or not at all.
func TestPieceOfAnother(t *testing.T) {
	m := disk.NewMem(1)
	var infos []Info
	for i := range 2 {
		info, err := Save(m.Dir(), metaOf(raft.Index(4+i), 2), text(2*maxChunkBytes+i))
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, info)
	}
	head := int64(headBytes + len(appendMeta(nil, metaOf(4, 2))))
	for _, piece := range []struct{ at, n int64 }{
		{head, chunkHead + maxChunkBytes},
		{head + chunkHead + maxChunkBytes, chunkHead + maxChunkBytes},
	} {
		m := m.Clone()
		from, err := m.Dir().OpenRead(infos[1].Name)
		if err != nil {
			t.Fatal(err)
		}
		to, err := m.Dir().Open(infos[0].Name)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, piece.n)
		if _, err := from.ReadAt(b, piece.at); err != nil {
			t.Fatal(err)
		}
		if _, err := to.WriteAt(b, piece.at); err != nil {
			t.Fatal(err)
		}
		var damage *DamageError
		if err := Verify(m.Dir(), infos[0]); !errors.As(err, &damage) || damage.Offset != piece.at {
			t.Errorf("chunk at %d: %v", piece.at, err)
		}
	}
}

type failing struct{ err error }

func (f failing) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(make([]byte, 2*maxChunkBytes))
	if err == nil {
		err = f.err
	}
	return int64(n), err
}

func FuzzRead(f *testing.F) {
	m := disk.NewMem(1)
	info, err := Save(m.Dir(), metaOf(4, 2), text(40))
	if err != nil {
		f.Fatal(err)
	}
	file, err := m.Dir().OpenRead(info.Name)
	if err != nil {
		f.Fatal(err)
	}
	b := make([]byte, info.Bytes)
	if _, err := file.ReadAt(b, 0); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add(b[:headBytes])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := disk.NewMem(1)
		info := Info{Name: FileName(metaOf(4, 2)), Index: 4, Term: 2}
		file, err := m.Dir().Create(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		meta, got, err := readAll(m.Dir(), info)
		var damage *DamageError
		if errors.As(err, &damage) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		// The chunks' sizes are the writer's choice; what they hold is not.
		again, err := Save(m.Dir(), meta, content{got, 1 + len(got)})
		if err != nil {
			t.Fatal(err)
		}
		if _, same, err := readAll(m.Dir(), again); err != nil || !bytes.Equal(same, got) {
			t.Fatal(err)
		}
	})
}

func FuzzMeta(f *testing.F) {
	f.Add(appendMeta(nil, metaOf(4, 2)))
	f.Add(appendMeta(nil, raft.SnapshotMeta{}))
	f.Add(bytes.Repeat([]byte{0xff}, 80))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := decodeMeta(b); err == nil && !bytes.Equal(appendMeta(nil, m), b) {
			t.Fatalf("%x decodes to %v", b, m)
		}
	})
}
