package rsm_test

import (
	"bytes"
	"fmt"
	"testing"

	"drystone/rsm"
)

func fenceOf(id rsm.RequestID) rsm.Request {
	return rsm.Request{Kind: rsm.FenceRequest, Command: rsm.EncodeRequestID(nil, id)}
}

func freeOf(id rsm.RequestID) rsm.Request {
	return rsm.Request{Kind: rsm.FreeRequest, Command: rsm.EncodeRequestID(nil, id)}
}

func wantFate(t testing.TB, r *replica, id rsm.RequestID, want rsm.FateState, reply string) {
	t.Helper()
	f, err := rsm.DecodeFate(r.Answer(rsm.RequestQuery, rsm.EncodeRequestID(nil, id)))
	if err != nil || f.State != want || string(f.Result.Reply) != reply {
		t.Fatalf("the fate of %v is %v, %+v, %v, not %v, %q", id, f.State, f.Result, err, want, reply)
	}
}

// settle executes a FenceRequest or FreeRequest, and returns the fate it replies.
func settle(r *replica, stamp uint64, request rsm.Request) rsm.FateState {
	r.t.Helper()
	got := r.do(stamp, request)
	f, err := rsm.DecodeFate(got.Reply)
	if err != nil || got.Outcome != rsm.Applied {
		r.t.Fatalf("it came to %+v, %v", got, err)
	}
	return f.State
}

func TestAFenceSettlesAKey(t *testing.T) {
	r := limited(t, roomy)
	id := rsm.RequestID{Scope: "me", Key: "k"}
	wantFate(t, r, id, rsm.FateAbsent, "")
	if s := settle(r, 10, fenceOf(id)); s != rsm.FateFenced {
		t.Fatalf("it is %v", s)
	}
	op := r.Point().Op
	for range 2 {
		wantCode(t, r.do(1009, keyed("k", "x")), rsm.CodeFenced)
		wantFate(t, r, id, rsm.FateFenced, "")
		wantFate(t, r, rsm.RequestID{Key: "k"}, rsm.FateAbsent, "")
		r = r.restored()
	}
	if r.Point().Op != op {
		t.Fatal("a fenced request was executed")
	}
	// It is for the retention, like a reply. Freeing it would break what was promised.
	if s := settle(r, 1009, freeOf(id)); s != rsm.FateFenced {
		t.Fatalf("it is %v", s)
	}
	wantCode(t, r.do(1009, keyed("k", "x")), rsm.CodeFenced)
	wantCode(t, r.do(1010, keyed("k", "x")), "")
	// A fence that comes too late says what happened.
	wantFate(t, r, id, rsm.FateApplied, "8/5@1010 x")
	if s := settle(r, 1011, fenceOf(id)); s != rsm.FateApplied {
		t.Fatalf("it is %v", s)
	}
	if got := r.do(1011, keyed("k", "x")); !got.Replayed {
		t.Fatalf("a repeat after the fence came to %+v", got)
	}
}

func TestAFreedKeyMayBeUsedAnew(t *testing.T) {
	r := limited(t, roomy)
	id, bytes := rsm.RequestID{Scope: "me", Key: "k"}, r.RequestsBytes()
	r.do(1, keyed("k", "x"))
	if s := settle(r, 2, freeOf(id)); s != rsm.FateApplied {
		t.Fatalf("it is %v", s)
	}
	wantFate(t, r, id, rsm.FateAbsent, "")
	if r.RequestsBytes() != bytes || r.Requests() != 0 {
		t.Fatalf("%d bytes are left", r.RequestsBytes())
	}
	if got := r.do(3, keyed("k", "other")); got.Outcome != rsm.Applied || got.Replayed {
		t.Fatalf("the key came to %+v", got)
	}
	if s := settle(r, 3, freeOf(rsm.RequestID{Key: "never"})); s != rsm.FateAbsent {
		t.Fatalf("it is %v", s)
	}
}

