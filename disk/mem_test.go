package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
)

func write(t *testing.T, f File, off int64, data string) {
	t.Helper()
	if n, err := f.WriteAt([]byte(data), off); err != nil || n != len(data) {
		t.Fatalf("write: %d, %v", n, err)
	}
}

func read(t *testing.T, d Dir, name string) []byte {
	t.Helper()
	f, err := d.OpenRead(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func create(t *testing.T, d Dir, name string) File {
	t.Helper()
	f, err := d.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestDurable: what was synced is there after any crash.
func TestDurable(t *testing.T) {
	for seed := range uint64(200) {
		m := NewMem(seed)
		m.SetGarble(0)
		d := m.Dir()
		f := create(t, d, "a")
		write(t, f, 0, "durable")
		check(t, f.Datasync())
		check(t, d.Sync())
		write(t, f, 2, "XX")
		m.Crash()
		got := string(read(t, m.Dir(), "a"))
		if got != "durable" && got != "duXXble" {
			t.Fatalf("seed %d: %q", seed, got)
		}
	}
}

// TestFates: each way a crash can treat unsynced changes does occur, and no other.
func TestFates(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(400) {
		m := NewMem(seed)
		m.SetGarble(0)
		d := m.Dir()
		f := create(t, d, "a")
		write(t, f, 0, string(bytes.Repeat([]byte{'o'}, 3*sectorBytes)))
		check(t, f.Datasync())
		check(t, d.Sync())
		write(t, f, 100, string(bytes.Repeat([]byte{'n'}, 2*sectorBytes)))
		check(t, f.Truncate(3*sectorBytes-1))
		m.Crash()
		b := read(t, m.Dir(), "a")
		// The write covers part of three sectors; each is old or new as a whole.
		fate := string([]byte{b[100], b[sectorBytes-1], b[sectorBytes], b[2*sectorBytes-1],
			b[2*sectorBytes], b[2*sectorBytes+99], byte('0' + len(b)%2)})
		if fate[0] != fate[1] || fate[2] != fate[3] || fate[4] != fate[5] {
			t.Fatalf("seed %d: a sector was torn: %q", seed, fate)
		}
		if b[99] != 'o' || b[2*sectorBytes+100] != 'o' {
			t.Fatalf("seed %d: what wasn't written changed", seed)
		}
		seen[fate] = true
	}
	if len(seen) != 16 {
		t.Errorf("%d of 16 fates: %v", len(seen), seen)
	}
}

// TestExtendingWrite: a torn write past the end leaves no bytes of anything else.
func TestExtendingWrite(t *testing.T) {
	lengths := map[int]bool{}
	for seed := range uint64(300) {
		m := NewMem(seed)
		m.SetGarble(0)
		d := m.Dir()
		f := create(t, d, "a")
		check(t, d.Sync())
		write(t, f, 0, string(bytes.Repeat([]byte{'n'}, 3*sectorBytes)))
		m.Crash()
		b := read(t, m.Dir(), "a")
		for i, c := range b {
			if c != 'n' && c != 0 || c != b[i/sectorBytes*sectorBytes] {
				t.Fatalf("seed %d: byte %d is %q", seed, i, c)
			}
		}
		lengths[len(b)] = true
	}
	if len(lengths) != 4 {
		t.Errorf("lengths %v", lengths)
	}
}

// TestEntries: of unsynced directory operations a prefix survives.
func TestEntries(t *testing.T) {
	want := [][]string{{"old"}, {"old", "temp"}, {"old"}, {}, {"last"}}
	seen := make([]bool, len(want))
	for seed := range uint64(200) {
		m := NewMem(seed)
		d := m.Dir()
		f := create(t, d, "old")
		write(t, f, 0, "old")
		check(t, f.Datasync())
		check(t, d.Sync())
		f = create(t, d, "temp")
		write(t, f, 0, "new")
		check(t, f.Datasync())
		check(t, d.Rename("temp", "old"))
		check(t, d.Remove("old"))
		create(t, d, "last")
		m.Crash()
		names, err := m.Dir().List()
		check(t, err)
		step := slices.IndexFunc(want, func(w []string) bool { return slices.Equal(w, names) })
		if step < 0 {
			t.Fatalf("seed %d: %v", seed, names)
		}
		if step == 0 && string(read(t, m.Dir(), "old")) == "new" {
			step = 2
		}
		seen[step] = true
	}
	if slices.Contains(seen, false) {
		t.Errorf("prefixes seen: %v", seen)
	}
}

func TestHandlesDie(t *testing.T) {
	for _, kill := range []func(*Mem){(*Mem).Crash, (*Mem).Kill} {
		m := NewMem(1)
		d := m.Dir()
		f := create(t, d, "a")
		check(t, d.Sync())
		kill(m)
		_, err := f.WriteAt([]byte("x"), 0)
		errs := []error{err, f.Datasync(), f.Truncate(1), d.Sync(), d.Remove("a"), d.Rename("a", "b")}
		_, err = f.ReadAt(make([]byte, 1), 0)
		errs = append(errs, err)
		_, err = d.Create("b")
		errs = append(errs, err)
		_, err = d.List()
		errs = append(errs, err)
		_, err = f.Size()
		errs = append(errs, err)
		for i, err := range errs {
			if !errors.Is(err, ErrCrashed) {
				t.Errorf("operation %d: %v", i, err)
			}
		}
		names, err := m.Dir().List()
		if err != nil || !slices.Equal(names, []string{"a"}) {
			t.Error(names, err)
		}
	}
}

// TestKill: the page cache outlives a process.
func TestKill(t *testing.T) {
	m := NewMem(1)
	write(t, create(t, m.Dir(), "a"), 0, "unsynced")
	m.Kill()
	if got := string(read(t, m.Dir(), "a")); got != "unsynced" {
		t.Errorf("%q", got)
	}
}

// TestCrashInTheMiddle: the hook can crash every kind of operation, and the operation is then as
// uncertain as any unsynced one.
func TestCrashInTheMiddle(t *testing.T) {
	for kind := OpCreate; kind <= OpDatasync; kind++ {
		outcomes := map[string]bool{}
		for seed := range uint64(60) {
			m := NewMem(seed)
			d := m.Dir()
			f := create(t, d, "a")
			write(t, f, 0, "1")
			check(t, f.Datasync())
			check(t, d.Sync())
			m.SetHook(func(op Op) error {
				if op.Kind == kind {
					return ErrCrashed
				}
				return nil
			})
			if err := everything(d, f); !errors.Is(err, ErrCrashed) {
				t.Fatalf("%v: %v", kind, err)
			}
			m.SetHook(nil)
			names, err := m.Dir().List()
			check(t, err)
			state := ""
			for _, name := range names {
				state += name + "=" + string(read(t, m.Dir(), name)) + " "
			}
			outcomes[state] = true
		}
		if want := kind.Changes(); want != (len(outcomes) > 1) {
			t.Errorf("%v: %v", kind, outcomes)
		}
	}
}

// everything does one operation of each kind, those that change nothing first.
func everything(d Dir, f File) error {
	if _, err := d.List(); err != nil {
		return err
	}
	if _, err := d.OpenRead("a"); err != nil {
		return err
	}
	if _, err := f.ReadAt(make([]byte, 1), 0); err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte("23"), 0); err != nil {
		return err
	}
	if err := f.Truncate(1); err != nil {
		return err
	}
	if err := f.Datasync(); err != nil {
		return err
	}
	if _, err := d.Create("b"); err != nil {
		return err
	}
	if err := d.Rename("b", "c"); err != nil {
		return err
	}
	if err := d.Remove("c"); err != nil {
		return err
	}
	return d.Sync()
}

// TestFailedDatasync is fsync as Linux has it: the error comes once, the data is gone, still reads
// back, and later syncs report success.
func TestFailedDatasync(t *testing.T) {
	m := NewMem(1)
	d := m.Dir()
	f := create(t, d, "a")
	check(t, d.Sync())
	write(t, f, 0, "lost")
	fail := true
	m.SetHook(func(op Op) error {
		if op.Kind == OpDatasync && fail {
			fail = false
			return syscall.EIO
		}
		return nil
	})
	if err := f.Datasync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	if got := string(read(t, d, "a")); got != "lost" {
		t.Errorf("reads back %q", got)
	}
	write(t, f, 4, "kept")
	check(t, f.Datasync())
	m.Crash()
	if got := string(read(t, m.Dir(), "a")); got != "\x00\x00\x00\x00kept" {
		t.Errorf("after the crash: %q", got)
	}
}

func TestFullDisk(t *testing.T) {
	lengths := map[int]bool{}
	for seed := range uint64(100) {
		m := NewMem(seed)
		f := create(t, m.Dir(), "a")
		m.SetHook(func(op Op) error {
			if op.Kind == OpWrite || op.Kind == OpCreate {
				return syscall.ENOSPC
			}
			return nil
		})
		n, err := f.WriteAt([]byte("abc"), 0)
		if !errors.Is(err, syscall.ENOSPC) || n > 3 {
			t.Fatal(n, err)
		}
		if got := string(read(t, m.Dir(), "a")); got != "abc"[:n] {
			t.Fatalf("%d bytes written, %q read", n, got)
		}
		lengths[n] = true
		if _, err := m.Dir().Create("b"); !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		names, err := m.Dir().List()
		if err != nil || len(names) != 1 {
			t.Fatal(names, err)
		}
	}
	if len(lengths) != 4 {
		t.Errorf("partial writes of %v", lengths)
	}
}

func TestErrors(t *testing.T) {
	m := NewMem(1)
	d := m.Dir()
	f := create(t, d, "a")
	_, createErr := d.Create("a")
	_, openErr := d.Open("b")
	r, err := d.OpenRead("a")
	check(t, err)
	_, writeErr := r.WriteAt([]byte("x"), 0)
	_, eof := f.ReadAt(make([]byte, 1), 0)
	_, negative := f.WriteAt([]byte("x"), -1)
	check(t, f.Close())
	for _, c := range []struct{ got, want error }{
		{createErr, fs.ErrExist},
		{openErr, fs.ErrNotExist},
		{d.Remove("b"), fs.ErrNotExist},
		{d.Rename("b", "c"), fs.ErrNotExist},
		{writeErr, fs.ErrPermission},
		{r.Datasync(), fs.ErrPermission},
		{r.Truncate(0), fs.ErrPermission},
		{eof, io.EOF},
		{negative, fs.ErrInvalid},
		{f.Close(), fs.ErrClosed},
		{f.Datasync(), fs.ErrClosed},
		{m.Flip("a", 0, 1), fs.ErrNotExist},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%v, want %v", c.got, c.want)
		}
	}
}

// TestDeterminism: equal seeds and operations give equal disks, and a clone has the same luck.
func TestDeterminism(t *testing.T) {
	for seed := range uint64(30) {
		a, b := NewMem(seed), NewMem(seed)
		for i, m := range []*Mem{a, b} {
			churn(m, rand.New(rand.NewPCG(seed, 1)), 100)
			if i == 1 {
				b = m.Clone()
			}
			m.Crash()
		}
		b.Crash()
		if !equal(t, a, b) {
			t.Fatalf("seed %d: the disks differ", seed)
		}
	}
}

func equal(t *testing.T, a, b *Mem) bool {
	t.Helper()
	x, err := a.Dir().List()
	check(t, err)
	y, err := b.Dir().List()
	check(t, err)
	if !slices.Equal(x, y) {
		return false
	}
	for _, name := range x {
		if !bytes.Equal(read(t, a.Dir(), name), read(t, b.Dir(), name)) {
			return false
		}
	}
	return true
}

// churn does n random operations.
func churn(m *Mem, r *rand.Rand, n int) {
	d := m.Dir()
	for range n {
		name, other := string(rune('a'+r.IntN(4))), string(rune('e'+r.IntN(4)))
		f, err := d.Open(name)
		if err != nil {
			f, _ = d.Create(name)
		}
		b := make([]byte, r.IntN(3000))
		if r.IntN(2) == 0 {
			for i := range b {
				b[i] = byte(r.Uint32())
			}
		}
		switch r.IntN(8) {
		case 0:
			_ = d.Rename(name, other)
		case 1:
			_ = d.Remove(other)
		case 2:
			_ = d.Sync()
		case 3:
			_ = f.Datasync()
		case 4:
			_ = f.Truncate(int64(r.IntN(9000)))
		default:
			_, _ = f.WriteAt(b, int64(r.IntN(9000)))
		}
	}
}
