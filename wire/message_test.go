package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drystone/raft"
	"drystone/rsm"
)

// samples has every kind of message, each field with a value of its own.
func samples() []Message {
	bodies := []raft.Body{
		raft.RequestVote{LastLogIndex: 1, LastLogTerm: 2},
		raft.RequestVote{LastLogIndex: 3, LastLogTerm: 4, PreVote: true},
		raft.RequestVote{LastLogIndex: 5, LastLogTerm: 6, Transfer: true},
		raft.VoteReply{},
		raft.VoteReply{Granted: true},
		raft.VoteReply{PreVote: true},
		raft.VoteReply{Granted: true, PreVote: true},
		raft.AppendEntries{PrevLogIndex: 7, PrevLogTerm: 8, LeaderCommit: 9},
		raft.AppendEntries{
			PrevLogIndex: 10, PrevLogTerm: 11, LeaderCommit: 12,
			Entries: []raft.Entry{
				{Index: 11, Term: 13, Kind: raft.EntryNoop},
				{Index: 12, Term: 13, Kind: raft.EntryCommand, Data: []byte("a command")},
				{Index: 13, Term: 14, Kind: raft.EntryConfig, Data: []byte{0}},
			},
		},
		raft.AppendReply{Success: true, MatchIndex: 15},
		raft.AppendReply{PrevLogIndex: 16, HintIndex: 17, HintTerm: 18},
		raft.Heartbeat{Commit: 19, Read: 20},
		raft.HeartbeatReply{Read: math.MaxUint64},
		raft.InstallSnapshot{Meta: meta()},
		raft.InstallSnapshot{},
		raft.SnapshotReply{MatchIndex: 21},
		raft.TimeoutNow{},
	}
	var all []Message
	for _, b := range bodies {
		all = append(all, Message{Raft: &raft.Message{From: 1, To: 2, Term: 1 << 40, Body: b}})
	}
	for _, m := range []rsm.PeerMessage{
		rsm.Forward{Batch: []byte("an encoded batch"), ElapsedMs: 22},
		rsm.Forward{},
		rsm.Refusal{Boot: 23, Number: 24, Code: rsm.CodeOverload, Leader: 25},
		rsm.Refusal{},
		rsm.ReadAsk{ID: 26},
		rsm.ReadAnswer{ID: 27, Index: 28, OK: true},
		rsm.ReadAnswer{ID: 29},
		rsm.AdminAsk{ID: 30, Body: []byte("{}")},
		rsm.AdminAnswer{ID: 31},
	} {
		all = append(all, Message{Peer: m})
	}
	return all
}

func meta() raft.SnapshotMeta {
	return raft.SnapshotMeta{
		LastIncludedIndex: 30, LastIncludedTerm: 31,
		Members: raft.Members{
			Voters: []raft.NodeID{1, 2, 3}, Next: []raft.NodeID{2, 3, 4},
			Learners: []raft.NodeID{5},
		},
	}
}

func name(m Message) string {
	if m.Raft != nil {
		return fmt.Sprintf("%T", m.Raft.Body)
	}
	return fmt.Sprintf("%T", m.Peer)
}

func TestMessagesComeBackAsTheyWere(t *testing.T) {
	for _, m := range samples() {
		body := EncodeMessage([]byte("before"), m)
		if !bytes.HasPrefix(body, []byte("before")) {
			t.Fatalf("%s: what stood in dst is gone", name(m))
		}
		got, err := DecodeMessage(body[len("before"):])
		if err != nil {
			t.Fatalf("%s: %v", name(m), err)
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Errorf("%s (-sent +got):\n%s", name(m), diff)
		}
	}
}

func TestCutMessagesAreRefused(t *testing.T) {
	for _, m := range samples() {
		body := EncodeMessage(nil, m)
		for n := range body {
			if _, err := DecodeMessage(body[:n]); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%s: %d of %d bytes decode: %v", name(m), n, len(body), err)
			}
		}
	}
}

func TestTrailingGarbageIsRefused(t *testing.T) {
	for _, m := range samples() {
		for _, tail := range [][]byte{
			{0}, {0, 0, 0, 0, 0}, {9}, {9, 1, 0, 0, 0}, {9, 255, 255, 255, 255},
			{9, 0, 0, 0, 0, 9, 0, 0, 0, 0}, {9, 0, 0, 0, 0, 8, 0, 0, 0, 0},
		} {
			body := append(EncodeMessage(nil, m), tail...)
			if _, err := DecodeMessage(body); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%s followed by %v decodes: %v", name(m), tail, err)
			}
		}
	}
}

// A later version adds fields behind the fixed ones; this one reads past them.
func TestUnknownFieldsAreSkipped(t *testing.T) {
	for _, m := range samples() {
		body := append(EncodeMessage(nil, m), 7, 3, 0, 0, 0, 'n', 'e', 'w', 200, 0, 0, 0, 0)
		got, err := DecodeMessage(body)
		if err != nil {
			t.Fatalf("%s: %v", name(m), err)
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Errorf("%s (-sent +got):\n%s", name(m), diff)
		}
	}
}