func TestAFenceSettlesANumber(t *testing.T) {
	r := limited(t, roomy)
	id := rsm.RequestID{Session: 2, Seq: 5}
	wantCode(t, r.do(1, fenceOf(rsm.RequestID{Session: 2, Seq: 1025})), rsm.CodeWindowFull)
	if s := settle(r, 1, fenceOf(id)); s != rsm.FateFenced {
		t.Fatalf("it is %v", s)
	}
	for range 2 {
		wantCode(t, r.do(1, inSession(2, 5, 0, "x")), rsm.CodeFenced)
		wantFate(t, r, id, rsm.FateFenced, "")
		r = r.restored()
	}
	wantCode(t, r.do(1, inSession(2, 6, 5, "x")), "")
	wantFate(t, r, id, rsm.FateForgotten, "")
	wantCode(t, r.do(1, inSession(2, 5, 0, "x")), rsm.CodeReplyForgotten)
	// Of a session that is gone nothing is known, but that it is over.
	r.do(1, closeSession(2))
	wantFate(t, r, rsm.RequestID{Session: 2, Seq: 6}, rsm.FateForgotten, "")
	if s := settle(r, 1, fenceOf(rsm.RequestID{Session: 2, Seq: 7})); s != rsm.FateForgotten {
		t.Fatalf("it is %v", s)
	}
	wantFate(t, r, rsm.RequestID{Session: 99, Seq: 1}, rsm.FateAbsent, "")
	wantCode(t, r.do(1, fenceOf(rsm.RequestID{Session: 99, Seq: 1})), rsm.CodeSessionExpired)
}

// serials returns the batch of node 2 with a request for each serial.
func serials(boot, number, ack uint64, of ...uint64) rsm.Batch {
	b := rsm.Batch{Node: 2, Boot: boot, Number: number, Ack: ack}
	for _, serial := range of {
		b.Requests = append(b.Requests, rsm.Request{Serial: serial, Command: fmt.Append(nil, serial)})
	}
	return b
}

func ofNode(boot, serial uint64) rsm.RequestID {
	return rsm.RequestID{Node: 2, Boot: boot, Serial: serial}
}

func TestTheFateOfANodesRequest(t *testing.T) {
	r := limited(t, roomy)
	wantFate(t, r, ofNode(5, 1), rsm.FateAbsent, "") // a boot that was never heard of
	late := serials(5, 1, 0, 1, 2, 3)
	late.Requests[1].BudgetMs = 1
	r.apply(10, late)
	wantFate(t, r, ofNode(5, 1), rsm.FateApplied, "3/3@10 1")
	wantFate(t, r, ofNode(5, 2), rsm.FateRefused, "")
	wantFate(t, r, ofNode(5, 4), rsm.FateAbsent, "")
	keeps := serials(5, 2, 1, 4)
	keeps.Keep = []uint64{2, 3}
	r.apply(20, keeps)
	for range 2 {
		wantFate(t, r, ofNode(5, 1), rsm.FateForgotten, "") // its caller knows
		wantFate(t, r, ofNode(5, 2), rsm.FateRefused, "")
		wantFate(t, r, ofNode(5, 3), rsm.FateApplied, "3/4@10 3")
		r = r.restored()
	}
	r.apply(1019)
	wantFate(t, r, ofNode(5, 3), rsm.FateApplied, "3/4@10 3")
	r.apply(1020)
	wantFate(t, r, ofNode(5, 3), rsm.FateForgotten, "")
	// A boot that never came through before a newer one can't any more; it may have before it was
	// forgotten, too.
	r.apply(2000, serials(7, 1, 0, 1))
	wantFate(t, r, ofNode(6, 1), rsm.FateForgotten, "")
	wantFate(t, r, ofNode(5, 4), rsm.FateApplied, "4/5@20 4")
	wantFate(t, r, ofNode(5, 5), rsm.FateAbsent, "") // for the retention it may come
	r.apply(3000)
	wantFate(t, r, ofNode(5, 4), rsm.FateForgotten, "")
	wantFate(t, r, ofNode(5, 5), rsm.FateForgotten, "")
	wantFate(t, r, ofNode(8, 1), rsm.FateAbsent, "")
}

