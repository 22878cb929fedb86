package wal

import (
	"fmt"
	"strings"
	"testing"

	"drystone/disk"
	"drystone/raft"
)

func TestScan(t *testing.T) {
	mem := disk.NewMem(1)
	if v, err := Scan(mem.Dir(), func(Record) {}); err != nil || v.Class != Clean {
		t.Fatal(v, err)
	}
	l, _ := mustOpen(t, mem.Dir(), tiny(1))
	mustAppend(t, l, entries(3, 1, 2, "a"))
	a := entries(4, 9, 1, "b")
	a[0].Snapshot = meta(8, 4)
	mustAppend(t, l, a)
	before := mem.Ops()
	changes := 0
	mem.SetHook(func(op disk.Op) error {
		if op.Kind.Changes() {
			changes++
		}
		return nil
	})
	var said []string
	var last Record
	v, err := Scan(mem.Dir(), func(r Record) {
		said = append(said, fmt.Sprintf("%s %d@%d", r.Kind, r.Index, r.Term))
		if !r.OK || r.Length <= 0 || last.OK && last.Offset >= r.Offset {
			t.Errorf("%+v after %+v", r, last)
		}
		last = r
	})
	if err != nil || v.Class != Clean || changes != 0 || mem.Ops() == before {
		t.Fatal(v, err, changes)
	}
	want := "start 0@0, hard 0@0, hard 0@3, entry 1@3, entry 2@3, hard 0@4, snapshot 8@4, entry 9@4"
	if got := strings.Join(said, ", "); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestTerms(t *testing.T) {
	var log terms
	log.reset(10, 3)
	for _, e := range []termRun{{11, 3}, {12, 4}, {13, 4}, {14, 6}, {12, 5}, {13, 5}, {14, 7}} {
		log.push(e.first, e.term)
	}
	check := func(when string, want map[raft.Index]raft.Term) {
		t.Helper()
		for index := raft.Index(8); index <= 14; index++ {
			if got, ok := log.at(index); got != want[index] || ok != (want[index] != 0) {
				t.Errorf("%s: term of %d is %d, %v", when, index, got, ok)
			}
		}
	}
	check("pushed", map[raft.Index]raft.Term{10: 3, 11: 3, 12: 5, 13: 5, 14: 7})
	log.trim(13)
	check("trimmed", map[raft.Index]raft.Term{13: 5, 14: 7})
	if len(log) != 2 {
		t.Errorf("%d runs", len(log))
	}
	log.push(9, 8)
	log.push(10, 9)
	check("cut before its beginning",
		map[raft.Index]raft.Term{9: 8, 10: 9, 11: 9, 12: 9, 13: 9, 14: 9})
}
