package rsm_test

import (
	"bytes"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"drystone/rsm"
)

// openTwo is how a history begins, so that there are sessions that something may happen to: those
// that ops 2 and 3 open.
func openTwo() (rsm.Batch, *drawnStream) {
	settings := setting(rsm.SettingsChange{Settings: rsm.Settings{MaxSessions: 3, SessionTTLMs: 500,
		MaxRequestsBytes: 5000, RequestRetentionMs: 300}})
	b := rsm.Batch{Node: thisNode, Boot: thisBoot, Number: 1, Requests: []rsm.Request{
		settings, {Kind: rsm.OpenSession, Serial: 1}, {Kind: rsm.OpenSession, Serial: 2}}}
	return b, &drawnStream{serial: 2, serials: [][]uint64{nil, {1, 2}}}
}

var drawSession = rapid.SampledFrom([]uint64{2, 2, 2, 2, 3, 3, 3, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12})

func drawInSession(t *rapid.T) rsm.Identity {
	return rsm.Identity{
		Scope:   rapid.SampledFrom([]string{"", "", "", "", "me"}).Draw(t, "scope"),
		Session: drawSession.Draw(t, "session"),
		Seq:     rapid.SampledFrom([]uint64{1, 2, 3, 4, 5, 6, 1025, 1027, 1030, 0}).Draw(t, "seq"),
		Ack:     rapid.SampledFrom([]uint64{0, 0, 1, 2, 3, 1 << 60}).Draw(t, "ack"),
		Key:     rapid.SampledFrom([]string{"", "", "", "", "k"}).Draw(t, "both"),
	}
}

func drawID(t *rapid.T) rsm.RequestID {
	switch rapid.IntRange(0, 2).Draw(t, "id") {
	case 0:
		return rsm.RequestID{
			Node:   rapid.Uint64Range(1, 3).Draw(t, "node"),
			Boot:   rapid.Uint64Range(thisBoot, thisBoot+2).Draw(t, "boot"),
			Serial: rapid.Uint64Range(1, 12).Draw(t, "serial"),
		}
	case 1:
		return rsm.RequestID{
			Scope:   rapid.SampledFrom([]string{"", "", "me"}).Draw(t, "scope"),
			Session: drawSession.Draw(t, "session"),
			Seq:     rapid.SampledFrom([]uint64{1, 2, 3, 4, 5, 6, 1025, 1030}).Draw(t, "seq"),
		}
	}
	return rsm.RequestID{
		Scope: rapid.SampledFrom([]string{"", "me"}).Draw(t, "scope"),
		Key:   rapid.SampledFrom([]string{"k", "l", "m"}).Draw(t, "key"),
	}
}

// drawSettling makes a request one about sessions, or about another request.
func drawSettling(t *rapid.T, r *rsm.Request) {
	r.Kind = rapid.SampledFrom([]rsm.RequestKind{rsm.OpenSession, rsm.KeepSession, rsm.CloseSession,
		rsm.FenceRequest, rsm.FenceRequest, rsm.FenceRequest, rsm.FreeRequest}).Draw(t, "kind")
	if rapid.IntRange(0, 3).Draw(t, "plain") > 0 {
		r.Identity.Session = 0
	}
	switch r.Kind {
	case rsm.OpenSession:
		r.Command = nil
	case rsm.KeepSession, rsm.CloseSession:
		r.Command = rsm.EncodeSession(nil, drawSession.Draw(t, "of session"))
	default:
		r.Command = rsm.EncodeRequestID(nil, drawID(t))
	}
}

// compareSettled asks for the fate of everything that a history may have named.
func compareSettled(t *rapid.T, r *replica, m *model) {
	count := uint64(len(m.keys) + len(m.kept) + len(m.fences))
	for _, c := range m.clients {
		count += uint64(len(c.replies))
	}
	if r.Sessions() != uint64(len(m.clients)) || r.Requests() != count ||
		r.RequestsBytes() != m.promised() {
		t.Fatalf("%d sessions, %d requests of %d bytes, not %d, %d of %d", r.Sessions(),
			r.Requests(), r.RequestsBytes(), len(m.clients), count, m.promised())
	}
	var ids []rsm.RequestID
	for _, scope := range []string{"", "me"} {
		for _, key := range []string{"k", "l", "m"} {
			ids = append(ids, rsm.RequestID{Scope: scope, Key: key})
		}
		for session := uint64(1); session <= 13; session++ {
			for _, seq := range []uint64{1, 2, 3, 4, 5, 6, 1025, 1027, 1030} {
				ids = append(ids, rsm.RequestID{Scope: scope, Session: session, Seq: seq})
			}
		}
	}
	for node := uint64(1); node <= 3; node++ {
		for boot := uint64(thisBoot); boot <= thisBoot+3; boot++ {
			for serial := uint64(1); serial <= 14; serial++ {
				ids = append(ids, rsm.RequestID{Node: node, Boot: boot, Serial: serial})
			}
		}
	}
	for _, id := range ids {
		want := m.fate(id)
		got := r.Answer(rsm.RequestQuery, rsm.EncodeRequestID(nil, id))
		if !bytes.Equal(got, rsm.EncodeFate(nil, want)) {
			f, err := rsm.DecodeFate(got)
			t.Fatalf("entry %d: the fate of %v (-want +got): %v\n%s", m.index, id, err,
				cmp.Diff(want, f))
		}
	}
}
