package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"

	"drystone/disk"
)

func hex32(c string) string { return strings.Repeat(c, 32) }

func want(node uint64) Identity {
	return Identity{Node: node, Incarnation: hex32("a"), Engine: "native"}
}

func TestIdentity(t *testing.T) {
	for name, d := range map[string]func() disk.Dir{
		"memory": disk.NewMem(1).Dir,
		"real": func() disk.Dir {
			d, err := disk.OS(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			return d
		},
	} {
		d := d()
		id, err := OpenIdentity(d, want(3))
		if err != nil || id.Boot != 1 || id.Node != 3 || id.Incarnation != hex32("a") {
			t.Fatal(name, id, err)
		}
		formed := id.Form([]PeerIdentity{{5, hex32("c")}, {3, hex32("a")}, {4, hex32("b")}})
		if err := SaveIdentity(d, formed); err != nil {
			t.Fatal(err)
		}
		again := want(3)
		again.Incarnation = hex32("f") // drawn anew at each start; only an empty directory takes it
		id, err = OpenIdentity(d, again)
		if err != nil || id.Boot != 2 || id.Cluster != formed.Cluster || id.Incarnation != hex32("a") ||
			!slices.Equal(id.Peers, formed.Peers) || id.Peers[0].Node != 3 {
			t.Fatal(name, id, err)
		}
		loaded, err := LoadIdentity(d)
		if err != nil || fmt.Sprint(loaded) != fmt.Sprint(id) {
			t.Fatal(name, loaded, err)
		}
	}
}

func TestForm(t *testing.T) {
	peers := []PeerIdentity{{1, hex32("a")}, {2, hex32("b")}}
	id, other := want(1).Form(peers), want(2).Form([]PeerIdentity{peers[1], peers[0]})
	if len(id.Cluster) != 32 || id.Cluster != other.Cluster {
		t.Error("two nodes that met the same peers disagree")
	}
	for _, other := range [][]PeerIdentity{
		{{1, hex32("a")}, {2, hex32("c")}},
		{{1, hex32("a")}, {3, hex32("b")}},
		{{1, hex32("a")}},
	} {
		if id.Cluster == want(1).Form(other).Cluster {
			t.Errorf("%v and %v are one cluster", peers, other)
		}
	}
}

func TestForeignDirectory(t *testing.T) {
	m := disk.NewMem(1)
	id, err := OpenIdentity(m.Dir(), want(3))
	if err != nil {
		t.Fatal(err)
	}
	if err := SaveIdentity(m.Dir(), id.Form([]PeerIdentity{{3, hex32("a")}})); err != nil {
		t.Fatal(err)
	}
	before := m.Ops()
	for _, c := range []struct {
		change func(*Identity)
		says   string
	}{
		{func(i *Identity) { i.Node = 4 }, "belongs to node 3, not to node 4"},
		{func(i *Identity) { i.Engine = "etcd" }, "engine native, not with etcd"},
		{func(i *Identity) { i.Cluster = hex32("0") }, "not to cluster 0000"},
	} {
		w := want(3)
		c.change(&w)
		_, err := OpenIdentity(m.Dir(), w)
		var foreign *ForeignError
		if !errors.As(err, &foreign) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %s", err, c.says)
		}
	}
	if changed := m.Ops() - before; changed != 6 {
		t.Errorf("%d operations for three refusals: not only reading", changed)
	}
}

