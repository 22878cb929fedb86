package rsm_test

import (
	"bytes"
	"fmt"
	"testing"

	"drystone/rsm"
)

// The hash of a state is compared between versions: these values never change.
func TestTheHashIsTheSameForEver(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 5)
	for _, c := range []struct {
		seed uint64
		data string
		want uint64
	}{
		{0, "", 0xbc59472a60ec616e},
		{1, "drystone", 0x985284317fed1310},
		{2, string(long[:77]), 0x77014b74c7f63afd},
	} {
		if got := rsm.HashString(c.seed, c.data); got != c.want {
			t.Errorf("HashString(%d, %q) is %#x, not %#x", c.seed, c.data, got, c.want)
		}
		if got := rsm.HashBytes(c.seed, []byte(c.data)); got != c.want {
			t.Errorf("HashBytes(%d, %q) is %#x, not %#x", c.seed, c.data, got, c.want)
		}
	}
}

// Inputs that differ little, as rows do, must not meet.
func TestTheHashTellsNeighboursApart(t *testing.T) {
	seen := map[uint64]string{}
	note := func(hash uint64, format string, args ...any) {
		what := fmt.Sprintf(format, args...)
		if other, found := seen[hash]; found {
			t.Fatalf("%s has the hash of %s", what, other)
		}
		seen[hash] = what
	}
	zeroes := make([]byte, 80)
	for n := range zeroes {
		note(rsm.HashBytes(0, zeroes[:n]), "%d zeroes", n)
		for bit := range 8 * n {
			one := bytes.Clone(zeroes[:n])
			one[bit/8] |= 1 << (bit % 8)
			note(rsm.HashBytes(0, one), "%d bytes with bit %d", n, bit)
		}
	}
	for i := range uint64(200) {
		note(rsm.HashString(i+1, ""), "seed %d", i+1)
		for j := range uint64(200) {
			note(rsm.Mix(rsm.Mix(9, i), j), "words %d, %d", i, j)
		}
	}
}

// Each bit of a word should decide about half of the bits of the result.
func TestTheHashSpreads(t *testing.T) {
	const rounds = 200
	for bit := range 64 {
		changed := 0
		for i := range uint64(rounds) {
			changed += ones(rsm.Mix(1, i) ^ rsm.Mix(1, i^1<<bit))
		}
		if mean := float64(changed) / rounds; mean < 24 || mean > 40 {
			t.Errorf("bit %d decides about %.1f bits of 64", bit, mean)
		}
	}
}

func ones(n uint64) (count int) {
	for ; n != 0; n &= n - 1 {
		count++
	}
	return count
}
