package rsm_test

import (
	"testing"

	"pgregory.net/rapid"

	"drystone/rsm"
)

// witness knows nothing of how a State decides: only what was executed, and what was said of whom.
type witness struct {
	t        *rapid.T
	r        *replica
	executed map[rsm.RequestID]uint64 // the op
	boots    map[[2]uint64]bool       // heard of
	over     map[rsm.RequestID]rsm.FateState
	gone     map[uint64]bool // sessions of which one was told that they are
}

// took takes the results of a batch that was applied.
func (w *witness) took(b rsm.Batch, results []rsm.Result) {
	w.boots[[2]uint64{b.Node, b.Boot}] = true
	for i, result := range results {
		q := b.Requests[i]
		id := q.Identity
		names := []rsm.RequestID{{Node: b.Node, Boot: b.Boot, Serial: q.Serial}}
		if id.Session != 0 {
			names = append(names, rsm.RequestID{Scope: id.Scope, Session: id.Session, Seq: id.Seq})
			if w.gone[id.Session] && result.Outcome == rsm.Applied {
				w.t.Fatalf("session %d was gone, and answers %+v", id.Session, result)
			}
			w.gone[id.Session] = w.gone[id.Session] || id.Scope == "" &&
				result.Code == rsm.CodeSessionExpired && id.Session <= w.r.Point().Op
		}
		if result.Outcome != rsm.Applied || result.Replayed {
			continue
		}
		for _, name := range names {
			if op, twice := w.executed[name]; twice {
				w.t.Fatalf("%v is executed at op %d, and was at op %d", name, result.Op, op)
			}
			if said, found := w.over[name]; found {
				w.t.Fatalf("%v is executed, and was said to be %v", name, said)
			}
			w.executed[name] = result.Op
		}
	}
}

// ask compares the fate of a request with what happened to it.
func (w *witness) ask(id rsm.RequestID) {
	f, err := rsm.DecodeFate(w.r.Answer(rsm.RequestQuery, rsm.EncodeRequestID(nil, id)))
	if err != nil {
		w.t.Fatal(err)
	}
	op, executed := w.executed[id]
	switch f.State {
	case rsm.FateAbsent, rsm.FateFenced, rsm.FateRefused:
		if executed {
			w.t.Fatalf("%v is said to be %v, and was executed at op %d", id, f.State, op)
		}
	case rsm.FateApplied:
		if executed && f.Result.Op != op || !executed && id.Session != 0 {
			w.t.Fatalf("%v is said to be applied at op %d, and was executed: %v, at op %d", id,
				f.Result.Op, executed, op)
		}
	}
	final := f.State != rsm.FateAbsent && f.State != rsm.FateApplied
	// A fence of a boot that nobody heard of is for the retention only.
	if heard := w.boots[[2]uint64{id.Node, id.Boot}]; final && !executed &&
		(id.Session != 0 || heard || f.State == rsm.FateForgotten) {
		w.over[id] = f.State
	}
}

func (w *witness) askAll() {
	for session := uint64(1); session <= 4; session++ {
		for _, seq := range []uint64{1, 2, 3, 4, 5, 6, 1025, 1027, 1030} {
			w.ask(rsm.RequestID{Session: session, Seq: seq})
		}
	}
	for node := uint64(1); node <= 3; node++ {
		for boot := uint64(thisBoot); boot <= thisBoot+2; boot++ {
			for serial := uint64(1); serial <= 14; serial++ {
				w.ask(rsm.RequestID{Node: node, Boot: boot, Serial: serial})
			}
		}
	}
}

// TestWhatIsToldIsTrue: no name is executed twice, nor after it was said to be over; nothing that
// was executed is absent, refused or fenced.
func TestWhatIsToldIsTrue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &witness{t: rt, r: newReplica(t), executed: map[rsm.RequestID]uint64{},
			boots: map[[2]uint64]bool{}, over: map[rsm.RequestID]rsm.FateState{},
			gone: map[uint64]bool{}}
		for _, s := range drawHistory(rt) {
			// One batch an entry: its results are there behind it, and nothing else's.
			for _, b := range s.batches {
				_, before := w.r.Lookup(b.Node, b.Boot, b.Number)
				w.r.apply(s.stamp, b)
				if results, found := w.r.Lookup(b.Node, b.Boot, b.Number); found && !before {
					w.took(b, results)
				}
				w.askAll()
			}
			if rapid.IntRange(0, 5).Draw(rt, "restart") == 0 {
				w.r = w.r.restored()
			}
		}
	})
}
