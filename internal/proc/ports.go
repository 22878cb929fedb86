package proc

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports are drawn below the range that the kernel takes for outgoing connections: none of those
// can take a port between the moment it was found free and the moment a node binds it.
const (
	portMin = 10_240
	portMax = 32_000
)

// FreePorts returns n loopback TCP ports that nobody listens on.
func FreePorts(tb testing.TB, n int) []int {
	tb.Helper()
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		if tries > 1000 {
			tb.Fatalf("no %d free ports between %d and %d", n, portMin, portMax)
		}
		port := portMin + rand.IntN(portMax-portMin)
		held := hold(port)
		if held == nil {
			continue
		}
		// Held until the end, so that none is drawn twice.
		defer held.Close()
		ports = append(ports, port)
	}
	return ports
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
		free := true
		for i := range nodes * portsOfNode {
			held := hold(base + i/portsOfNode*step + i%portsOfNode)
			if held == nil {
				free = false
				break
			}
			held.Close()
		}
		if free {
			return base
		}
	}
	tb.Fatalf("no free base port for %d nodes", nodes)
	return 0
}

func hold(port int) net.Listener {
	l, err := net.Listen("tcp", Loopback(port))
	if err != nil {
		return nil
	}
	return l
}

// Loopback is the address of a port on this machine.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