func TestUnknownVersionKindAndFlagAreRefused(t *testing.T) {
	vote := EncodeMessage(nil, Message{Raft: &raft.Message{Body: raft.VoteReply{Granted: true}}})
	change := func(at int, to byte) []byte {
		b := bytes.Clone(vote)
		b[at] = to
		return b
	}
	for _, c := range []struct {
		name string
		body []byte
		want error
	}{
		{"version 0", change(0, 0), ErrVersion},
		{"version 2", change(0, 2), ErrVersion},
		{"kind 0", change(1, 0), ErrMalformed},
		{"kind 15", change(1, 15), ErrMalformed},
		{"kind 31", change(1, 31), ErrMalformed},
		{"a hello", EncodeHello(nil, Hello{}), ErrMalformed},
		{"flag", change(len(vote)-1, 1<<7), ErrMalformed},
		{"nothing", nil, ErrMalformed},
	} {
		if _, err := DecodeMessage(c.body); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

// A count is believed only as far as the bytes behind it can bear it out.
func TestCountsBeyondTheInputAllocateNothing(t *testing.T) {
	body := EncodeMessage(nil, Message{Raft: &raft.Message{Body: raft.AppendEntries{}}})
	copy(body[len(body)-4:], []byte{255, 255, 255, 255})
	snapshot := EncodeMessage(nil, Message{Raft: &raft.Message{Body: raft.InstallSnapshot{}}})
	copy(snapshot[len(snapshot)-4:], []byte{255, 255, 255, 255}) // of learners
	for _, b := range [][]byte{body, snapshot} {
		const runs = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			if _, err := DecodeMessage(b); !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		n := (after.TotalAlloc - before.TotalAlloc) / runs
		if n > 1024 {
			t.Errorf("%d bytes allocated for a message of %d", n, len(b))
		}
	}
}

func TestEntriesPastTheLastIndexAreRefused(t *testing.T) {
	m := raft.AppendEntries{PrevLogIndex: 1, Entries: []raft.Entry{{Index: 2}}}
	body := EncodeMessage(nil, Message{Raft: &raft.Message{Body: m}})
	for i := range 8 {
		body[2+3*8+i] = 255 // PrevLogIndex
	}
	if _, err := DecodeMessage(body); !errors.Is(err, ErrMalformed) {
		t.Errorf("an index that wraps around decodes: %v", err)
	}
}

func TestMembersOutOfOrderAreRefused(t *testing.T) {
	good := EncodeMeta(nil, raft.SnapshotMeta{
		Members: raft.Members{Voters: []raft.NodeID{1, 2}},
	})
	at := 2 + 8 + 8 + 4 + 1 + 4 // the first voter
	for _, first := range []byte{0, 2, 3} {
		b := bytes.Clone(good)
		b[at] = first
		if _, err := DecodeMeta(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("voters %d, 2 decode: %v", first, err)
		}
	}
}

// Only what says so may hold on to the buffer it was decoded from.
func TestWhatAliasesTheInput(t *testing.T) {
	for _, m := range samples() {
		body := EncodeMessage(nil, m)
		got, err := DecodeMessage(body)
		if err != nil {
			t.Fatal(err)
		}
		aliases := Aliases(body)
		clear(body)
		if changed := !cmp.Equal(m, got); changed && !aliases {
			t.Errorf("%s aliases its input", name(m))
		}
	}
}

func TestEntriesAndMetaComeBackAsTheyWere(t *testing.T) {
	for _, e := range []raft.Entry{
		{},
		{Index: 1, Term: 2, Kind: raft.EntryNoop},
		{Index: math.MaxUint64, Term: math.MaxUint64, Kind: 255, Data: []byte("x")},
	} {
		b := EncodeEntry(nil, e)
		if len(b) != EntryBytes(e) {
			t.Errorf("%d bytes, announced %d", len(b), EntryBytes(e))
		}
		got, err := DecodeEntry(b)
		if err != nil || !cmp.Equal(e, got) {
			t.Errorf("%v came back as %v, %v", e, got, err)
		}
		for n := range b {
			if _, err := DecodeEntry(b[:n]); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%d of %d bytes of an entry decode: %v", n, len(b), err)
			}
		}
	}
	for _, m := range []raft.SnapshotMeta{{}, meta()} {
		b := EncodeMeta(nil, m)
		got, err := DecodeMeta(b)
		if err != nil || !cmp.Equal(m, got) {
			t.Errorf("%v came back as %v, %v", m, got, err)
		}
		for n := range b {
			if _, err := DecodeMeta(b[:n]); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%d of %d bytes of a description decode: %v", n, len(b), err)
			}
		}
	}
	if _, err := DecodeMeta(EncodeEntry(nil, raft.Entry{})); !errors.Is(err, ErrMalformed) {
		t.Errorf("an entry decodes as a snapshot's description: %v", err)
	}
}

func TestGapsAreNeverWritten(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an AppendEntries with a gap was encoded")
		}
	}()
	EncodeMessage(nil, Message{Raft: &raft.Message{Body: raft.AppendEntries{
		PrevLogIndex: 1, Entries: []raft.Entry{{Index: 3}},
	}}})
}
