package store_test

import (
	"fmt"
	"io"
	"testing"

	"drystone/rsm"
	"drystone/store"
)

// batchOf is what an entry of a busy cluster holds.
const batchOf = 1000

// benchmarkApply applies entries of one batch with batchOf requests, and reports for one request.
func benchmarkApply(b *testing.B, stacks int, request func(i int) rsm.Request) {
	s := rsm.New(store.New(), rsm.Options{Node: 1, Boot: 1})
	batch := rsm.Batch{Node: 1, Boot: 1}
	for i := range batchOf {
		batch.Requests = append(batch.Requests, request(i%stacks))
	}
	b.ReportAllocs()
	var encoded, entry []byte
	for n := 0; n < b.N; n += batchOf {
		b.StopTimer()
		batch.Number++
		batch.Ack = batch.Number - 1
		encoded = rsm.EncodeBatch(encoded[:0], batch)
		entry = rsm.EncodeEntry(entry[:0], rsm.Entry{Batches: [][]byte{encoded}})
		b.StartTimer()
		if _, err := s.Apply(batch.Number, 1, rsm.EntryCommand, entry); err != nil {
			b.Fatal(err)
		}
	}
}

func pushTo(i int) rsm.Request {
	return rsm.Request{Command: store.EncodeCommand(nil, store.Push{
		Stack: fmt.Sprintf("stack %d", i), Values: [][]byte{[]byte("a value of 25 bytes or so")}})}
}

func BenchmarkApply(b *testing.B) {
	b.Run("push", func(b *testing.B) { benchmarkApply(b, 1, pushTo) })
	b.Run("push to 1000 stacks", func(b *testing.B) { benchmarkApply(b, 1000, pushTo) })
	b.Run("push and pop", func(b *testing.B) {
		benchmarkApply(b, batchOf, func(i int) rsm.Request {
			if i%2 == 0 {
				return pushTo(i / 200)
			}
			return rsm.Request{Command: store.EncodeCommand(nil, store.Pop{
				Stack: fmt.Sprintf("stack %d", i/200), Count: 1})}
		})
	})
	b.Run("push, with a repeated key", func(b *testing.B) {
		benchmarkApply(b, batchOf, func(i int) rsm.Request {
			r := pushTo(0)
			r.Identity = rsm.Identity{Key: fmt.Sprintf("0123456789abcdef-%d", i)}
			return r
		})
	})
}

func BenchmarkSnapshot(b *testing.B) {
	s := store.New()
	ctx := &rsm.Context{Settings: rsm.DefaultSettings()}
	for i := range 1_000_000 {
		s.Apply(ctx, store.EncodeCommand(nil, store.Push{Stack: fmt.Sprint(i % 1000),
			Values: [][]byte{[]byte("a value of 25 bytes or so")}}))
	}
	b.Run("freeze a million items and push one", func(b *testing.B) {
		push := store.EncodeCommand(nil, store.Push{Stack: "1", Values: [][]byte{[]byte("x")}})
		for b.Loop() {
			s.Snapshot()
			s.Apply(ctx, push)
		}
	})
	b.Run("write a million items", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Snapshot().WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
}
