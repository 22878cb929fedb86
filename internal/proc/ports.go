package proc

import (
	"math/rand/v2"
	"testing"

	"drystone/internal/ports"
)

// FreePorts returns n loopback TCP ports that nobody listens on.
func FreePorts(tb testing.TB, n int) []int {
	tb.Helper()
	free, err := ports.Free(n)
	if err != nil {
		tb.Fatal(err)
	}
	return free
}

// FreeBase returns a base port for `drystone dev --base-port` with so many nodes, at most five:
// node i has its peer port 10,000·(i−1) above it, and HTTP and RESP one and two above that.
func FreeBase(tb testing.TB, nodes int) int {
	tb.Helper()
	const step, portsOfNode = 10_000, 3
	if nodes < 1 || nodes > 5 {
		tb.Fatalf("FreeBase: %d nodes", nodes)
	}
	for range 1000 {
		base := 1_100 + rand.IntN(8_800)
		var all []int
		for i := range nodes * portsOfNode {
			all = append(all, base+i/portsOfNode*step+i%portsOfNode)
		}
		if ports.Take(all) {
			return base
		}
	}
	tb.Fatalf("no free base port for %d nodes", nodes)
	return 0
}

// Loopback is the address of a port on this machine.
func Loopback(port int) string { return ports.Loopback(port) }
