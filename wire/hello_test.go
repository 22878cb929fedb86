package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func hellos() []Hello {
	return []Hello{
		{},
		{Protocol: 1, Node: 2, To: 3},
		{
			Protocol: Protocol, Node: 1, To: 2, Boot: 3, Features: 1 << 63,
			Cluster: strings.Repeat("c", 32), Incarnation: strings.Repeat("i", 32),
			Peer: "127.0.0.1:12379", HTTP: "127.0.0.1:12380", RESP: "[::1]:12381",
		},
	}
}

func replies() []HelloReply {
	all := []HelloReply{{}, {Code: HelloWiped, Detail: "its directory is another one"}}
	for _, h := range hellos() {
		all = append(all, HelloReply{Hello: h}, HelloReply{Grant: "{}", Hello: h}, HelloReply{
			Code: HelloOtherCluster, Detail: "naïve", Hello: h,
		})
	}
	return all
}

func TestHellosComeBackAsTheyWere(t *testing.T) {
	for _, h := range hellos() {
		got, err := DecodeHello(EncodeHello(nil, h))
		if err != nil || got != h {
			t.Errorf("%+v came back as %+v, %v", h, got, err)
		}
		frame := AppendHelloFrame(nil, h)
		body, err := ReadFrame(reader(frame), MaxHelloBytes, nil)
		if err != nil || !bytes.Equal(body, EncodeHello(nil, h)) {
			t.Errorf("the frame of %+v: %v", h, err)
		}
	}
	for _, r := range replies() {
		got, err := DecodeHelloReply(EncodeHelloReply(nil, r))
		if err != nil || !cmp.Equal(got, r) {
			t.Errorf("%+v came back as %+v, %v", r, got, err)
		}
		frame := AppendHelloReplyFrame(nil, r)
		body, err := ReadFrame(reader(frame), MaxHelloBytes, nil)
		if err != nil || !bytes.Equal(body, EncodeHelloReply(nil, r)) {
			t.Errorf("the frame of %+v: %v", r, err)
		}
	}
}

// The fields of a hello are nearly all optional, so a cut between two of them is a hello too; what
// cuts must be seen by is the frame around it.
func TestCutHellosAreRefusedOrShorter(t *testing.T) {
	full := hellos()[2]
	body := EncodeHello(nil, full)
	for n := range body {
		got, err := DecodeHello(body[:n])
		if err == nil && cmp.Equal(got, full) {
			t.Errorf("%d of %d bytes give the whole hello", n, len(body))
		}
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%d of %d bytes: %v", n, len(body), err)
		}
	}
}

func TestHellosThatNobodyWritesAreRefused(t *testing.T) {
	plain := EncodeHello(nil, Hello{Node: 1})
	tagged := func(tag byte, value string) []byte {
		b := append(bytes.Clone(plain), tag, byte(len(value)), 0, 0, 0)
		return append(b, value...)
	}
	for _, c := range []struct {
		name string
		body []byte
	}{
		{"invalid UTF-8", tagged(tagCluster, "\xff")},
		{"features of one byte", tagged(tagFeatures, "1")},
		{"tag zero", tagged(0, "")},
		{"the same field twice", append(tagged(tagHTTP, "a"), tagged(tagHTTP, "b")[len(plain):]...)},
		{"another kind", EncodeHelloReply(nil, HelloReply{Hello: Hello{Node: 1}})},
		{"nothing", nil},
	} {
		if _, err := DecodeHello(c.body); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if got, err := DecodeHello(tagged(99, "later")); err != nil || got.Node != 1 {
		t.Errorf("a field of a later version: %+v, %v", got, err)
	}
	if _, err := DecodeHelloReply(plain); !errors.Is(err, ErrMalformed) {
		t.Errorf("a hello where its answer belongs: %v", err)
	}
	nested := append([]byte{Version, kindHelloReply, tagHello, 2, 0, 0, 0}, Version, kindHello)
	if _, err := DecodeHelloReply(nested); !errors.Is(err, ErrMalformed) {
		t.Errorf("an answer with a cut hello in it: %v", err)
	}
}
