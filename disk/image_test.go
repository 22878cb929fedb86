package disk

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestImage compares an image with a plain slice.
func TestImage(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 0))
		var m image
		var want []byte
		for range 200 {
			at, n := r.IntN(3*pageBytes), r.IntN(2*pageBytes)
			switch r.IntN(4) {
			case 0:
				want = grow(want, at)[:at]
				m.truncate(int64(at))
			case 1:
				want = grow(want, at+n)
				clear(want[at : at+n])
				m.zero(int64(at), int64(n))
			default:
				p := bytes.Repeat([]byte{byte(1 + r.IntN(255))}, n)
				want = grow(want, at+n)
				copy(want[at:], p)
				m.write(p, int64(at))
			}
			got := make([]byte, len(want)+10)
			if read := m.read(got, 0); read != len(want) || !bytes.Equal(got[:read], want) {
				t.Fatalf("seed %d: %d of %d bytes", seed, read, len(want))
			}
		}
		if c := m.clone(); len(want) > 0 {
			c.write([]byte{want[0] + 1}, 0)
			var b [1]byte
			if m.read(b[:], 0); b[0] != want[0] {
				t.Fatal("a clone shares its pages")
			}
		}
	}
}

func grow(b []byte, n int) []byte {
	if n > len(b) {
		b = append(b, make([]byte, n-len(b))...)
	}
	return b
}

// TestZerosAreFree: a pre-zeroed segment costs its page table.
func TestZerosAreFree(t *testing.T) {
	m := NewMem(1)
	f := create(t, m.Dir(), "a")
	zeros := make([]byte, 1<<20)
	for i := range int64(64) {
		if _, err := f.WriteAt(zeros, i<<20); err != nil {
			t.Fatal(err)
		}
	}
	check(t, f.Datasync())
	node := m.now["a"]
	for _, image := range []*image{&node.now, &node.durable} {
		for _, p := range image.pages {
			if p != nil {
				t.Fatal("a page of zeros is kept")
			}
		}
	}
	if cap(node.arena) > 0 {
		t.Errorf("%d bytes of zeros are kept", cap(node.arena))
	}
}

func BenchmarkMemAppend(b *testing.B) {
	m := NewMem(1)
	f, err := m.Dir().Create("a")
	if err != nil {
		b.Fatal(err)
	}
	p := bytes.Repeat([]byte("drystone"), 32)
	b.ReportAllocs()
	for i := range b.N {
		if _, err := f.WriteAt(p, int64(i%1024)*256); err != nil {
			b.Fatal(err)
		}
		if err := f.Datasync(); err != nil {
			b.Fatal(err)
		}
	}
}
