package wire

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func shipments() []ShipMessage {
	return []ShipMessage{
		ShipOffer{Meta: meta(), Bytes: 1 << 40},
		ShipHave{},
		ShipHave{Bytes: 7, Sum: 0xfedcba98},
		ShipChunk{Offset: 3, Data: []byte("piece")},
		ShipChunk{Data: bytes.Repeat([]byte{0xa5}, ShipChunkBytes)},
		ShipEnd{Sum: 1},
		ShipVerdict{},
		ShipVerdict{Code: ShipDamaged, Detail: "naïve"},
		ShipAlive{},
	}
}

func TestShipmentsComeBackAsTheyWere(t *testing.T) {
	for _, m := range shipments() {
		body := EncodeShip(nil, m)
		got, err := DecodeShip(body)
		if err != nil || !cmp.Equal(got, m) {
			t.Errorf("%T came back as %+v, %v", m, got, err)
		}
		read, err := ReadFrame(reader(AppendShipFrame(nil, m)), MaxShipBytes, nil)
		if err != nil || !bytes.Equal(read, body) {
			t.Errorf("the frame of %T: %v", m, err)
		}
	}
}

// TestShipmentsCutOrTooLong: a verdict is all optional fields, so only cuts within one are seen.
func TestShipmentsCutOrTooLong(t *testing.T) {
	for _, m := range shipments() {
		body := EncodeShip(nil, m)
		if _, err := DecodeShip(append(bytes.Clone(body), 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%T and a byte: %v", m, err)
		}
		if _, verdict := m.(ShipVerdict); verdict || len(body) > 1000 {
			continue
		}
		for n := range len(body) {
			if _, err := DecodeShip(body[:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%d bytes of %T: %v", n, m, err)
			}
		}
	}
	for _, b := range [][]byte{{Version, kindHello}, {Version + 1, kindShipEnd}} {
		if _, err := DecodeShip(b); err == nil {
			t.Errorf("%x is taken", b)
		}
	}
}

func FuzzDecodeShip(f *testing.F) {
	for _, m := range shipments() {
		if b := EncodeShip(nil, m); len(b) < 1000 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeShip(b)
		if err != nil {
			return
		}
		again, err := DecodeShip(EncodeShip(nil, m))
		if err != nil || !cmp.Equal(m, again) {
			t.Fatalf("%+v came back as %+v, %v", m, again, err)
		}
	})
}
