// Package ports finds TCP ports of loopback for processes that this one starts, and that must
// keep them over restarts.
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports are drawn below the range that the kernel takes for outgoing connections: none of those
// can take a port between the moment it was found free and the moment a node binds it.
const (
	portMin = 10_240
	portMax = 32_000
)

// drawn are the ports that this process was given before: nobody gets one twice.
var drawn struct {
	sync.Mutex
	ports map[int]bool
}

// Free returns n ports that nobody listens on.
func Free(n int) ([]int, error) {
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		if tries > 1000*n {
			return nil, fmt.Errorf("there are no %d free ports between %d and %d", n, portMin, portMax)
		}
		if port := portMin + rand.IntN(portMax-portMin); Take([]int{port}) {
			ports = append(ports, port)
		}
	}
	return ports, nil
}

// Take takes all of these ports, or none.
func Take(ports []int) bool {
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

// Loopback is the address of a port on this machine.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
