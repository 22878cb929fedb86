package transport

import (
	"bufio"
	"fmt"
	"net"
	"time"

	"drystone/raft"
	"drystone/wire"
)

// tune asks the system to notice a peer whose machine vanished while nothing is being said.
func tune(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 5,
		})
	}
}

// hello is this node's own, to the node of that number.
func (t *Transport) hello(to uint64) wire.Hello {
	h := t.config.Hello()
	h.To, h.Protocol = to, wire.Protocol
	return h
}

// judge decides on the other side's hello: first what every node decides alike, then the Handler.
func (t *Transport) judge(h wire.Hello) wire.HelloReply {
	refuse := func(code wire.HelloCode, format string, args ...any) wire.HelloReply {
		return wire.HelloReply{Code: code, Detail: fmt.Sprintf(format, args...)}
	}
	if h.Protocol < wire.MinProtocol {
		return refuse(wire.HelloVersion, "node %d speaks protocol %d, node %d at least %d",
			h.Node, h.Protocol, t.self, wire.MinProtocol)
	}
	if h.To != t.self {
		return refuse(wire.HelloWrongNode, "this is node %d, not node %d", t.self, h.To)
	}
	if h.Node == t.self || h.Node == 0 {
		return refuse(wire.HelloWrongNode, "a peer of node %d calls itself node %d", t.self, h.Node)
	}
	t.mu.Lock()
	known := t.peers[raft.NodeID(h.Node)]
	t.mu.Unlock()
	if known != nil && known.stale(h) {
		return refuse(wire.HelloWiped, "node %d is at boot %d of its directory, and was met at a "+
			"later one: the directory was set back to an older copy", h.Node, h.Boot)
	}
	reply := t.handler.Check(h)
	reply.Hello = wire.Hello{}
	return reply
}

// refusing notes that this node refuses another.
func (t *Transport) refusing(node uint64, address net.Addr, r wire.HelloReply) {
	t.counters.refused.Add(1)
	t.warn("refuses "+string(r.Code), raft.NodeID(node), "this node refuses a peer", "peer", node,
		"address", address, "code", r.Code, "detail", r.Detail)
}

func readReply(r *bufio.Reader) (wire.HelloReply, error) {
	body, err := wire.ReadFrame(r, wire.MaxHelloBytes, nil)
	if err != nil {
		return wire.HelloReply{}, err
	}
	return wire.DecodeHelloReply(body)
}
