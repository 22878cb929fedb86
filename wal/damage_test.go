package wal

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"drystone/disk"
	"drystone/raft"
)

// history is a log together with what it held after each append.
type history struct {
	mem    *disk.Mem
	states []model
}

func makeHistory(t *testing.T, seed uint64, appends int, o Options) history {
	t.Helper()
	h := history{mem: disk.NewMem(seed)}
	l, _ := mustOpen(t, h.mem.Dir(), o)
	s := newScript(seed)
	h.states = append(h.states, model{})
	for len(h.states) <= appends {
		m := h.states[len(h.states)-1]
		a := s.appends(m)
		before := l.number
		mustAppend(t, l, a)
		if l.number != before {
			h.states = append(h.states, m.apply(a))
		}
	}
	h.mem.Crash()
	return h
}

// age is how many appends are missing from what was recovered; -1: it is none of the states.
func (h history) age(r Recovered) int {
	for i := len(h.states) - 1; i >= 0; i-- {
		if h.states[i].equals(r) == nil {
			return len(h.states) - 1 - i
		}
	}
	return -1
}

// newest is the name and length of the newest segment, and the end of its last two groups.
func newest(t *testing.T, mem *disk.Mem) (name string, size, beforeLast, end int64) {
	t.Helper()
	s, err := look(mem.Dir())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.walk(func(f *segmentFile, g group) error {
		name, size, beforeLast, end = f.name, f.size, g.offset, g.end()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return name, size, beforeLast, end
}

// checkUsable appends to what is left of a log and reads it back.
func checkUsable(l *Log, r Recovered, mem *disk.Mem) error {
	m := model{hard: r.Hard, marker: r.Snapshot, base: r.PrevIndex, entries: r.Entries}
	s := newScript(5)
	s.committed = m.last()
	for range 10 {
		a := s.appends(m)
		if err := l.Append(a); err != nil {
			return err
		}
		m = m.apply(a)
	}
	mem.Crash()
	_, r, err := Open(mem.Dir(), tiny(99))
	if err != nil {
		return err
	}
	return m.equals(r)
}

// check opens a log that was tampered with. At most the last group may be missing without a word,
// and only if missing says so; whatever opens can be lived with, if usable asks for it.
func (h history) check(mem *disk.Mem, missing int, usable bool) error {
	l, r, err := Open(mem.Dir(), tiny(50))
	var damage *DamageError
	switch {
	case errors.As(err, &damage):
		return nil
	case err != nil:
		return err
	}
	if age := h.age(r); age < 0 || age > missing {
		return fmt.Errorf("%d appends are missing", age)
	}
	if !usable {
		return nil
	}
	return checkUsable(l, r, mem)
}

func TestEveryFlippedByte(t *testing.T) {
	h := makeHistory(t, 3, 30, tiny(1))
	name, size, beforeLast, _ := newest(t, h.mem)
	names, err := h.mem.Dir().List()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range names[max(0, len(names)-3):] {
		for off := range int64(4096) {
			mem := h.mem.Clone()
			if mem.Flip(file, off, 1<<(off%8)) != nil {
				break // behind the end
			}
			missing := 0
			if file == name && off >= beforeLast {
				missing = 1 // rot of the very last group is indistinguishable from a torn one
			}
			if err := h.check(mem, missing, true); err != nil {
				t.Fatalf("byte %d of %s (last group at %d of %d): %v", off, file, beforeLast, size, err)
			}
		}
	}
}

func TestEveryTruncation(t *testing.T) {
	o := tiny(1)
	o.SegmentBytes = 4096
	h := makeHistory(t, 4, 24, o)
	name, size, _, end := newest(t, h.mem)
	for _, mode := range []string{"cut", "zeros", "garbage"} {
		for off := int64(0); off < end; off++ {
			if mode != "cut" && off%3 > 0 {
				continue
			}
			mem := h.mem.Clone()
			if err := spoil(mem, name, off, size, mode); err != nil {
				t.Fatal(err)
			}
			// All that told of the groups behind is gone with them. But what opens is a state that
			// once was, and the log goes on from there.
			if err := h.check(mem, len(h.states), off%8 == 0); err != nil {
				t.Fatalf("%s at %d of %s: %v", mode, off, name, err)
			}
		}
	}
}

// TestShortSegment: a newest segment that lost its end opens as torn, wherever it was cut: what is
// left does not say that there was more. It is never taken for clean.
func TestShortSegment(t *testing.T) {
	mem := disk.NewMem(1)
	l, _ := mustOpen(t, mem.Dir(), tiny(1))
	mustAppend(t, l, entries(1, 1, 1, "a"))
	mustAppend(t, l, entries(1, 2, 1, "b"))
	name, size, _, _ := newest(t, mem)
	first := l.segments[0].end - 2*(headerBytes+entryBytes+alignBytes) - hardBytes
	for off := first; off < size; off++ {
		mem := mem.Clone()
		if err := spoil(mem, name, off, size, "cut"); err != nil {
			t.Fatal(err)
		}
		l, found, err := Open(mem.Dir(), tiny(2))
		if err != nil || found.Torn == nil {
			t.Fatalf("cut at %d of %d: torn %v, %v", off, size, found.Torn, err)
		}
		mustAppend(t, l, entries(1, raft.Index(len(found.Entries)+1), 1, "c"))
		mem.Crash()
		if _, again := mustOpen(t, mem.Dir(), tiny(3)); len(again.Entries) != len(found.Entries)+1 {
			t.Fatalf("cut at %d of %d: %d entries after one more", off, size, len(again.Entries))
		}
	}
}

// spoil destroys a file from off on.
func spoil(mem *disk.Mem, name string, off, size int64, mode string) error {
	f, err := mem.Dir().Open(name)
	if err != nil {
		return err
	}
	rest := make([]byte, size-off)
	switch mode {
	case "cut":
		if err := f.Truncate(off); err != nil {
			return err
		}
		return f.Datasync()
	case "garbage":
		for i := range rest {
			rest[i] = byte(i*i + i/7)
		}
	}
	if _, err := f.WriteAt(rest, off); err != nil {
		return err
	}
	return f.Datasync()
}

// TestTornOrDamaged is DESIGN's distinction, case by case.
func TestTornOrDamaged(t *testing.T) {
	h := makeHistory(t, 6, 30, tiny(1))
	name, _, beforeLast, _ := newest(t, h.mem)
	s, err := look(h.mem.Dir())
	if err != nil {
		t.Fatal(err)
	}
	older := s.files[s.chain[len(s.chain)-2]].name
	for _, c := range []struct {
		claim  string
		file   string
		off    int64
		damage string // part of the message; "" for a torn tail
	}{
		{"the last group's header", name, beforeLast + 9, ""},
		{"the last group's payload", name, beforeLast + headerBytes + 3, ""},
		{"the first group of the newest segment", name, 60, "durable up to group"},
		{"the header of the newest segment's first group", name, 10, "durable up to group"},
		{"the first group of an older segment", older, 60, "fails to check"},
	} {
		mem := h.mem.Clone()
		if err := mem.Flip(c.file, c.off, 0x10); err != nil {
			t.Fatal(err)
		}
		_, r, err := Open(mem.Clone().Dir(), tiny(2))
		verdict, scanErr := Scan(mem.Dir(), func(Record) {})
		if scanErr != nil {
			t.Fatal(scanErr)
		}
		if c.damage == "" {
			if err != nil || r.Torn == nil || h.age(r) != 1 || verdict.Class != TornTail {
				t.Errorf("%s: %v, torn %v, age %d, %v", c.claim, err, r.Torn, h.age(r), verdict)
			}
			continue
		}
		var d *DamageError
		if !errors.As(err, &d) || !strings.Contains(err.Error(), c.damage) || d.File != c.file {
			t.Errorf("%s: %v", c.claim, err)
		}
		if verdict.Class != Corrupt || verdict.File != c.file || verdict.Offset != d.Offset {
			t.Errorf("%s: %v, want %v", c.claim, verdict, d)
		}
	}
}

func TestMissingSegment(t *testing.T) {
	h := makeHistory(t, 7, 30, tiny(1))
	names, err := h.mem.Dir().List()
	if err != nil || len(names) < 4 {
		t.Fatal(names, err)
	}
	for i, name := range names[1 : len(names)-1] {
		mem := h.mem.Clone()
		if err := mem.Dir().Remove(name); err != nil {
			t.Fatal(err)
		}
		_, _, err := Open(mem.Dir(), tiny(2))
		var d *DamageError
		if !errors.As(err, &d) {
			t.Errorf("without segment %d of %d: %v", i+1, len(names), err)
		}
	}
}

// TestCutStaysCut: what was torn in one life is not read in a later one, even when the new groups
// are byte for byte as long as the old ones.
func TestCutStaysCut(t *testing.T) {
	mem := disk.NewMem(1)
	l, _ := mustOpen(t, mem.Dir(), Options{Node: 1, Salt: 1})
	mustAppend(t, l, entries(1, 1, 3, "kept"))
	mustAppend(t, l, entries(1, 4, 1, "torn"))
	mustAppend(t, l, entries(1, 5, 1, "more"))
	name, _, last, _ := newest(t, mem)
	image := mem.Clone()
	if err := mem.Flip(name, last+headerBytes+25, 1); err != nil {
		t.Fatal(err)
	}
	l, r := mustOpen(t, mem.Dir(), Options{Node: 1, Salt: 2})
	if r.Torn == nil || len(r.Entries) != 4 {
		t.Fatalf("torn %v, %d entries", r.Torn, len(r.Entries))
	}
	mustAppend(t, l, entries(1, 5, 1, "anew"))
	// The torn group reads whole again: the page it was on came back.
	if err := mem.Flip(name, last+headerBytes+25, 1); err != nil {
		t.Fatal(err)
	}
	_, r = mustOpen(t, mem.Dir(), Options{Node: 1, Salt: 3})
	if len(r.Entries) != 5 || string(r.Entries[4].Data) != "anew" || r.Torn != nil {
		t.Fatalf("%d entries, the last %q, torn %v", len(r.Entries), r.Entries[4].Data, r.Torn)
	}
	_, r = mustOpen(t, image.Dir(), Options{Node: 1, Salt: 3})
	if len(r.Entries) != 5 || string(r.Entries[4].Data) != "more" {
		t.Fatalf("the image holds %d entries", len(r.Entries))
	}
}

// TestForgedGroup: a client's value that looks like a group of this very segment is not taken for a
// witness, because its author can't know the salt.
func TestForgedGroup(t *testing.T) {
	mem := disk.NewMem(1)
	l, _ := mustOpen(t, mem.Dir(), Options{Node: 1, Salt: 0xfeed})
	forged := make([]byte, 8192)
	for off := 0; off+headerBytes <= len(forged); off += alignBytes * 6 {
		header{generation: 1, number: 900, durable: 899}.put(forged[off:], mix(0, 1))
	}
	mustAppend(t, l, entries(1, 1, 1, "kept"))
	mustAppend(t, l, entries(1, 2, 1, string(forged)))
	name, _, last, _ := newest(t, mem)
	if err := mem.Flip(name, last+20, 1); err != nil {
		t.Fatal(err)
	}
	_, r := mustOpen(t, mem.Dir(), Options{Node: 1, Salt: 2})
	if len(r.Entries) != 1 || r.Torn == nil {
		t.Fatalf("%d entries, torn %v", len(r.Entries), r.Torn)
	}
}

func TestForeignLog(t *testing.T) {
	mem := disk.NewMem(1)
	l, _ := mustOpen(t, mem.Dir(), Options{Node: 1, Cluster: [16]byte{1}})
	mustAppend(t, l, entries(1, 1, 1, "x"))
	var foreign *ForeignError
	for _, o := range []Options{{Node: 2}, {Node: 1, Cluster: [16]byte{2}}} {
		if _, _, err := Open(mem.Dir(), o); !errors.As(err, &foreign) {
			t.Errorf("opened by %v: %v", o, err)
		}
	}
	if _, _, err := Open(mem.Dir(), Options{Node: 1}); err != nil {
		t.Error(err)
	}
}

func TestUnknownVersion(t *testing.T) {
	b := appendStart(nil, start{node: 1})
	b[1] = 2
	if _, _, err := decodeRecord(b); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Error(err)
	}
	var last raft.Index = 1 << 40
	b = appendStart(nil, start{node: 1, last: last})
	if r, _, err := decodeRecord(b); err != nil || r.start.last != last {
		t.Error(r, err)
	}
}
