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

// shaken is what came of a handshake: who the other is, or who refuses whom.
type shaken struct {
	hello        wire.Hello
	theirs, ours wire.HelloReply
}

// shake is the dialer's side of the handshake, for a connection with these features, which the
// acceptor must know as well. errRefused: one of the two sides does not want the other.
func (t *Transport) shake(conn net.Conn, to raft.NodeID, features uint64) (shaken, error) {
	tune(conn)
	conn.SetDeadline(time.Now().Add(t.config.HandshakeTimeout))
	hello := t.hello(uint64(to))
	hello.Features |= features
	if _, err := conn.Write(wire.AppendHelloFrame(nil, hello)); err != nil {
		return shaken{}, err
	}
	reply, err := readReply(bufio.NewReaderSize(conn, handshakeBuffer))
	if err != nil {
		return shaken{}, fmt.Errorf("handshake: %w", err)
	}
	if reply.Code != wire.HelloOK {
		return shaken{theirs: reply}, errRefused
	}
	s := shaken{hello: reply.Hello, ours: t.judge(reply.Hello)}
	if s.ours.Code == wire.HelloOK {
		s.ours = t.expect(reply.Hello, to, features)
	}
	if s.ours.Code != wire.HelloOK {
		t.refusing(reply.Hello.Node, conn.RemoteAddr(), s.ours)
	}
	if _, err := conn.Write(wire.AppendHelloReplyFrame(nil, s.ours)); err != nil {
		return s, err
	}
	if s.ours.Code != wire.HelloOK {
		return s, errRefused
	}
	conn.SetDeadline(time.Time{})
	return s, nil
}

// expect refuses an acceptor that is not the one dialled, or not what the connection needs.
func (t *Transport) expect(h wire.Hello, to raft.NodeID, features uint64) wire.HelloReply {
	if h.Node != uint64(to) {
		return wire.HelloReply{
			Code:   wire.HelloWrongNode,
			Detail: fmt.Sprintf("node %d answers at the address of node %d", h.Node, to),
		}
	}
	if h.Features&features != features {
		return wire.HelloReply{
			Code:   wire.HelloVersion,
			Detail: fmt.Sprintf("node %d takes no snapshots from peers", to),
		}
	}
	return wire.HelloReply{}
}

func readReply(r *bufio.Reader) (wire.HelloReply, error) {
	body, err := wire.ReadFrame(r, wire.MaxHelloBytes, nil)
	if err != nil {
		return wire.HelloReply{}, err
	}
	return wire.DecodeHelloReply(body)
}
