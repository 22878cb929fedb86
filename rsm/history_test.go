package rsm_test

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"drystone/rsm"
)

// step is one entry of a history: a stamp and batches, or another kind with its data.
type step struct {
	kind    rsm.EntryKind
	data    []byte
	stamp   uint64
	batches []rsm.Batch
}

// drawHistory draws what a log may hold: three nodes and a few boots, numbers that repeat, come
// late and skip, keys that are used again, deadlines that pass, settings that change.
func drawHistory(t *rapid.T) []step {
	steps := make([]step, rapid.IntRange(1, 40).Draw(t, "entries"))
	first, stream := openTwo()
	steps[0].batches = []rsm.Batch{first}
	stamp, streams := uint64(0), map[[2]uint64]*drawnStream{{first.Node, first.Boot}: stream}
	for i := range steps[1:] {
		s := &steps[i+1]
		switch rapid.IntRange(0, 12).Draw(t, "kind") {
		case 0:
			s.kind = rsm.EntryNoop
			continue
		case 1:
			s.kind, s.data = rsm.EntryConfig, fmt.Appendf(nil, "config %d", i)
			continue
		}
		stamp += rapid.SampledFrom([]uint64{0, 1, 10, 200}).Draw(t, "time")
		s.stamp = stamp - min(stamp, rapid.SampledFrom([]uint64{0, 0, 5}).Draw(t, "back"))
		for range rapid.IntRange(0, 4).Draw(t, "batches") {
			b := rsm.Batch{
				Node:     rapid.Uint64Range(1, 3).Draw(t, "node"),
				Boot:     rapid.Uint64Range(thisBoot, thisBoot+2).Draw(t, "boot"),
				Admitted: int64(s.stamp) - rapid.Int64Range(0, 30).Draw(t, "waited"),
			}
			stream := streams[[2]uint64{b.Node, b.Boot}]
			if stream == nil {
				stream = &drawnStream{serials: [][]uint64{nil}}
				streams[[2]uint64{b.Node, b.Boot}] = stream
			}
			stream.draw(t, &b)
			s.batches = append(s.batches, b)
		}
	}
	return steps
}

// drawnStream is what a node knows of its batches.
type drawnStream struct {
	acked   int
	serial  uint64
	serials [][]uint64 // of batches, by number
}

// draw draws the rest of a batch. Serials ascend; some results that an acknowledgement covers are
// to be kept.
func (s *drawnStream) draw(t *rapid.T, b *rsm.Batch) {
	last := len(s.serials) - 1
	b.Number = uint64(last) + rapid.SampledFrom([]uint64{1, 1, 1, 1, 0, 2}).Draw(t, "number")
	if b.Number == uint64(last)+1 {
		ack := rapid.IntRange(s.acked, last).Draw(t, "ack")
		for _, serials := range s.serials[s.acked+1 : ack+1] {
			for _, serial := range serials {
				if rapid.IntRange(0, 2).Draw(t, "keep") == 0 {
					b.Keep = append(b.Keep, serial)
				}
			}
		}
		s.acked, b.Ack = ack, uint64(ack)
		s.serials = append(s.serials, nil)
	}
	for range rapid.IntRange(1, 4).Draw(t, "requests") {
		r := drawRequest(t)
		s.serial += rapid.SampledFrom([]uint64{1, 1, 2}).Draw(t, "serial")
		r.Serial = s.serial
		if b.Number == uint64(last)+1 {
			s.serials[b.Number] = append(s.serials[b.Number], s.serial)
		}
		b.Requests = append(b.Requests, r)
	}
}

func drawRequest(t *rapid.T) rsm.Request {
	r := rsm.Request{
		BudgetMs: rapid.SampledFrom([]uint64{0, 0, 5, 100}).Draw(t, "budget"),
		Command:  []byte(rapid.SampledFrom([]string{"a", "b", ""}).Draw(t, "command")),
	}
	switch rapid.IntRange(0, 9).Draw(t, "identity") {
	case 0, 1, 2, 3:
		r.Identity.Scope = rapid.SampledFrom([]string{"", "me"}).Draw(t, "scope")
		r.Identity.Key = rapid.SampledFrom([]string{"k", "l", "m"}).Draw(t, "key")
	case 4, 5, 6:
		r.Identity = drawInSession(t)
	}
	switch rapid.IntRange(0, 9).Draw(t, "other") {
	case 0, 1, 2:
		drawSettling(t, &r)
	case 3:
		r.Kind = rsm.SettingsCommand
		r.Command = rsm.EncodeSettings(nil, rsm.SettingsChange{
			IfUnset: rapid.Bool().Draw(t, "if unset"),
			Settings: rsm.Settings{
				MaxRequestsBytes: rapid.SampledFrom([]uint64{0, 600, 5000}).Draw(t, "max"),
				MaxSessions:      rapid.Uint64Range(0, 3).Draw(t, "max sessions"),
				SessionTTLMs:     rapid.SampledFrom([]uint64{0, 40, 300}).Draw(t, "ttl"),
				RequestRetentionMs: rapid.SampledFrom([]uint64{0, 50, 300}).
					Draw(t, "retention"),
			},
		})[:rapid.SampledFrom([]int{1, 7, 7, 99}).Draw(t, "cut")%8]
	}
	return r
}