func TestDamagedIdentity(t *testing.T) {
	m := disk.NewMem(1)
	id, err := OpenIdentity(m.Dir(), want(3))
	if err != nil {
		t.Fatal(err)
	}
	b, err := id.encode()
	if err != nil {
		t.Fatal(err)
	}
	var damage *disk.DamageError
	for off := range int64(len(b)) {
		c := m.Clone()
		if err := c.Flip(identityName, off, 4); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenIdentity(c.Dir(), want(3)); !errors.As(err, &damage) {
			t.Fatalf("byte %d: %v", off, err)
		}
		if _, err := decodeIdentity(b[:off]); !errors.As(err, &damage) {
			t.Fatalf("cut at %d: %v", off, err)
		}
	}
	if _, err := decodeIdentity(append(b, '\n')); !errors.As(err, &damage) {
		t.Error(err)
	}
	// A log without an identity: nobody knows what it promised, or to whom.
	if _, _, err := Open(m.Dir(), id, Options{SegmentBytes: 2048}); err != nil {
		t.Fatal(err)
	}
	if err := m.Dir().Remove(identityName); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenIdentity(m.Dir(), want(3)); !errors.As(err, &damage) {
		t.Error(err)
	}
	if _, err := LoadIdentity(m.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestFirstStart crashes everywhere in the first starts of a directory. A Boot that was told is
// never told again, nor another incarnation once one was told.
func TestFirstStart(t *testing.T) {
	for seed := range uint64(10) {
		for n := 1; n < 40; n++ {
			m := disk.NewMem(seed<<16 + uint64(n))
			left := n
			m.SetHook(func(op disk.Op) error {
				if op.Kind.Changes() {
					if left--; left == 0 {
						return disk.ErrCrashed
					}
				}
				return nil
			})
			var told Identity
			for start := range 6 {
				w := want(3)
				w.Incarnation = hex32(string(rune('a' + start)))
				id, err := OpenIdentity(m.Dir(), w)
				if errors.Is(err, disk.ErrCrashed) {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if id.Boot <= told.Boot || told.Boot > 0 && id.Incarnation != told.Incarnation {
					t.Fatalf("seed %d, operation %d: %v after %v", seed, n, id, told)
				}
				told = id
				m.Crash()
			}
		}
	}
}

// TestStartOnFullDisk: the spare segment is given up for the few bytes that a start writes.
func TestStartOnFullDisk(t *testing.T) {
	m := disk.NewMem(1)
	id, err := OpenIdentity(m.Dir(), want(3))
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := Open(m.Dir(), id, Options{SegmentBytes: 2048})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Prepare(); err != nil {
		t.Fatal(err)
	}
	m.Kill()
	full := true
	m.SetHook(func(op disk.Op) error {
		switch {
		case op.Kind == disk.OpRemove && op.Name == "spare":
			full = false
		case op.Kind == disk.OpWrite && full:
			return syscall.ENOSPC
		}
		return nil
	})
	if again, err := OpenIdentity(m.Dir(), want(3)); err != nil || again.Boot != id.Boot+1 {
		t.Fatal(again, err)
	}
	m.Crash()
	if _, _, err := Open(m.Dir(), id, Options{SegmentBytes: 2048}); err != nil {
		t.Fatal(err)
	}
}

func TestBootstrap(t *testing.T) {
	self := PeerIdentity{2, hex32("b")}
	b := NewBootstrap(self, []uint64{3, 1, 2})
	meet := func(node uint64, c string, changed, ok bool) {
		t.Helper()
		got, err := b.Meet(PeerIdentity{node, hex32(c)})
		if got != changed || (err == nil) != ok {
			t.Errorf("meeting %d as %s: %v, %v", node, c, got, err)
		}
	}
	if got := b.Missing(); !slices.Equal(got, []uint64{1, 3}) || b.Complete() {
		t.Error(got)
	}
	meet(2, "b", false, true)  // itself
	meet(2, "c", false, false) // someone who takes its place
	meet(4, "d", false, false) // not in the cluster
	meet(3, "", false, false)
	meet(3, "c", true, true)
	meet(3, "c", false, true)
	if got := b.Missing(); !slices.Equal(got, []uint64{1}) {
		t.Error(got)
	}
	meet(1, "a", true, true)
	if !b.Complete() {
		t.Error("not complete")
	}
	meet(3, "d", true, true) // wiped, and met again
	id := b.Form(want(2))
	same := want(2).Form([]PeerIdentity{{1, hex32("a")}, self, {3, hex32("d")}})
	if id.Cluster != same.Cluster || !slices.Equal(id.Peers, same.Peers) {
		t.Error(id)
	}
	if alone := NewBootstrap(self, nil); !alone.Complete() {
		t.Error("a cluster of one waits for somebody")
	}
}

func FuzzIdentity(f *testing.F) {
	b, err := want(3).Form([]PeerIdentity{{3, hex32("a")}}).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:10])
	f.Add([]byte("{}\n00000000\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := decodeIdentity(b)
		if err != nil {
			return
		}
		again, err := id.encode()
		if err != nil {
			t.Fatal(err)
		}
		same, err := decodeIdentity(again)
		if err != nil || fmt.Sprint(same) != fmt.Sprint(id) {
			t.Fatalf("%+v becomes %+v, %v", id, same, err)
		}
	})
}
