package transport

import (
	"testing"

	"drystone/raft"
	"drystone/rsm"
	"drystone/wire"
)

// BenchmarkRoundTrip is a message to a peer and its answer, one at a time and 64 in flight.
func BenchmarkRoundTrip(b *testing.B) {
	for name, m := range map[string]wire.Message{
		"heartbeat": beat(1, 2, 1), "forward-16KiB": {Peer: rsm.Forward{Batch: make([]byte, 16<<10)}},
	} {
		for _, depth := range []int{1, 64} {
			b.Run(name+map[int]string{1: "", 64: "-x64"}[depth], func(b *testing.B) {
				back := make(chan int, depth)
				here, there := newHost(b, 1), newHost(b, 2)
				here.receive = func(_ raft.NodeID, ms []wire.Message) { back <- len(ms) }
				there.receive = func(_ raft.NodeID, ms []wire.Message) {
					for i := range ms {
						ms[i] = beat(2, 1, 1)
					}
					there.tr.Send(1, ms)
				}
				here.start()
				there.start()
				meet(here, there)
				ms := []wire.Message{m}
				b.ReportAllocs()
				b.ResetTimer()
				under := 0
				for range b.N {
					here.tr.Send(2, ms)
					for under++; under >= depth; {
						under -= <-back
					}
				}
			})
		}
	}
}