func (r *replica) applyStep(s step) rsm.EntryDone {
	r.t.Helper()
	if s.kind != rsm.EntryCommand {
		return r.applyKind(s.kind, s.data)
	}
	return r.apply(s.stamp, s.batches...)
}

// TestAStateDoesWhatTheModelDoes compares every result of random histories with the model's.
func TestAStateDoesWhatTheModelDoes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, m := newReplica(t), newModel()
		for _, s := range drawHistory(rt) {
			got := r.applyStep(s)
			m.next(s.stamp)
			if s.kind == rsm.EntryConfig {
				m.config = string(s.data)
			}
			want := rsm.EntryDone{Index: m.index, Term: 1, LogTime: m.logTime}
			for _, b := range s.batches {
				done := m.apply(b)
				if b.Node == thisNode && b.Boot == thisBoot {
					want.Batches = append(want.Batches, done)
				}
			}
			if s.kind == rsm.EntryCommand {
				m.end()
			}
			if diff := diffDone(want, got); diff != "" {
				rt.Fatalf("entry %d (-want +got):\n%s", m.index, diff)
			}
			compareState(rt, r, m)
		}
	})
}

// diffDone says how two outcomes of an entry differ. Whether an empty list is nil makes none.
// cmp is asked only then, for it takes its time.
func diffDone(want, got rsm.EntryDone) string {
	same := func(a, b rsm.BatchDone) bool {
		return a.Number == b.Number && a.Status == b.Status && sameResults(a.Results, b.Results)
	}
	if want.Index == got.Index && want.Term == got.Term && want.LogTime == got.LogTime &&
		slices.EqualFunc(want.Batches, got.Batches, same) {
		return ""
	}
	return cmp.Diff(want, got)
}

func sameResults(a, b []rsm.Result) bool {
	return slices.EqualFunc(a, b, func(a, b rsm.Result) bool { return reflect.DeepEqual(a, b) })
}

func compareState(t *rapid.T, r *replica, m *model) {
	want := rsm.Point{Index: m.index, Term: 1, Op: m.op, LogTime: m.logTime}
	if r.Point() != want || string(r.Config()) != m.config {
		t.Fatalf("the state is at %v, %q, not %v, %q", r.Point(), r.Config(), want, m.config)
	}
	if s, set := r.Settings(); s != m.settings || set != m.settingsSet {
		t.Fatalf("the settings are %v, %v", s, set)
	}
	compareSettled(t, r, m)
	for _, k := range m.keys {
		got, found := r.LookupKey(k.scope, k.key)
		if m.due(k.storedAt) || k.result.Code != "" {
			continue // a newer row of the key may be there, or it is a fence
		}
		if !found || got.Op != k.result.Op || string(got.Reply) != string(k.result.Reply) {
			t.Fatalf("key %q is %+v, not %+v", k.key, got, k.result)
		}
	}
	for _, s := range m.sessions {
		for number := uint64(0); number <= s.number+1; number++ {
			got, found := r.Lookup(s.node, s.boot, number)
			if want := number > s.acked && number <= s.number; found != want {
				t.Fatalf("batch %d of %d/%d: %v", number, s.node, s.boot, found)
			}
			if want := s.results[number]; found && !sameResults(want, got) {
				t.Fatalf("batch %d of %d/%d (-want +got):\n%s", number, s.node, s.boot,
					cmp.Diff(want, got))
			}
		}
	}
}

// TestASnapshotIsTheStateOfItsMoment applies a history three times: through, again, and on a
// replica that is restored in the middle from a snapshot that is written only after more was
// applied.
func TestASnapshotIsTheStateOfItsMoment(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := drawHistory(rt)
		half := rapid.IntRange(0, len(steps)).Draw(rt, "half")
		a, b := newReplica(t), newReplica(t)
		var snapshot io.WriterTo = a.Snapshot()
		var hashes []uint64
		var dones []rsm.EntryDone
		for i, s := range steps {
			if i == half {
				snapshot = a.Snapshot()
			}
			dones = append(dones, a.applyStep(s))
			again := b.applyStep(s)
			if diff := diffDone(dones[i], again); diff != "" || a.Hash() != b.Hash() {
				rt.Fatalf("entry %d differs on two replicas: %s", i+1, diff)
			}
			hashes = append(hashes, a.Hash())
		}
		if half == len(steps) {
			half = 0 // the snapshot is the one of the beginning
		}
		c := restored(t, snapshot)
		if half > 0 && c.Hash() != hashes[half-1] {
			rt.Fatalf("restored at %d, the hash differs", half)
		}
		for i, s := range steps[half:] {
			done := c.applyStep(s)
			if diff := diffDone(dones[half+i], done); diff != "" {
				rt.Fatalf("entry %d differs after a restore: %s", half+i+1, diff)
			}
			if c.Hash() != hashes[half+i] {
				rt.Fatalf("entry %d: the hash differs after a restore", half+i+1)
			}
		}
		if c.Requests() != a.Requests() || c.RequestsBytes() != a.RequestsBytes() {
			rt.Fatalf("%d and %d stored replies", a.Requests(), c.Requests())
		}
	})
}
