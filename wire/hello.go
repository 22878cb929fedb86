package wire

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// Protocol is the highest version of the conversation that this build speaks, and MinProtocol the
// lowest. Two nodes speak the lower of their Protocols.
const (
	Protocol    = 1
	MinProtocol = 1
)

// MaxHelloBytes bounds the body of a Hello or HelloReply: what is read from somebody unknown.
const MaxHelloBytes = 8 << 10

// Hello is how a node presents itself, before anything else is said. Its encoding never changes
// but for new tagged fields, so that any two versions can at least refuse each other.
type Hello struct {
	Protocol    uint32
	Node, To    uint64 // To: whom the speaker believes to talk to
	Boot        uint64 // counts the starts of this incarnation
	Features    uint64 // a bit each
	Cluster     string // 32 hex digits; "" while the cluster is not formed
	Incarnation string // of the data directory; 32 hex digits

	// Advertised addresses, host:port: hints for people and clients.
	Peer, HTTP, RESP string
}

// FeatureShip, in a dialer's Hello, says that the connection is to carry one snapshot instead of
// messages. An acceptor that will take it so says it too.
const FeatureShip = 1 << 0

// FeatureJoin, in a dialer's Hello, asks to be let into the acceptor's cluster. To is then 0. The
// conversation ends with the acceptor's answer, which has a Grant if it is let in.
const FeatureJoin = 1 << 1

// MaxJoinBytes bounds the body of an answer to FeatureJoin.
const MaxJoinBytes = 1 << 20

// HelloCode says why a Hello is refused.
type HelloCode string

// The verdicts on a Hello.
const (
	HelloOK           HelloCode = ""
	HelloOtherCluster HelloCode = "other_cluster" // it belongs to another cluster
	HelloWiped        HelloCode = "wiped"         // a known node without the directory it had
	HelloNotMember    HelloCode = "not_member"    // no node of this cluster
	HelloWrongNode    HelloCode = "wrong_node"    // meant for another node than this
	HelloVersion      HelloCode = "version"       // the two have no version in common
	HelloRemoved      HelloCode = "removed"       // a directory that was removed from the cluster
	HelloVacant       HelloCode = "vacant"        // its number waits for a directory: it may join
	HelloUsed         HelloCode = "number_used"   // its number was another's, who was removed
	HelloNotNow       HelloCode = "not_now"       // it may join later
)

// HelloReply answers a Hello. In its answer the acceptor says its own; the dialer answers that
// with a HelloReply in turn, without a Hello.
type HelloReply struct {
	Code   HelloCode
	Detail string // a sentence for people; "" with HelloOK
	Hello  Hello  // the acceptor's own; zero when it is not said
	Grant  string // answers FeatureJoin: what a member must know, in JSON; "" if it is refused
}

// The tagged fields of a Hello.
const (
	tagCluster     = 1
	tagIncarnation = 2
	tagPeer        = 3
	tagHTTP        = 4
	tagRESP        = 5
	tagFeatures    = 6
)

// The tagged fields of a HelloReply.
const (
	tagCode   = 1
	tagDetail = 2
	tagHello  = 3
	tagGrant  = 4
)

// EncodeHello appends h's body.
func EncodeHello(dst []byte, h Hello) []byte {
	dst = append(dst, Version, kindHello)
	dst = appendU32(dst, h.Protocol)
	dst = appendU64(dst, h.Node)
	dst = appendU64(dst, h.To)
	dst = appendU64(dst, h.Boot)
	dst = appendTagged(dst, tagCluster, h.Cluster)
	dst = appendTagged(dst, tagIncarnation, h.Incarnation)
	dst = appendTagged(dst, tagPeer, h.Peer)
	dst = appendTagged(dst, tagHTTP, h.HTTP)
	dst = appendTagged(dst, tagRESP, h.RESP)
	if h.Features != 0 {
		dst = append(dst, tagFeatures)
		dst = appendU64(appendU32(dst, 8), h.Features)
	}
	return dst
}

// DecodeHello reads a Hello's body; b is that and no more. Its strings are valid UTF-8 and do not
// alias b.
func DecodeHello(b []byte) (Hello, error) {
	c := cursor{rest: b}
	kind, err := c.head()
	if err != nil {
		return Hello{}, err
	}
	if kind != kindHello {
		return Hello{}, fmt.Errorf("%w: kind %d where a hello belongs", ErrMalformed, kind)
	}
	h := Hello{Protocol: c.u32(), Node: c.u64(), To: c.u64(), Boot: c.u64()}
	var last uint8
	for {
		tag, value, ok := c.tagged(&last)
		if !ok {
			break
		}
		switch tag {
		case tagCluster:
			h.Cluster = c.text(value)
		case tagIncarnation:
			h.Incarnation = c.text(value)
		case tagPeer:
			h.Peer = c.text(value)
		case tagHTTP:
			h.HTTP = c.text(value)
		case tagRESP:
			h.RESP = c.text(value)
		case tagFeatures:
			if len(value) != 8 {
				c.fail()
				break
			}
			h.Features = binary.LittleEndian.Uint64(value)
		}
	}
	if err := c.err("hello"); err != nil {
		return Hello{}, err
	}
	return h, nil
}

// EncodeHelloReply appends r's body.
func EncodeHelloReply(dst []byte, r HelloReply) []byte {
	dst = append(dst, Version, kindHelloReply)
	dst = appendTagged(dst, tagCode, string(r.Code))
	dst = appendTagged(dst, tagDetail, r.Detail)
	if r.Hello != (Hello{}) {
		dst = append(dst, tagHello)
		at := len(dst)
		dst = EncodeHello(append(dst, 0, 0, 0, 0), r.Hello)
		binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	}
	return appendTagged(dst, tagGrant, r.Grant)
}

// DecodeHelloReply reads a HelloReply's body; b is that and no more. Its strings are valid UTF-8
// and do not alias b.
func DecodeHelloReply(b []byte) (HelloReply, error) {
	c := cursor{rest: b}
	kind, err := c.head()
	if err != nil {
		return HelloReply{}, err
	}
	if kind != kindHelloReply {
		return HelloReply{}, fmt.Errorf("%w: kind %d where an answer to a hello belongs",
			ErrMalformed, kind)
	}
	var r HelloReply
	var last uint8
	for {
		tag, value, ok := c.tagged(&last)
		if !ok {
			break
		}
		switch tag {
		case tagCode:
			r.Code = HelloCode(c.text(value))
		case tagDetail:
			r.Detail = c.text(value)
		case tagHello:
			if r.Hello, err = DecodeHello(value); err != nil {
				return HelloReply{}, err
			}
		case tagGrant:
			r.Grant = c.text(value)
		}
	}
	if err := c.err("answer to a hello"); err != nil {
		return HelloReply{}, err
	}
	return r, nil
}

// text takes a string that will be shown to people.
func (c *cursor) text(b []byte) string {
	if !utf8.Valid(b) {
		c.fail()
		return ""
	}
	return string(b)
}

// AppendHelloFrame appends h in a frame.
func AppendHelloFrame(dst []byte, h Hello) []byte {
	start := len(dst)
	return seal(EncodeHello(append(dst, make([]byte, HeaderBytes)...), h), start)
}

// AppendHelloReplyFrame appends r in a frame.
func AppendHelloReplyFrame(dst []byte, r HelloReply) []byte {
	start := len(dst)
	return seal(EncodeHelloReply(append(dst, make([]byte, HeaderBytes)...), r), start)
}