func TestAFenceSettlesANodesRequest(t *testing.T) {
	r := limited(t, roomy)
	r.apply(1, serials(5, 1, 0, 1))
	for _, id := range []rsm.RequestID{ofNode(5, 3), ofNode(6, 1)} {
		if s := settle(r, 2, fenceOf(id)); s != rsm.FateFenced {
			t.Fatalf("%v is %v", id, s)
		}
		wantFate(t, r, id, rsm.FateFenced, "")
	}
	// A fence of a boot must not begin it: that would end the one before.
	r.apply(3, serials(5, 2, 0, 2))
	wantFate(t, r, ofNode(5, 2), rsm.FateApplied, "6/6@3 2")
	r = r.restored()
	// Long after the retention, on its way ever since, it comes out.
	settle(r, 9999, fenceOf(rsm.RequestID{Node: 3, Boot: 1, Serial: 1}))
	op := r.Point().Op
	r.apply(10_000, serials(5, 3, 2, 3, 4))
	results, _ := r.Lookup(2, 5, 3)
	wantCode(t, results[0], rsm.CodeFenced)
	wantCode(t, results[1], "")
	if r.Point().Op != op+1 {
		t.Fatalf("op went from %d to %d", op, r.Point().Op)
	}
	wantFate(t, r, ofNode(5, 3), rsm.FateFenced, "")
	// One of a boot that began within the retention.
	if s := settle(r, 10_001, fenceOf(ofNode(6, 2))); s != rsm.FateFenced {
		t.Fatalf("it is %v", s)
	}
	r.apply(10_002, serials(6, 1, 0, 2))
	results, _ = r.Lookup(2, 6, 1)
	wantCode(t, results[0], rsm.CodeFenced)
}

// A batch's results are its session's only when all of it is done.
func TestAFenceKnowsItsOwnBatch(t *testing.T) {
	r := limited(t, roomy)
	b := serials(5, 1, 0, 1, 2, 3, 4)
	for i, id := range []rsm.RequestID{ofNode(5, 1), ofNode(5, 3), ofNode(5, 4)} {
		b.Requests[i+1] = fenceOf(id)
		b.Requests[i+1].Serial = uint64(i + 2)
	}
	r.apply(1, b)
	results, _ := r.Lookup(2, 5, 1)
	wantCode(t, results[0], "")
	if f, err := rsm.DecodeFate(results[1].Reply); err != nil || f.State != rsm.FateApplied ||
		string(f.Result.Reply) != string(results[0].Reply) {
		t.Fatalf("the fence of the one before is %+v, %v", f, err)
	}
	wantCode(t, results[2], rsm.CodeBadCommand) // of itself
	wantCode(t, results[3], rsm.CodeBadCommand)
	r.apply(2, serials(5, 2, 1, 5))
	wantFate(t, r, ofNode(5, 1), rsm.FateForgotten, "")
}

// R4: a repeat gets its reply also behind a fence of its own copy and behind its deadline; a fence
// comes before the deadline, and that before room.
func TestTheOrderOfDecisionsWithFences(t *testing.T) {
	tight := roomy
	tight.MaxRequestsBytes = 600
	r := limited(t, tight)
	wantCode(t, r.do(1, keyed("k", "x")), "")
	wantCode(t, r.do(1, inSession(2, 1, 0, "x")), "")
	for serial := uint64(1); serial <= 3; serial++ {
		settle(r, 1, fenceOf(ofNode(5, serial)))
	}
	b := serials(5, 1, 0, 1, 2, 3, 4)
	b.Requests[0].Identity = rsm.Identity{Scope: "me", Key: "k"}
	b.Requests[1].Identity = rsm.Identity{Session: 2, Seq: 1}
	b.Requests[2].Identity = rsm.Identity{Scope: "me", Key: "new"}
	b.Requests[3].Identity = rsm.Identity{Session: 2, Seq: 2}
	for i := range b.Requests {
		b.Requests[i].Command, b.Requests[i].BudgetMs = []byte("x"), 1
	}
	r.apply(500, b)
	results, _ := r.Lookup(2, 5, 1)
	for i, want := range []rsm.Code{"", "", rsm.CodeFenced, rsm.CodeExpired} {
		if wantCode(t, results[i], want); results[i].Replayed != (want == "") {
			t.Fatalf("request %d came to %+v", i, results[i])
		}
	}
	r.apply(500, rsm.Batch{Node: 3, Boot: 1, Number: 1, Requests: []rsm.Request{
		inSession(2, 2, 0, "x"), keyed("new", "x"), fenceOf(rsm.RequestID{Key: "new"})}})
	results, _ = r.Lookup(3, 1, 1)
	for i := range results {
		wantCode(t, results[i], rsm.CodeTableFull)
	}
}

