package transport

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"time"

	"drystone/raft"
	"drystone/wire"
)

// JoinTimeout bounds the whole of a Join: the acceptor's leader changes the configuration in it.
const JoinTimeout = 15 * time.Second

// Join asks the node at an address, whatever its number, to be let into its cluster, and returns
// its answer. An error means that there was none.
func (t *Transport) Join(ctx context.Context, address string) (wire.HelloReply, error) {
	ctx, cancel := context.WithTimeout(ctx, JoinTimeout)
	defer cancel()
	conn, err := t.config.Dial(ctx, address)
	if err != nil {
		return wire.HelloReply{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer context.AfterFunc(t.ctx, func() { conn.Close() })()
	h := t.hello(0)
	h.Features |= wire.FeatureJoin
	if _, err := conn.Write(wire.AppendHelloFrame(nil, h)); err != nil {
		return wire.HelloReply{}, err
	}
	body, err := wire.ReadFrame(bufio.NewReader(conn), wire.MaxJoinBytes, nil)
	if err != nil {
		return wire.HelloReply{}, fmt.Errorf("no answer to the request to join: %w", err)
	}
	return wire.DecodeHelloReply(body)
}

// letJoin answers a node that asks to be let in, and ends the conversation.
func (t *Transport) letJoin(conn net.Conn, h wire.Hello) error {
	t.pending.remove(conn)
	ctx, cancel := context.WithTimeout(t.ctx, JoinTimeout-JoinTimeout/3) // the answer has a way to go
	defer cancel()
	conn.SetDeadline(time.Now().Add(JoinTimeout))
	reply := wire.HelloReply{Code: wire.HelloWrongNode,
		Detail: fmt.Sprintf("this is node %d too: choose another --id", t.self)}
	switch {
	case h.Protocol < wire.MinProtocol:
		reply.Code = wire.HelloVersion
		reply.Detail = fmt.Sprintf("node %d speaks protocol %d, node %d at least %d", h.Node,
			h.Protocol, t.self, wire.MinProtocol)
	case h.Node != t.self && h.Node != 0:
		reply = t.config.Join(ctx, h)
	}
	reply.Hello = t.hello(h.Node)
	if reply.Code != wire.HelloOK {
		t.refusing(h.Node, conn.RemoteAddr(), reply)
	}
	if _, err := conn.Write(wire.AppendHelloReplyFrame(nil, reply)); err != nil {
		return err
	}
	return errRefused // nothing more is said here
}

// Disconnect closes the connections to and from a peer, without Lost. Whether it may come back,
// Check decides.
func (t *Transport) Disconnect(id raft.NodeID) {
	t.mu.Lock()
	p := t.peers[id]
	t.mu.Unlock()
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range []*link{p.in, p.out} {
		if l != nil {
			l.close()
		}
	}
	p.in, p.out = nil, nil
	p.closeBulks(nil)
}
