package proc

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Ports are drawn below the range that the kernel takes for outgoing connections: none of those
// can take a port between the moment it was found free and the moment a node binds it.
const (
	portMin = 10_240
	portMax = 32_000
)

// drawn are the ports that this process was given before: no two tests get the same.
var drawn struct {
	sync.Mutex
	ports map[int]bool
}

// FreePorts returns n loopback TCP ports that nobody listens on.
func FreePorts(tb testing.TB, n int) []int {
	tb.Helper()
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		if tries > 1000*n {
			tb.Fatalf("no %d free ports between %d and %d", n, portMin, portMax)
		}
		if port := portMin + rand.IntN(portMax-portMin); draw([]int{port}) {
			ports = append(ports, port)
		}
	}
	return ports
}

// draw takes all of these ports, or none.
func draw(ports []int) bool {
	drawn.Lock()
	defer drawn.Unlock()
	for _, port := range ports {
		if drawn.ports[port] {
			return false
		}
		l, err := net.Listen("tcp", Loopback(port))
		if err != nil {
			return false
		}
		l.Close()
	}
	if drawn.ports == nil {
		drawn.ports = map[int]bool{}
	}
	for _, port := range ports {
		drawn.ports[port] = true
	}
	return true
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
		var ports []int
		for i := range nodes * portsOfNode {
			ports = append(ports, base+i/portsOfNode*step+i%portsOfNode)
		}
		if draw(ports) {
			return base
		}
	}
	tb.Fatalf("no free base port for %d nodes", nodes)
	return 0
}

// Loopback is the address of a port on this machine.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