func TestWhatMustNotComeInASession(t *testing.T) {
	r := limited(t, roomy)
	both := inSession(2, 1, 0, "x")
	both.Identity.Key = "k"
	wantCode(t, r.do(1, both), rsm.CodeBadCommand)
	for _, request := range []rsm.Request{{Kind: rsm.OpenSession}, keepSession(2), closeSession(2),
		fenceOf(rsm.RequestID{Session: 2, Seq: 1}), freeOf(rsm.RequestID{Key: "k"})} {
		request.Identity = rsm.Identity{Session: 2, Seq: 1}
		wantCode(t, r.do(1, request), rsm.CodeBadCommand)
	}
	itself := fenceOf(rsm.RequestID{Key: "k"})
	itself.Identity.Key = "k"
	wantCode(t, r.do(1, itself), rsm.CodeBadCommand)
	wantCode(t, r.do(1, freeOf(rsm.RequestID{Session: 2, Seq: 1})), rsm.CodeBadCommand)
	for _, kind := range []rsm.RequestKind{rsm.KeepSession, rsm.CloseSession, rsm.FenceRequest,
		rsm.FreeRequest} {
		wantCode(t, r.do(1, rsm.Request{Kind: kind}), rsm.CodeBadCommand)
	}
	wantCode(t, r.do(1, rsm.Request{Kind: rsm.OpenSession, Command: []byte{1}}), rsm.CodeBadCommand)
	if r.Point().Op != 2 || r.Requests() != 0 {
		t.Fatalf("op %d, %d replies", r.Point().Op, r.Requests())
	}
}

// Kept results are promised to nobody: they never take the room of what is.
func TestKeptResultsGiveWay(t *testing.T) {
	tight := roomy
	tight.MaxRequestsBytes = 3 * 300
	r := limited(t, tight)
	r.apply(1, serials(5, 1, 0, 1, 2, 3, 4))
	b := serials(5, 2, 1, 5)
	b.Keep = []uint64{1, 2, 3, 4}
	r.apply(2, b)
	wantFate(t, r, ofNode(5, 1), rsm.FateForgotten, "") // no room for the oldest
	wantFate(t, r, ofNode(5, 2), rsm.FateApplied, "3/4@1 2")
	wantCode(t, r.do(3, keyed("k", "x")), "")
	wantCode(t, r.do(3, keyed("l", "x")), "")
	wantFate(t, r, ofNode(5, 3), rsm.FateForgotten, "")
	wantFate(t, r, ofNode(5, 4), rsm.FateApplied, "3/6@1 4")
	if s := settle(r, 4, freeOf(ofNode(5, 4))); s != rsm.FateApplied {
		t.Fatalf("it is %v", s)
	}
	wantFate(t, r, ofNode(5, 4), rsm.FateForgotten, "")
}

func TestFencesOfNodesAreBounded(t *testing.T) {
	r := limited(t, roomy)
	b := rsm.Batch{Node: 3, Boot: 1, Number: 1}
	for i := range uint64(4097) {
		b.Requests = append(b.Requests, fenceOf(ofNode(5, i+1)))
	}
	r.apply(1, b)
	results, _ := r.Lookup(3, 1, 1)
	wantCode(t, results[4095], "")
	wantCode(t, results[4096], rsm.CodeTableFull)
	want := stream(t, r.Snapshot())
	if got := stream(t, r.restored().Snapshot()); !bytes.Equal(got, want) {
		t.Fatal("the snapshot differs")
	}
	wantCode(t, r.do(1000, fenceOf(ofNode(5, 4097))), rsm.CodeTableFull)
	wantCode(t, r.do(1001, fenceOf(ofNode(5, 4097))), "")
	if r.Requests() != 1 {
		t.Fatalf("%d are fenced", r.Requests())
	}
}
