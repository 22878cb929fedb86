package wire

import (
	"fmt"
	"testing"

	"drystone/raft"
	"drystone/rsm"
)

func benchmarked() map[string]Message {
	appended := func(entries, size int) Message {
		m := raft.AppendEntries{PrevLogIndex: 1 << 30, PrevLogTerm: 7, LeaderCommit: 1 << 30}
		for i := range entries {
			m.Entries = append(m.Entries, raft.Entry{
				Index: m.PrevLogIndex + 1 + raft.Index(i), Term: 7, Data: make([]byte, size),
			})
		}
		return Message{Raft: &raft.Message{From: 1, To: 2, Term: 7, Body: m}}
	}
	return map[string]Message{
		"heartbeat": {Raft: &raft.Message{From: 1, To: 2, Term: 7, Body: raft.Heartbeat{Read: 9}}},
		"reply": {Raft: &raft.Message{
			From: 1, To: 2, Term: 7, Body: raft.AppendReply{Success: true, MatchIndex: 8},
		}},
		"forward-16KiB":    {Peer: rsm.Forward{Batch: make([]byte, 16<<10)}},
		"append-1x128B":    appended(1, 128),
		"append-1x64KiB":   appended(1, 64<<10),
		"append-1000x128B": appended(1000, 128),
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	for name, m := range benchmarked() {
		b.Run(name, func(b *testing.B) {
			var frame []byte
			b.ReportAllocs()
			for b.Loop() {
				frame = AppendFrame(frame[:0], m)
			}
			b.SetBytes(int64(len(frame)))
		})
	}
}

func BenchmarkDecodeMessage(b *testing.B) {
	for name, m := range benchmarked() {
		body := EncodeMessage(nil, m)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := DecodeMessage(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Small messages cost what their values cost and no more: the message and its boxed body.
func TestAllocations(t *testing.T) {
	for name, limit := range map[string]float64{
		"heartbeat": 2, "reply": 2, "forward-16KiB": 1, "append-1x128B": 3, "append-1000x128B": 3,
	} {
		m := benchmarked()[name]
		body := EncodeMessage(nil, m)
		if n := testing.AllocsPerRun(100, func() { DecodeMessage(body) }); n > limit {
			t.Errorf("decoding %s: %v allocations, want at most %v", name, n, limit)
		}
		frame := AppendFrame(nil, m)
		if n := testing.AllocsPerRun(100, func() { AppendFrame(frame[:0], m) }); n > 0 {
			t.Errorf("encoding %s into room enough: %v allocations", name, n)
		}
		if cap(frame) > len(frame)+len(frame)/4+128 {
			t.Errorf("encoding %s: %d bytes of room for %d", name, cap(frame), len(frame))
		}
	}
	if s := fmt.Sprint(EntryBytes(raft.Entry{})); s != "22" {
		t.Errorf("an empty entry takes %s bytes", s)
	}
}
